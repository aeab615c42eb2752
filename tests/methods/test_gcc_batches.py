import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods.gcc_batches import GCCBatch, ImagePool, epoch_batches, epoch_steps
from iciclegcn.methods.gcc_graph import NeighborGraph
from iciclegcn.runtime import Runtime

SIDE = 8


def config(**changes: object) -> Config:
    """Views that leave an image as it is, so that its colour tells which one it is."""
    plain: dict[str, object] = {
        "data.image_size": SIDE,
        "views.crop_scale": (1.0, 1.0),
        "views.crop_ratio": (1.0, 1.0),
        "views.flip_probability": 0.0,
        "views.jitter_probability": 0.0,
        "views.grayscale_probability": 0.0,
        "gcc.batch_size": 4,
        "gcc.contrast_neighbors": 2,
    }
    return build_config(Config(), plain | changes)


def plain_images(numbers: range) -> NDArray[np.uint8]:
    pixels = np.array(numbers, np.uint8)[:, None, None, None]
    return np.broadcast_to(pixels, (len(numbers), 1, SIDE, SIDE)).copy()


def runtime(rank: int = 0, size: int = 1) -> Runtime:
    return Runtime(0, torch.device("cpu"), "fp32", Ranks(rank, size))


def graph(num_images: int) -> NeighborGraph:
    rows = torch.arange(num_images)
    lists = torch.stack([rows, (rows + 1) % num_images, (rows + 2) % num_images], dim=1)
    return NeighborGraph(lists, rows / 10)


def shown(batch: GCCBatch, blocks: int) -> list[list[int]]:
    """Which image each view shows, block by block."""
    pixels = (batch.views[:, 0].mean(dim=(1, 2)) * 0.25 + 0.5) * 255
    numbers: list[list[int]] = pixels.round().long().view(blocks, -1).tolist()
    return numbers


def test_every_image_has_a_part_in_batches_of_about_one_size() -> None:
    pool = ImagePool(plain_images(range(10)))
    batches = list(epoch_batches(pool, None, config(), runtime(), 0))
    assert [len(batch.rows) for batch in batches] == [4, 3, 3]
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == list(range(10))
    for batch in batches:
        assert batch.rows.tolist() == sorted(batch.rows.tolist())
        assert batch.weight is None
        assert shown(batch, 2) == [batch.rows.tolist()] * 2
    other = next(epoch_batches(pool, None, config(), runtime(), 1))
    assert other.rows.tolist() != batches[0].rows.tolist()


@pytest.mark.parametrize(("num_images", "steps"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_steps_cover_all_images(num_images: int, steps: int) -> None:
    assert epoch_steps(num_images, 4) == steps


def test_a_graph_adds_neighbours_and_partners() -> None:
    pool = ImagePool(plain_images(range(9)))
    partners = set()
    for batch in epoch_batches(pool, graph(9), config(), runtime(), 0):
        rows = batch.rows.tolist()
        first, second, near_0, near_1, partner = shown(batch, 5)
        assert first == second == near_0 == rows  # an image lists itself
        assert near_1 == [(row + 1) % 9 for row in rows]
        partners |= {(b - a) % 9 for a, b in zip(rows, partner, strict=True)}
        assert batch.weight is not None
        expected = [[row / 10, (row + 1) % 9 / 10] for row in rows]
        assert batch.weight.tolist() == [pytest.approx(pair) for pair in expected]
    assert partners == {0, 1, 2}


def test_blocks_are_augmented_on_their_own() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 1, SIDE, SIDE), dtype=np.uint8)
    varied = config(**{"views.crop_scale": (0.2, 0.9), "views.flip_probability": 0.5})
    batch = next(epoch_batches(ImagePool(noise), graph(4), varied, runtime(), 0))
    views = batch.views.view(5, 4, -1)
    assert not torch.isclose(views[0], views[1]).all()
    assert not torch.isclose(views[0], views[2]).all()  # itself as its neighbour: a fresh view


def test_extra_images_are_there_until_the_first_graph() -> None:
    pool = ImagePool(plain_images(range(6)), plain_images(range(100, 105)))
    batches = list(epoch_batches(pool, None, config(), runtime(), 0))
    rows = torch.cat([batch.rows for batch in batches])
    assert sorted(rows.tolist()) == list(range(11))
    for batch in batches:
        expected = [row if row < 6 else 94 + row for row in batch.rows.tolist()]
        assert shown(batch, 2) == [expected] * 2
    later = torch.cat([b.rows for b in epoch_batches(pool, graph(6), config(), runtime(), 0)])
    assert sorted(later.tolist()) == list(range(6))
    assert (pool.numbers(graph=False), pool.numbers(graph=True)) == (11, 6)


def test_shares_of_several_ranks_are_the_views_of_one() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (11, 3, SIDE, SIDE), dtype=np.uint8)
    pool = ImagePool(noise)
    options = build_config(Config(), {"data.image_size": SIDE, "gcc.batch_size": 6})
    for known in (None, graph(11)):
        whole = list(epoch_batches(pool, known, options, runtime(), 3))
        shares = [list(epoch_batches(pool, known, options, runtime(r, 2), 3)) for r in (0, 1)]
        for batch, *parts in zip(whole, *shares, strict=True):
            size = len(batch.rows)
            views = batch.views.view(-1, size, 3, SIDE, SIDE)
            for rank, part in enumerate(parts):
                expected = views[:, Ranks(rank, 2).share(size)].flatten(0, 1)
                torch.testing.assert_close(part.views, expected)
                assert torch.equal(part.rows, batch.rows)


def test_memory_mapped_images_are_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(file, plain_images(range(5)))
    mapped = ImagePool(np.load(file, mmap_mode="r"))
    for batch in epoch_batches(mapped, None, config(), runtime(), 0):
        assert shown(batch, 2)[0] == batch.rows.tolist()
