from pathlib import Path

import numpy as np
import pytest

from iciclegcn.data.feature_files import MatrixFile, open_matrix_files
from iciclegcn.errors import UserError

X = np.arange(12.0).reshape(4, 3)


def whole(file: MatrixFile, height: int = 3) -> np.ndarray:
    blocks = list(file.blocks(height))
    assert all(block.dtype == np.float32 and len(block) <= height for block in blocks)
    return np.concatenate(blocks)


def write_table(file: Path, columns: dict[str, object]) -> str:
    arrow = pytest.importorskip("pyarrow", reason="parquet files need pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table(columns), file)
    return str(file)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_a_npy_file_is_mapped_and_read_in_blocks(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "x.npy", X.astype(dtype))
    [file] = open_matrix_files(str(tmp_path / "x.npy"))
    assert file.shape == (4, 3)
    assert isinstance(vars(file)["_matrix"], np.memmap)
    np.testing.assert_array_equal(whole(file), X.astype(dtype).astype(np.float32))
    assert file.row_names() is None


def test_a_npz_file_gives_its_matrix_or_the_named_one(tmp_path: Path) -> None:
    file = str(tmp_path / "x.npz")
    np.savez(file, x=X, y=np.arange(4))
    np.testing.assert_array_equal(whole(open_matrix_files(file)[0]), X)
    np.savez(file, a=X, b=X + 1)
    np.testing.assert_array_equal(whole(open_matrix_files(f"{file}:b")[0]), X + 1)
    with pytest.raises(UserError, match=r"one matrix, or be given as FILE:NAME .*arrays a, b"):
        open_matrix_files(file)
    with pytest.raises(UserError, match="arrays a, b"):
        open_matrix_files(f"{file}:c")


def test_a_folder_gives_its_files_in_order(tmp_path: Path) -> None:
    np.save(tmp_path / "part-1.npy", X[2:])
    np.savez(tmp_path / "part-0.npz", X[:2])
    (tmp_path / "notes.txt").write_text("not one of them", encoding="utf-8")
    files = open_matrix_files(str(tmp_path))
    np.testing.assert_array_equal(np.concatenate([whole(file) for file in files]), X)


def test_a_column_of_lists_is_a_matrix(tmp_path: Path) -> None:
    file = write_table(
        tmp_path / "x.parquet",
        {"label": [0, 1, 0, 1], "path": list("abcd"), "features": [list(row) for row in X]},
    )
    [matrix] = open_matrix_files(file)
    assert matrix.shape == (4, 3)
    np.testing.assert_array_equal(whole(matrix), X)
    assert matrix.row_names() == list("abcd")


def test_floating_columns_are_a_matrix_and_whole_numbers_are_not_in_it(tmp_path: Path) -> None:
    file = write_table(
        tmp_path / "x.parquet", {"label": [0, 1], "first": [0.5, 1.5], "second": [2.5, 3.5]}
    )
    [matrix] = open_matrix_files(file)
    np.testing.assert_array_equal(whole(matrix), [[0.5, 2.5], [1.5, 3.5]])
    assert matrix.row_names() is None


def test_truth_in_floating_numbers_is_no_feature(tmp_path: Path) -> None:
    columns = {"Label": [0.0, 1.0], "a": [0.5, 1.5], "b": [2.5, 3.5], "id": [7, 8]}
    [matrix] = open_matrix_files(write_table(tmp_path / "x.parquet", columns))
    np.testing.assert_array_equal(whole(matrix), [[0.5, 2.5], [1.5, 3.5]])
    told = f"'{tmp_path}/x.parquet': 2 columns are the features, a to b; left out: Label, id"
    assert matrix.note == told
    [named] = open_matrix_files(write_table(tmp_path / "y.parquet", {"x": [[1.0]]}))
    assert named.note is None  # there was nothing to choose


@pytest.mark.parametrize("kind", ["large_string", "dictionary", "string_view"])
def test_text_of_every_kind_names_the_rows(tmp_path: Path, kind: str) -> None:
    arrow = pytest.importorskip("pyarrow", reason="parquet files need pyarrow")
    text = arrow.array(["a", "b"])
    if kind == "dictionary":
        names = text.dictionary_encode()
    elif not hasattr(arrow, kind):
        pytest.skip(f"this pyarrow has no {kind}")
    else:
        names = text.cast(getattr(arrow, kind)())
    file = write_table(tmp_path / "x.parquet", {"name": names, "x": [[1.0], [2.0]]})
    assert open_matrix_files(file)[0].row_names() == ["a", "b"]


def test_a_missing_list_is_told_with_its_row(tmp_path: Path) -> None:
    lists = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], None]
    [matrix] = open_matrix_files(write_table(tmp_path / "x.parquet", {"a": lists}))
    with pytest.raises(UserError, match=r"x\.parquet' has no list in 'a' of row 3; fill it"):
        whole(matrix, height=2)


