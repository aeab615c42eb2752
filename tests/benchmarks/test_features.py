import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import features
from benchmarks.features import (
    drawn_rows,
    measure_quality,
    measure_times,
    read,
    summary,
    table,
    times_table,
)

Y = np.repeat(np.arange(2), 10)
X = np.stack([Y, Y + 1.0], axis=1)


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Two sides that know, or guess, the answer; the fits that were made."""
    made: list[tuple[str, int]] = []

    def right(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
        made.append(("right" if len(x) == len(X) else "warm", seed))
        assert num_clusters == 2
        return x[:, 0].astype(np.int64)

    def wrong(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
        made.append(("wrong" if len(x) == len(X) else "warm", seed))
        return np.arange(len(x)) % num_clusters

    monkeypatch.setattr(features, "SIDES", {"right": right, "wrong": wrong})
    monkeypatch.setattr(features, "WARM_ROWS", 4)
    return made


def test_every_side_gets_every_seed_once(sides: list[tuple[str, int]], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    for _ in range(2):  # the second time finds everything done
        measure_quality("planted", X, Y, read(out), out)
    assert [side for side, _ in sides[:4]] == ["warm", "right", "warm", "wrong"]
    fits = sorted(each for each in sides if each[0] != "warm")
    assert fits == [(side, seed) for side in ("right", "wrong") for seed in range(5)]
    assert len(sides) == len(fits) + 2
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["summary"]["planted"]["right"]["acc"] == {"mean": 1.0, "std": 0.0}
    assert written["quality"]["planted"]["wrong"]["4"]["acc"] == 0.5
    assert "| planted | right | 100.0 ± 0.0 |" in table(written["quality"])


def test_means_and_deviations_are_over_seeds() -> None:
    fits = [
        {"acc": 0.5, "nmi": 1.0, "ari": 0.0, "seconds": 1.0},
        {"acc": 0.7, "nmi": 1.0, "ari": 0.0, "seconds": 3.0},
    ]
    found = summary(fits)
    assert found["acc"]["mean"] == pytest.approx(0.6)
    assert found["acc"]["std"] == pytest.approx(0.02**0.5)
    assert found["seconds"]["mean"] == 2


def test_times_have_a_row_a_size_and_say_what_was_stopped() -> None:
    times = {
        "a/500": {"seconds": 0.83},
        "b/500": {"seconds": 2.0},
        "a/20000": {"stopped": "over 9 s"},
    }
    assert times_table(times).splitlines() == [
        "| rows | a | b |",
        "|---|---|---|",
        "| 500 | 0.8 | 2.0 |",
        "| 20,000 | over 9 s | — |",
    ]


def test_drawn_rows_are_the_same_for_all() -> None:
    np.testing.assert_array_equal(drawn_rows(5, 5), np.arange(5))
    drawn = drawn_rows(100, 7)
    assert len(np.unique(drawn)) == 7
    np.testing.assert_array_equal(drawn, drawn_rows(100, 7))


def test_times_are_measured_once_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def watched(command: list[str], *_: float) -> dict[str, float]:
        commands.append(command[-2:])
        return {"seconds": 1.5}

    monkeypatch.setattr(features, "watched", watched)
    monkeypatch.setattr(features, "features_file", lambda folder, rows: folder / f"{rows}.npy")
    out = tmp_path / "out.json"
    for _ in range(2):
        measure_times([10, 20], tmp_path, read(out), out)
    assert len(commands) == 6
    assert commands[0] == ["k-means", str(tmp_path / "10.npy")]
    assert read(out)["times"]["IcicleGCN/20"] == {"seconds": 1.5}
