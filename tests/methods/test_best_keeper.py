import torch
from torch import nn

from iciclegcn.methods.best_keeper import BestKeeper

# Two pairs of friends: 0-1 and 2-3.
EDGES = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
GOOD = torch.eye(2)[[0, 0, 1, 1]]
BAD = torch.eye(2)[[0, 1, 0, 1]]


def model_of(value: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def test_keeper_returns_the_weights_whose_clusters_follow_the_graph() -> None:
    keeper = BestKeeper(EDGES)
    for value, probabilities in ((1.0, BAD), (2.0, GOOD), (3.0, BAD)):
        keeper.offer(model_of(value), probabilities)
    model = model_of(0.0)
    keeper.put_back(model)
    assert model.weight.item() == 2.0
    assert keeper.modularity == 0.5


def test_keeper_takes_the_first_of_equals() -> None:
    keeper = BestKeeper(EDGES)
    keeper.offer(model_of(1.0), GOOD)
    keeper.offer(model_of(2.0), GOOD.flip(1))
    model = model_of(0.0)
    keeper.put_back(model)
    assert model.weight.item() == 1.0


def test_keeper_is_not_changed_by_further_training() -> None:
    keeper, model = BestKeeper(EDGES), model_of(1.0)
    keeper.offer(model, GOOD)
    nn.init.constant_(model.weight, 9.0)
    keeper.put_back(model)
    assert model.weight.item() == 1.0


def test_keeper_continues_from_a_saved_state() -> None:
    keeper, resumed = BestKeeper(EDGES), BestKeeper(EDGES)
    keeper.offer(model_of(1.0), GOOD)
    resumed.load_state_dict(keeper.state_dict())
    resumed.offer(model_of(2.0), BAD)
    model = model_of(0.0)
    resumed.put_back(model)
    assert model.weight.item() == 1.0
