import torch
from torch import nn

from iciclegcn.config import GCCConfig
from iciclegcn.methods.gcc_epochs import EpochSummary, KeptEpoch
from iciclegcn.methods.gcc_losses import HeadLosses

OPTIONS = GCCConfig(balance_weight=2.0)


def heads(losses: list[float], sizes: list[list[int]]) -> HeadLosses:
    balance, none = torch.full((len(losses),), 0.25), torch.zeros(0, len(losses), dtype=torch.int64)
    return HeadLosses(torch.tensor(losses), balance, torch.tensor(sizes), none)


def summary(loss: float, empty: int = 0) -> EpochSummary:
    found = EpochSummary(OPTIONS)
    found.add(loss, heads([0.0], [[0] * empty + [5]]), 4)
    return found


def linear(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, value)
    return layer


def test_the_loss_is_the_mean_over_images() -> None:
    found = EpochSummary(OPTIONS)
    found.add(1.0, None, 3)
    found.add(5.0, None, 1)
    assert found.loss == 2.0
    assert (found.best_head, found.empty_clusters) == (0, 0)  # nothing is known of the heads


def test_the_best_head_has_the_lowest_loss_over_all_batches() -> None:
    found = EpochSummary(OPTIONS)
    found.add(0.0, heads([1.0, 2.0], [[2, 1], [3, 0]]), 3)
    found.add(0.0, heads([4.0, 2.0], [[1, 0], [1, 0]]), 1)
    assert found.best_head == 0  # 7 / 4 against 8 / 4
    assert found.empty_clusters == 0
    found.add(0.0, heads([4.0, 2.0], [[1, 0], [1, 0]]), 1)
    assert found.best_head == 1  # 11 / 5 against 10 / 5
    assert found.empty_clusters == 1


def test_the_balance_has_its_weight_in_the_choice() -> None:
    ones = torch.ones(2, 2, dtype=torch.int64)
    unbalanced = HeadLosses(torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.3]), ones, ones)
    found = EpochSummary(OPTIONS)
    found.add(0.0, unbalanced, 2)
    assert found.best_head == 0  # 1 against 0.5 + 2 * 0.3


def test_the_last_epoch_is_kept_as_it_is() -> None:
    kept, model = KeptEpoch("last"), linear(1.0)
    kept.offer(summary(1.0, empty=2), model)
    nn.init.constant_(model.weight, 2.0)
    kept.offer(summary(9.0, empty=1), model)
    kept.put_back(model)
    assert model.weight.item() == 2.0
    assert kept.empty_clusters == 1


def test_the_epoch_of_the_lowest_loss_is_put_back() -> None:
    kept, model = KeptEpoch("loss"), linear(0.0)
    for value, loss in [(1.0, 3.0), (2.0, 1.0), (3.0, 2.0)]:
        nn.init.constant_(model.weight, value)
        kept.offer(summary(loss, empty=int(value)), model)
    kept.put_back(model)
    assert model.weight.item() == 2.0
    assert kept.empty_clusters == 2


def test_a_resumed_training_still_knows_the_best() -> None:
    kept, model = KeptEpoch("loss"), linear(1.0)
    kept.offer(summary(1.0, empty=1), model)
    other = KeptEpoch("loss")
    other.load_state_dict(kept.state_dict())
    nn.init.constant_(model.weight, 2.0)
    other.offer(summary(1.5), model)
    other.put_back(model)
    assert model.weight.item() == 1.0
    assert other.empty_clusters == 1
