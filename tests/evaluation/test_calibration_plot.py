from pathlib import Path

import pytest

from iciclegcn.evaluation.calibration import calibration
from iciclegcn.evaluation.calibration_plot import plot_calibration

pytest.importorskip("matplotlib", reason="plots need matplotlib")


def test_a_picture_of_two_clusterings_is_written(tmp_path: Path) -> None:
    sure = calibration([[1.0, 0.0], [0.0, 1.0]], [0, 1]).figures()
    unsure = calibration([[0.6, 0.4], [0.4, 0.6]], [0, 1]).figures()
    plot_calibration({"sure": sure}, tmp_path / "one.png")
    plot_calibration({"sure": sure, "unsure": unsure}, tmp_path / "two.png")
    one, two = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two"))
    assert one[:4] == two[:4] == b"\x89PNG"
    width = [int.from_bytes(picture[16:20]) for picture in (one, two)]
    assert width[1] == pytest.approx(width[0] * 3 / 2, abs=2)  # a panel more


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'figures' must name one clustering or more"):
        plot_calibration({}, tmp_path / "none.png")
