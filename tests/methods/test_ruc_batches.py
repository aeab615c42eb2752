from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.config import Config, DataConfig, RUCConfig, ViewConfig
from iciclegcn.data.views import evaluation_view
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods.ruc_batches import (
    Batch,
    BatchViews,
    Mixing,
    draw_mixing,
    draw_views,
    epoch_batches,
    num_steps,
    unmixed,
)
from iciclegcn.runtime import Runtime

CONFIG = Config(num_clusters=3, data=DataConfig(image_size=8))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mask(num_clean: int, total: int) -> Tensor:
    return torch.randperm(total, generator=generator(9)) < num_clean


def images(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 8, 8), dtype=np.uint8)


def views_of(
    batch: Batch, mixing: Mixing, config: Config = CONFIG, ranks: Ranks | None = None
) -> BatchViews:
    runtime = replace(Runtime.create(0, "cpu", "fp32"), ranks=ranks or Ranks())
    return draw_views(images(), batch, mixing, config, runtime, generator())


@pytest.mark.parametrize(
    ("num_clean", "steps", "sizes"),
    [(23, 6, (4, 4)), (7, 6, (4, 4)), (2, 7, (2, 4)), (29, 8, (4, 1))],
)
def test_an_epoch_sees_all_of_the_larger_set_and_repeats_the_smaller(
    num_clean: int, steps: int, sizes: tuple[int, int]
) -> None:
    clean = mask(num_clean, 30)
    batches = list(epoch_batches(clean, 4, generator()))
    assert len(batches) == num_steps(clean, 4) == steps
    for batch in batches:
        assert (batch.num_clean, len(batch.rows) - batch.num_clean) == sizes
        assert clean[batch.rows[: batch.num_clean]].all()
        assert not clean[batch.rows[batch.num_clean :]].any()
        assert np.array_equal(np.sort(batch.rows[: batch.num_clean]), batch.rows[: sizes[0]])
    assert set(np.concatenate([batch.rows for batch in batches])) == set(range(30))


@pytest.mark.parametrize(("num_clean", "sizes"), [(0, (0, 4)), (10, (4, 0))])
def test_one_of_the_sets_may_be_empty(num_clean: int, sizes: tuple[int, int]) -> None:
    batches = list(epoch_batches(mask(num_clean, 10), 4, generator()))
    assert len(batches) == 3
    for batch in batches:
        assert (batch.num_clean, len(batch.rows) - batch.num_clean) == sizes


def test_the_order_follows_the_generator() -> None:
    def rows(seed: int) -> list[list[int]]:
        return [batch.rows.tolist() for batch in epoch_batches(mask(9, 20), 3, generator(seed))]

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_a_view_keeps_at_least_half_of_itself() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_mixing(5, 4.0, random) for _ in range(300)]
    shares = np.array([mixing.share for mixing in drawn])
    assert shares.min() >= 0.5
    # The mean of max(l, 1 - l) under Beta(4, 4) is 1/2 + 35/256.
    assert shares.mean() == pytest.approx(0.6367, abs=0.02)
    for mixing in drawn[:20]:
        assert sorted(mixing.partners.tolist()) == list(range(10))


def test_unmixed_views_are_their_own_partners() -> None:
    batch = Batch(np.array([1, 4, 7, 9, 10]), 2)
    views = views_of(batch, unmixed(5))
    assert unmixed(5).share == 1
    assert torch.equal(views.partners, torch.cat([views.first, views.second]))
    assert not torch.equal(views.first, views.second)


def test_views_are_of_the_images_of_the_batch() -> None:
    still = replace(
        CONFIG,
        views=ViewConfig(flip_probability=0.0),
        ruc=RUCConfig(weak_crop=(1.0, 1.0), operations=0, cutout=0.0),
    )
    rows = np.array([1, 4, 7, 9, 10])
    mixing = Mixing(torch.tensor([9, 3, 1, 0, 2, 4, 5, 8, 7, 6]), 0.7)
    views = views_of(Batch(rows, 2), mixing, still)
    plain = evaluation_view(torch.from_numpy(images()[rows]), 8)
    for found in (views.first, views.second):
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-5)
    torch.testing.assert_close(views.partners, plain[mixing.partners % 5], rtol=0, atol=1e-5)
    assert torch.equal(views.original, plain[:2])
    torch.testing.assert_close(views.strong, plain[:2], rtol=0, atol=1e-5)


def test_no_strong_view_is_drawn_in_vain() -> None:
    config = replace(CONFIG, ruc=RUCConfig(label_smoothing=None))
    assert len(views_of(Batch(np.arange(5), 2), unmixed(5), config).strong) == 0


@pytest.mark.parametrize("num_clean", [0, 2, 5])
def test_ranks_draw_the_views_that_one_draws(num_clean: int) -> None:
    batch = Batch(np.array([1, 4, 7, 9, 10]), num_clean)
    mixing = Mixing(torch.tensor([9, 3, 1, 0, 2, 4, 5, 8, 7, 6]), 0.7)
    whole = views_of(batch, mixing)
    parts = [views_of(batch, mixing, ranks=Ranks(rank, 2)) for rank in (0, 1)]
    for name in ("first", "second", "original", "strong"):
        together = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(together, getattr(whole, name), rtol=1e-5, atol=1e-5)
    of_first, of_second = (
        torch.cat(pair) for pair in zip(*(part.partners.chunk(2) for part in parts), strict=True)
    )
    torch.testing.assert_close(
        torch.cat([of_first, of_second]), whole.partners, rtol=1e-5, atol=1e-5
    )