def test_damaged_pages_under_a_whole_foot_are_told(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((200, 20)).tolist()
    names = [f"row {number}" for number in range(200)]
    file = Path(write_table(tmp_path / "x.parquet", {"a": rows, "name": names}))
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    content[len(content) // 2 : -3000] = b"\xff" * (len(content) - 3000 - len(content) // 2)
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"x\.parquet' is not a readable Parquet file"):
        whole(open_matrix_files(str(file))[0])


def test_one_of_several_columns_of_lists_is_named(tmp_path: Path) -> None:
    lists = [[1.0, 2.0], [3.0, 4.0]]
    file = write_table(tmp_path / "x.parquet", {"a": lists, "b": [row[::-1] for row in lists]})
    np.testing.assert_array_equal(whole(open_matrix_files(f"{file}:b")[0]), [[2, 1], [4, 3]])
    with pytest.raises(UserError, match=r"named as FILE:NAME .*got a, b"):
        open_matrix_files(file)


def test_missing_numbers_in_a_table_are_nan(tmp_path: Path) -> None:
    file = write_table(tmp_path / "x.parquet", {"a": [1.0, None], "b": [2.0, 3.0]})
    np.testing.assert_array_equal(whole(open_matrix_files(file)[0]), [[1, 2], [np.nan, 3]])


def test_lists_of_several_lengths_are_told(tmp_path: Path) -> None:
    file = write_table(tmp_path / "x.parquet", {"a": [[1.0, 2.0], [3.0], [4.0, 5.0, 6.0]]})
    [matrix] = open_matrix_files(file)
    with pytest.raises(UserError, match=r"lists of one length in 'a' .*from 1 to 3"):
        whole(matrix)


def test_a_table_without_numbers_is_told(tmp_path: Path) -> None:
    file = write_table(tmp_path / "x.parquet", {"label": [1, 2], "word": ["a", "b"]})
    with pytest.raises(UserError, match=r"columns of floating numbers .*got label, word"):
        open_matrix_files(file)


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'iciclegcn\[parquet\]'"):
        open_matrix_files(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros(3), r"a matrix \[N, D\], one row an item \(got shape \(3,\)\)"),
        (np.zeros((2, 0)), r"got shape \(2, 0\)"),
        (np.zeros((2, 2), np.complex64), "real numbers"),
        (np.array([["a"]]), "real numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, told: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UserError, match=told):
        open_matrix_files(str(tmp_path / "x.npy"))


def test_a_bare_array_in_a_npz_file_is_told(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as stream:
        np.save(stream, X)
    with pytest.raises(UserError, match=r"x\.npz' is not a readable NumPy file .*a bare array"):
        open_matrix_files(str(tmp_path / "x.npz"))


def test_damage_inside_a_compressed_npz_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez_compressed(file, x=np.random.default_rng(0).random((50, 50)))
    content = bytearray(file.read_bytes())
    content[2000:4000] = b"\xff" * 2000
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match="not a readable NumPy file"):
        open_matrix_files(str(file))


def test_damaged_absent_and_other_files_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    for name in ("x.npy", "x.npz"):
        (tmp_path / name).write_bytes(b"no array")
    for name in ("x.npy", "x.npz", "objects.npy"):
        with pytest.raises(UserError, match="not a readable NumPy file"):
            open_matrix_files(str(tmp_path / name))
    (tmp_path / "x.csv").write_text("1,2", encoding="utf-8")
    with pytest.raises(UserError, match=r"must end in \.npy, \.npz, \.parquet"):
        open_matrix_files(str(tmp_path / "x.csv"))
    for absent in ("", str(tmp_path / "none.npy"), str(tmp_path / "none.npz:x")):
        with pytest.raises(UserError, match="are not there"):
            open_matrix_files(absent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no files that end in"):
        open_matrix_files(str(tmp_path / "empty"))
