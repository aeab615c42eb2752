"""Tables as they are written: right, and whole or absent."""

import sys
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.errors import UserError
from iciclegcn.evaluation.per_image import ImageFacts
from iciclegcn.prediction.files import prediction_file, require_table
from iciclegcn.run_folder.tables import read_assignments


def facts(*clusters: int, agreement: float = 0.5) -> ImageFacts:
    count = len(clusters)
    return ImageFacts(
        np.array(clusters),
        np.full(count, 0.75),
        np.linspace(0.1, 0.2, count),
        np.full(count, agreement),
    )


def test_a_csv_file_is_one_of_assignments(tmp_path: Path) -> None:
    with prediction_file(tmp_path / "new.csv") as write:
        write(["a, b", "c"], facts(2, 0))
        write(["d"], facts(-1, agreement=np.nan))
        assert not (tmp_path / "new.csv").exists()
    found = read_assignments(tmp_path / "new.csv")
    assert found.paths == ["a, b", "c", "d"]
    assert found.clusters.tolist() == [2, 0, -1]
    assert found.margins.tolist() == [0.1, 0.2, 0.1]
    assert np.isnan(found.agreements).tolist() == [False, False, True]
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.csv"]


def test_a_parquet_file_has_the_same_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    with prediction_file(tmp_path / "new.parquet") as write:
        write(["a", "b"], facts(2, 0))
        write(["c"], facts(1, agreement=np.nan))
    table = parquet.read_table(tmp_path / "new.parquet")
    assert table.to_pydict() == {
        "path": ["a", "b", "c"],
        "cluster": [2, 0, 1],
        "confidence": [0.75] * 3,
        "margin": [0.1, 0.2, 0.1],
        "agreement": [0.5, 0.5, None],
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_failure_keeps_the_file_that_was_there(suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    out = tmp_path / f"new{suffix}"
    out.write_bytes(b"before")

    def interrupted() -> None:
        with prediction_file(out) as write:
            write(["a"], facts(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


def test_without_a_file_rows_go_to_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    with prediction_file(None) as write:
        write(["a"], facts(1))
    assert capsys.readouterr().out == (
        "path,cluster,confidence,margin,agreement\na,1,0.750000,0.100000,0.500\n"
    )


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write"), prediction_file(tmp_path / "file/new.csv"):
        pass


def test_only_known_tables_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"must end in \.csv or \.parquet \(got '\.txt'\)"):
        require_table(tmp_path / "new.txt")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        require_table(tmp_path / "folder.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"pip install 'iciclegcn\[parquet\]'"):
        require_table(tmp_path / "new.parquet")
    require_table(tmp_path / "new.csv")
