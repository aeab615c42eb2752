from pathlib import Path

import pytest

from benchmarks.partitions import plot, summarize


def row(seed: int, side: str, acc: float, seconds: float) -> dict[str, object]:
    figures = {"acc": acc, "nmi": 0.5, "ari": 0.25, "seconds": seconds}
    return {"seed": seed, "side": side, **figures}


ROWS = [
    row(0, "none", 0.50, 20.0),
    row(0, "cells", 0.505, 10.0),
    row(0, "metis", 0.52, 30.0),
    row(1, "none", 0.54, 22.0),
    row(1, "cells", 0.515, 12.0),
    row(1, "metis", 0.55, 31.0),
]


def test_the_claim_is_held_against_the_means() -> None:
    sides = summarize(ROWS)
    assert sides["none"]["acc"] == {"mean": 0.52, "std": pytest.approx(0.0283)}
    assert sides["cells"]["acc_less_full_batch"] == pytest.approx(-0.01)
    assert sides["cells"]["within_one_point"]
    assert sides["cells"]["no_more_time"]
    assert sides["metis"]["acc_less_full_batch"] == pytest.approx(0.015)
    assert not sides["metis"]["within_one_point"]
    assert not sides["metis"]["no_more_time"]
    assert "within_one_point" not in sides["none"]


def test_without_full_batch_nothing_is_claimed() -> None:
    assert "within_one_point" not in summarize(ROWS[1:2])["cells"]


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    plot(ROWS, tmp_path / "partitions.png")
    assert (tmp_path / "partitions.png").read_bytes().startswith(b"\x89PNG")
