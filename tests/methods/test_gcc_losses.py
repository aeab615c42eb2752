import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from iciclegcn.config import Config, GCCConfig
from iciclegcn.config.values import build_config
from iciclegcn.losses.graph_contrastive import (
    assignment_loss,
    balance_loss,
    consistency_loss,
    representation_loss,
)
from iciclegcn.methods.gcc_batches import GCCBatch
from iciclegcn.methods.gcc_losses import gcc_losses, head_losses
from iciclegcn.methods.gcc_model import GCCModel, build_gcc_model
from iciclegcn.runtime import Runtime

NUM_IMAGES, SIDE = 6, 8


def config(**changes: object) -> Config:
    fixed: dict[str, object] = {
        "num_clusters": 3,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "gcc.projection_channels": 5,
    }
    return build_config(Config(), fixed | {f"gcc.{k}": v for k, v in changes.items()})


def model(options: Config) -> GCCModel:
    torch.manual_seed(0)
    # In evaluation mode batch normalisation does not mix the images of a batch.
    return build_gcc_model(options, 3).eval()


def batch(num_neighbors: int | None) -> GCCBatch:
    generator = torch.Generator().manual_seed(1)
    blocks = 2 if num_neighbors is None else 3 + num_neighbors
    views = torch.randn(blocks * NUM_IMAGES, 3, SIDE, SIDE, generator=generator)
    weight = None
    if num_neighbors is not None:
        weight = torch.rand(NUM_IMAGES, num_neighbors, generator=generator)
    return GCCBatch(torch.arange(NUM_IMAGES), views, weight)


def runtime(precision: str = "fp32") -> Runtime:
    return Runtime.create(0, "cpu", precision)


def logits(n: int, h: int, k: int) -> Tensor:
    return torch.randn(n, 2, h, k, generator=torch.Generator().manual_seed(2))


def test_without_a_graph_the_loss_is_the_plain_contrast() -> None:
    options = config()
    network, given = model(options), batch(None)
    losses = gcc_losses(network, given, options.gcc, runtime())
    z_a, z_b = network.projection(network(given.views)).chunk(2)
    torch.testing.assert_close(losses.representation, representation_loss(z_a, z_b, 0.1))
    torch.testing.assert_close(losses.loss, 2 * losses.representation)
    assert losses.heads is None
    torch.testing.assert_close(losses.z_b, F.normalize(z_b.detach(), dim=1))
    assert not losses.z_b.requires_grad
    assert set(losses.values()) == {"loss", "representation"}


@pytest.mark.parametrize("num_neighbors", [1, 3])
def test_with_a_graph_every_term_has_its_part(num_neighbors: int) -> None:
    options = config(
        num_heads=2,
        temperature=0.3,
        assignment_temperature=0.5,
        instance_weight=1.5,
        assignment_weight=0.7,
        balance_weight=3.0,
    )
    network, given = model(options), batch(num_neighbors)
    losses = gcc_losses(network, given, options.gcc, runtime())
    x = network(given.views).view(3 + num_neighbors, NUM_IMAGES, -1)
    z = network.projection(x)
    near = z[2:-1].transpose(0, 1)
    expected = representation_loss(z[0], z[1], 0.3, neighbors=near, weight=given.weight)
    torch.testing.assert_close(losses.representation, expected)
    assert losses.heads is not None
    total = 1.5 * expected
    for number, head in enumerate(network.heads):
        p, q = head(x[0]).softmax(dim=1), head(x[-1]).softmax(dim=1)
        torch.testing.assert_close(losses.heads.assignment[number], assignment_loss(p, q, 0.5))
        torch.testing.assert_close(losses.heads.balance[number], balance_loss(p))
        assert torch.equal(losses.heads.sizes[number], torch.bincount(p.argmax(dim=1), minlength=3))
        total = total + 0.7 * (assignment_loss(p, q, 0.5) + 3 * balance_loss(p)) / 2
    torch.testing.assert_close(losses.loss, total)
    assert set(losses.values()) == {"loss", "representation", "assignment", "balance"}


def test_without_contrast_neighbours_the_graph_serves_the_heads_alone() -> None:
    options = config(contrast_neighbors=0)
    network, given = model(options), batch(0)
    losses = gcc_losses(network, given, options.gcc, runtime())
    z = network.projection(network(given.views)).view(3, NUM_IMAGES, -1)
    torch.testing.assert_close(losses.representation, representation_loss(z[0], z[1], 0.1))
    assert losses.heads is not None


def test_every_block_of_views_reaches_the_loss() -> None:
    options = config()
    given = batch(2)
    views = given.views.requires_grad_()
    gcc_losses(model(options), given, options.gcc, runtime()).loss.backward()  # type: ignore[no-untyped-call]
    assert views.grad is not None
    assert (views.grad.view(5, -1).abs().sum(dim=1) > 0).all()


def test_partners_name_clusters_and_are_not_contrasted() -> None:
    options = config(assignment_weight=0.0)
    given = batch(2)
    views = given.views.requires_grad_()
    gcc_losses(model(options), given, options.gcc, runtime()).loss.backward()  # type: ignore[no-untyped-call]
    assert views.grad is not None
    assert (views.grad.view(5, -1).abs().sum(dim=1) > 0).tolist() == [True] * 4 + [False]


def test_terms_are_computed_in_fp32_whatever_the_precision() -> None:
    options = config()
    losses = gcc_losses(model(options), batch(2), options.gcc, runtime("bf16"))
    exact = gcc_losses(model(options), batch(2), options.gcc, runtime())
    assert losses.loss.dtype == losses.z_b.dtype == torch.float32
    assert losses.loss.item() == pytest.approx(exact.loss.item(), rel=0.02)
    torch.testing.assert_close(losses.z_b.norm(dim=1), torch.ones(NUM_IMAGES))


def test_scan_takes_the_place_of_the_contrast() -> None:
    given = logits(8, 2, 3)
    found = head_losses(given, GCCConfig(assignment_loss="scan"))
    for number in (0, 1):
        p, q = given[:, :, number].softmax(dim=2).unbind(1)
        torch.testing.assert_close(found.assignment[number], consistency_loss(p, q))
        torch.testing.assert_close(found.balance[number], balance_loss(p))


def test_the_total_of_a_head_weighs_its_balance() -> None:
    found = head_losses(logits(8, 2, 3), GCCConfig())
    expected = found.assignment + 5.0 * found.balance
    torch.testing.assert_close(found.total(GCCConfig(balance_weight=5.0)), expected)
