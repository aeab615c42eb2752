from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import graphs.rows
from graphs.rows import Matrix, Rows

X = np.array([[3.0, 4.0], [-8.0, 0.0], [5.0, 12.0]], dtype=np.float32)


def everything(rows: Rows) -> NDArray[np.float32]:
    return rows.plain(slice(0, rows.num_rows))


def sources(x: NDArray[np.float32], folder: Path) -> dict[str, Matrix]:
    np.save(folder / "x.npy", x)
    return {
        "array": x,
        "tensor": torch.from_numpy(x),
        "grad": torch.from_numpy(x).requires_grad_(),
        "memmap": np.load(folder / "x.npy", mmap_mode="r"),
        "path": folder / "x.npy",
        "text": str(folder / "x.npy"),
        "half": x.astype(np.float16),
        "bfloat16": torch.from_numpy(x).bfloat16(),
        "double": x.astype(np.float64),
        "strided": np.asfortranarray(x),
    }


def test_every_source_gives_the_same_rows(tmp_path: Path) -> None:
    some = np.array([2, 0, 2])
    for name, x in sources(X, tmp_path).items():
        rows = Rows(x, "l2")
        assert (rows.num_rows, rows.dim, rows.largest) == (3, 2, 12), name
        assert rows.plain(slice(1, 3)).dtype == np.float32, name
        np.testing.assert_array_equal(rows.plain(slice(1, 3)), X[1:3], name)
        np.testing.assert_array_equal(rows.plain(some), X[some], name)


def test_only_what_needs_no_conversion_is_read_directly(tmp_path: Path) -> None:
    direct = {name for name, x in sources(X, tmp_path).items() if Rows(x, "l2").direct is not None}
    assert direct == {"array", "tensor", "grad", "memmap", "path", "text"}
    assert Rows(X, "cosine").direct is None


def test_the_frame_scales_by_a_power_of_two_and_centers() -> None:
    rows = Rows(X, "l2")
    assert rows.frame.scale == 1 / 16
    np.testing.assert_allclose(rows.frame.center, [0, 16 / 48], atol=1e-7)
    centered = rows.centered(slice(0, 3))
    np.testing.assert_allclose(centered, X / 16 - rows.frame.center)
    assert centered.flags.c_contiguous


def test_other_rows_take_the_frame_they_are_given() -> None:
    rows = Rows(X, "l2")
    assert Rows(X * 100, "l2", rows.frame).frame is rows.frame


def test_cosine_rows_have_norm_1() -> None:
    unit = everything(Rows(X, "cosine"))
    expected = np.array([[0.6, 0.8], [-1, 0], [5 / 13, 12 / 13]])
    np.testing.assert_allclose(unit, expected, rtol=1e-6)


def test_blocks_cover_every_row_once() -> None:
    rows = Rows(np.zeros((10, 3), np.float32), "l2")
    assert [(part.start, part.stop) for part in rows.blocks(4)] == [(0, 4), (4, 8), (8, 10)]


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_small_blocks_check_and_center_alike(monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    whole = Rows(x, metric)
    monkeypatch.setattr(graphs.rows, "_BLOCK_BYTES", 100)
    pieces = Rows(x, metric)
    assert pieces.frame.scale == whole.frame.scale
    np.testing.assert_allclose(pieces.frame.center, whole.frame.center, rtol=1e-6)
    np.testing.assert_array_equal(everything(pieces), everything(whole))
    x[7], x[43] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"NaN or infinite in 2 of 50 rows: 7, 43\); mend"):
        Rows(x, metric)


def test_infinities_that_cancel_are_found() -> None:
    x = np.zeros((4, 1), np.float32)
    x[1], x[3] = np.inf, -np.inf
    with pytest.raises(ValueError, match=r"2 of 4 rows: 1, 3\)"):
        Rows(x, "l2")


def test_zero_rows_are_named_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs.rows, "_BLOCK_BYTES", 8)
    x = np.ones((15, 1), np.float32)
    x[[2, 9]] = 0
    with pytest.raises(ValueError, match=r"zero in 2 of 15 rows: 2, 9\)"):
        Rows(x, "cosine")
    with pytest.raises(ValueError, match=r"12 rows: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.\)"):
        Rows(np.zeros((12, 1)), "cosine")


def test_a_fingerprint_tells_rows_apart_but_not_where_they_are(tmp_path: Path) -> None:
    given = sources(X, tmp_path)
    assert len({Rows(x, "l2").fingerprint() for x in given.values()}) == 1
    others = [Rows(X * 2, "l2"), Rows(X[:2], "l2"), Rows(X, "cosine"), Rows(X[::-1], "l2")]
    assert len({Rows(X, "l2").fingerprint(), *(rows.fingerprint() for rows in others)}) == 5


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npy' must be an \.npy file of features"):
        Rows(tmp_path / "x.npy", "l2")


def test_a_pickled_file_is_not_executed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[print]], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"must be an \.npy file of features"):
        Rows(tmp_path / "x.npy", "l2")


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'metric' must be l2 or cosine \(got 'l1'\)"):
        Rows(X, "l1")
