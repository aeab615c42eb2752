from pathlib import Path
from typing import Any

import pytest

from benchmarks.scaling import fit, plot


def rows(*seconds: float) -> dict[int, dict[str, Any]]:
    sizes = (10, 100, 1000)
    return {
        size: {
            "neighbors": {"peak_gb": 1.0},
            "cluster": {"epoch_seconds": [value, value], "peak_gb": 2.0},
        }
        for size, value in zip(sizes, seconds, strict=True)
    }


def test_a_line_is_found_again() -> None:
    line = fit(rows(3.0, 30.0, 300.0))
    assert line["seconds_per_million_nodes"] == pytest.approx(300_000)
    assert line["offset_seconds"] == pytest.approx(0, abs=1e-6)
    assert line["r_squared"] == pytest.approx(1)
    assert line["exponent"] == pytest.approx(1)


def test_a_square_is_no_line() -> None:
    line = fit(rows(1.0, 100.0, 10_000.0))
    assert line["exponent"] == pytest.approx(2)
    assert line["r_squared"] < 0.99


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    plot(rows(1.0, 2.0, 3.0), fit(rows(1.0, 2.0, 3.0)), tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
