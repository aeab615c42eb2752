import torch

from iciclegcn.config import RUCConfig
from iciclegcn.methods.answers import Answers
from iciclegcn.methods.ruc_trust import Trust, refurbish_threshold, scaled, updated


def some_trust() -> Trust:
    clean = torch.tensor([True, False, False, False])
    return Trust(clean, torch.tensor([0, 0, 1, 2]), torch.zeros(4, 2))


def some_answers() -> Answers:
    # Two networks, then their sum, which is not asked.
    labels = torch.tensor([[2, 2, 2], [1, 2, 1], [0, 2, 2], [1, 1, 1]])
    confidences = torch.tensor(
        [[0.99, 0.99, 1.0], [0.95, 0.6, 1.0], [0.6, 0.92, 1.0], [0.7, 0.8, 1.0]]
    )
    return Answers(labels, confidences)


def test_unclean_images_that_one_network_is_sure_of_join_with_its_label() -> None:
    options = RUCConfig(refurbish_threshold=0.9)
    trust = updated(some_trust(), some_answers(), options, epoch=1)
    assert trust.clean.tolist() == [True, True, True, False]
    assert trust.labels.tolist() == [0, 1, 2, 2]  # clean ones keep theirs
    assert trust.reliance.shape == (4, 2)


def test_without_co_refurbishing_the_sets_stay() -> None:
    options = RUCConfig(refurbish_threshold=0.0, co_refurbishing=False)
    trust = updated(some_trust(), some_answers(), options, epoch=1)
    assert torch.equal(trust.clean, some_trust().clean)
    assert torch.equal(trust.labels, some_trust().labels)
    assert torch.equal(trust.reliance, scaled(some_answers().confidences[:, :2]))


def test_the_threshold_grows_by_steps() -> None:
    options = RUCConfig(refurbish_threshold=0.9, refurbish_growth=0.02, refurbish_interval=40)
    found = [round(refurbish_threshold(options, epoch), 6) for epoch in (0, 39, 40, 80, 199)]
    assert found == [0.9, 0.9, 0.92, 0.94, 0.98]
    assert refurbish_threshold(RUCConfig(), 150) == 0.99


def test_reliance_runs_from_the_least_sure_to_the_surest_image() -> None:
    confidences = torch.tensor([[0.2, 0.5], [0.4, 0.5], [0.6, 0.5]])
    expected = torch.tensor([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
    torch.testing.assert_close(scaled(confidences), expected)


def test_a_trust_is_put_back() -> None:
    trust = some_trust()
    again = Trust(**trust.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(trust, again, strict=True))
