import pytest
import torch
from torch import nn

from iciclegcn.methods.optimization import require_finite, restore, take_step, training_state

Trained = tuple[nn.Linear, torch.optim.Optimizer, torch.amp.GradScaler]


def trained(steps: int) -> Trained:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    train((model, optimizer, scaler), steps)
    return model, optimizer, scaler


def train(trained: Trained, steps: int) -> None:
    model, optimizer, scaler = trained
    for _ in range(steps):
        take_step(model(torch.ones(4, 3)).square().mean(), optimizer, scaler)


def test_a_step_follows_the_gradient_once() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    for expected in (1.5, 1.0):  # the gradient of 1 * w is 1, whatever came before
        take_step(model(torch.ones(1, 1)).sum(), optimizer, scaler)
        assert model.weight.item() == expected


def test_gradients_are_averaged_before_the_step() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)

    def average() -> None:
        assert model.weight.grad is not None
        model.weight.grad /= 2

    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    take_step(model(torch.ones(1, 1)).sum(), optimizer, scaler, average)
    assert model.weight.item() == 1.75


def test_a_restored_training_goes_on_to_the_same_weights() -> None:
    whole = trained(5)
    half = trained(3)
    state = {"epoch": 3, **training_state(*half)}
    other = trained(0)
    assert restore(*other, state, "epoch") == 3
    train(other, 2)
    assert torch.equal(other[0].weight, whole[0].weight)


def test_without_a_state_nothing_changes() -> None:
    other = trained(1)
    before = other[0].weight.detach().clone()
    assert restore(*other, None, "epoch") == 0
    assert torch.equal(other[0].weight, before)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_itself(loss: float) -> None:
    require_finite("pretraining", "step 7", {"loss": 1.0, "instance": float("nan")})
    message = r"the pretraining loss is not finite at step 7: loss (nan|inf), instance 2$"
    with pytest.raises(FloatingPointError, match=message):
        require_finite("pretraining", "step 7", {"loss": loss, "instance": 2.0})
