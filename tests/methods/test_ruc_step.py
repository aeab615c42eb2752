from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iciclegcn.config import RUCConfig
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.losses.mixmatch import sharpen, smoothed_loss
from iciclegcn.methods.ruc_batches import Batch, BatchViews, Mixing, unmixed
from iciclegcn.methods.ruc_step import Believed, RUCLosses, refined_targets, ruc_losses

K, NUM_CLEAN, NUM_IMAGES = 3, 2, 5
OPTIONS = RUCConfig(unlabelled_weight=10.0, ramp_epochs=20)
BATCH = Batch(np.array([2, 7, 1, 5, 8]), NUM_CLEAN)
MIXING = Mixing(torch.tensor([9, 3, 1, 0, 2, 4, 5, 8, 7, 6]), 0.75)


def network(seed: int) -> nn.Module:
    """Images to logits, with batch normalisation that has seen other images."""
    torch.manual_seed(seed)
    made = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, K))
    made(3 * torch.randn(20, 1, 2, 2) + 1)
    return made


def some_views(num_clean: int = NUM_CLEAN, seed: int = 0) -> BatchViews:
    generator = torch.Generator().manual_seed(seed)

    def draw(n: int) -> Tensor:
        return torch.randn(n, 1, 2, 2, generator=generator)

    first, second = draw(NUM_IMAGES), draw(NUM_IMAGES)
    partners = torch.cat([first, second])[MIXING.partners]
    return BatchViews(first, second, partners, draw(num_clean), draw(num_clean))


def some_targets(seed: int = 1) -> Tensor:
    return torch.randn(NUM_IMAGES, K, generator=torch.Generator().manual_seed(seed)).softmax(1)


BELIEVED = Believed(torch.tensor([2, 0]), torch.tensor([0.25, 1.0]))


def still(made: nn.Module, views: Tensor) -> Tensor:
    """Probabilities in evaluation mode."""
    with torch.no_grad():
        found: Tensor = made.eval()(views).softmax(dim=1)
    return found


def test_clean_targets_mix_the_label_with_the_peers_answer() -> None:
    peer, views = network(1), some_views()
    targets = refined_targets(network(0), peer, views, BELIEVED, OPTIONS)
    answer, w = still(peer, views.original), BELIEVED.reliance[:, None]
    one_hot = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
    expected = ((1 - w) * one_hot + w * answer).square()
    torch.testing.assert_close(targets[:2], expected / expected.sum(dim=1, keepdim=True))
    assert not targets.requires_grad


def test_unclean_targets_are_the_mean_guess_of_both_networks_on_both_views() -> None:
    own, peer, views = network(0), network(1), some_views()
    targets = refined_targets(own, peer, views, BELIEVED, OPTIONS)
    trained = network(0).train()
    with torch.no_grad():
        seen = trained(torch.cat([views.first, views.second[2:]])).softmax(dim=1)
    guesses = [seen[2:5], seen[5:], still(peer, views.first[2:]), still(peer, views.second[2:])]
    mean = torch.stack(guesses).mean(dim=0)
    torch.testing.assert_close(targets[2:], sharpen(mean, 0.5))
    # The statistics have followed the weak views of the network, and those of the peer have not.
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(own.state_dict()[name], value)
    for name, value in network(1).state_dict().items():
        assert torch.equal(peer.state_dict()[name], value)
    assert own.training


def test_without_a_peer_labels_stay_and_the_network_guesses_alone() -> None:
    views = some_views()
    targets = refined_targets(network(0), None, views, BELIEVED, OPTIONS)
    assert torch.equal(targets[:2], torch.tensor([[0.0, 0, 1], [1, 0, 0]]))
    with torch.no_grad():
        seen = network(0).train()(torch.cat([views.first, views.second[2:]])).softmax(dim=1)
    torch.testing.assert_close(targets[2:], sharpen((seen[2:5] + seen[5:]) / 2, 0.5))


def test_a_network_that_is_its_own_peer_refines_its_labels() -> None:
    own, views = network(0), some_views()
    answer = still(network(0), views.original)
    targets = refined_targets(own, own, views, BELIEVED, OPTIONS)
    assert own.training
    torch.testing.assert_close(targets[1], sharpen(answer[1:], 0.5)[0])
    alone = refined_targets(network(0), None, views, BELIEVED, OPTIONS)
    torch.testing.assert_close(targets[2:], alone[2:])


@pytest.mark.parametrize("num_clean", [0, NUM_IMAGES])
def test_one_of_the_sets_may_be_empty(num_clean: int) -> None:
    views = some_views(num_clean)
    believed = Believed(torch.zeros(num_clean, dtype=torch.long), torch.zeros(num_clean))
    batch = Batch(BATCH.rows, num_clean)
    for peer in (network(1), None):
        own = network(0)
        targets = refined_targets(own, peer, views, believed, OPTIONS)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(NUM_IMAGES))
        losses = ruc_losses(
            own, views, targets, believed.labels, batch, MIXING, OPTIONS, 3, Ranks()
        )
        assert torch.isfinite(losses.loss)
        absent = "labelled" if num_clean == 0 else "unlabelled"
        assert getattr(losses, absent).item() == 0
        losses.loss.backward()  # type: ignore[no-untyped-call]


