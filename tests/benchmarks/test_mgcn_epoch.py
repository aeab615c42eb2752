from pathlib import Path

from benchmarks.mgcn_epoch import DTYPES, PLAIN, plot


def test_plot_writes_a_picture(tmp_path: Path) -> None:
    row = {"seconds": 2.0, "peak_mib": 100.0}
    shares = {"time_shares": {"matrix products": 0.75, "other": 0.25}}
    plot({**dict.fromkeys(DTYPES, row | shares), PLAIN: row}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