def losses_of(
    own: nn.Module,
    options: RUCConfig = OPTIONS,
    mixing: Mixing = MIXING,
    epoch: float = 5,
    views: BatchViews | None = None,
) -> RUCLosses:
    views, labels = views or some_views(), BELIEVED.labels
    return ruc_losses(own, views, some_targets(), labels, BATCH, mixing, options, epoch, Ranks())


def test_every_term_is_that_of_the_mixed_or_the_strong_views() -> None:
    losses, views, targets = losses_of(network(0)), some_views(), some_targets()
    mixed = 0.75 * torch.cat([views.first, views.second]) + 0.25 * views.partners
    twice = torch.cat([targets, targets])
    wanted = 0.75 * twice + 0.25 * twice[MIXING.partners]
    logits = network(0).train()(torch.cat([mixed, views.strong]))
    clean, unclean = [0, 1, 5, 6], [2, 3, 4, 7, 8, 9]
    crosses = -(wanted[clean] * logits[clean].log_softmax(dim=1)).sum(dim=1)
    torch.testing.assert_close(losses.labelled, crosses.mean())
    errors = (logits[unclean].softmax(dim=1) - wanted[unclean]).square()
    torch.testing.assert_close(losses.unlabelled, errors.mean())
    smoothed = smoothed_loss(logits[10:], BELIEVED.labels, 0.5)
    torch.testing.assert_close(losses.smoothed, smoothed)
    total = losses.labelled + 10 * (5 / 20) * losses.unlabelled + losses.smoothed
    torch.testing.assert_close(losses.loss, total)


@pytest.mark.parametrize(("epoch", "share"), [(0, 0.1), (10, 0.5), (40, 1.0)])
def test_the_squared_error_counts_more_and_more(epoch: float, share: float) -> None:
    losses = losses_of(network(0), epoch=epoch)
    expected = losses.labelled + 10 * share * losses.unlabelled + losses.smoothed
    torch.testing.assert_close(losses.loss, expected)


def test_mixed_images_leave_no_trace_in_the_statistics() -> None:
    own, other = network(0), network(0)
    losses_of(own)
    layer = own[0]  # type: ignore[index]
    assert isinstance(layer, nn.BatchNorm2d)
    assert layer.momentum == 0.1
    assert torch.equal(layer.running_mean, other[0].running_mean)  # type: ignore[index, arg-type]


def test_without_mixing_views_are_trained_on_as_they_are() -> None:
    views, targets = some_views(), some_targets()
    views = views._replace(partners=torch.cat([views.first, views.second]))
    losses = losses_of(network(0), mixing=unmixed(NUM_IMAGES), views=views)
    logits = network(0).train()(torch.cat([views.first, views.second, views.strong]))
    crosses = F.cross_entropy(logits[[0, 1, 5, 6]], targets[[0, 1, 0, 1]])
    torch.testing.assert_close(losses.labelled, crosses)


def test_the_strong_term_can_be_left_out() -> None:
    options = replace(OPTIONS, label_smoothing=None)
    views = some_views()
    without = losses_of(network(0), options, views=views._replace(strong=views.strong[:0]))
    assert without.smoothed.item() == 0
    torch.testing.assert_close(without.loss, without.labelled + 2.5 * without.unlabelled)


@pytest.mark.parametrize("bounds", [(0, 2, 5), (0, 1, 5), (0, 3, 5)])
def test_shares_of_a_batch_average_to_its_loss(bounds: tuple[int, ...]) -> None:
    # Without batch normalisation, whose exchange the tests of two processes cover.
    own = nn.Sequential(nn.Flatten(), nn.Linear(4, K))
    views, targets = some_views(), some_targets()
    whole = losses_of(own)

    class Cut(Ranks):
        def share(self, total: int) -> slice:
            assert total == NUM_IMAGES
            return slice(bounds[self.rank], bounds[self.rank + 1])

    parts = []
    for rank in (0, 1):
        rows = Cut(rank, 2).share(NUM_IMAGES)
        both = [*range(rows.start, rows.stop)]
        both += [row + NUM_IMAGES for row in both]
        clean = slice(min(rows.start, NUM_CLEAN), min(rows.stop, NUM_CLEAN))
        part = BatchViews(
            *(views.first[rows], views.second[rows], views.partners[both]),
            *(views.original[clean], views.strong[clean]),
        )
        labels, ranks = BELIEVED.labels[clean], Cut(rank, 2)
        parts.append(ruc_losses(own, part, targets, labels, BATCH, MIXING, OPTIONS, 5, ranks))
    for mine, yours, expected in zip(*parts, whole, strict=True):
        torch.testing.assert_close((mine + yours) / 2, expected)
