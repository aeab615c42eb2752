from pathlib import Path

import numpy as np
import pytest

from iciclegcn.errors import UserError
from iciclegcn.evaluation.near_duplicates import NearDuplicates
from iciclegcn.evaluation.outliers import Outliers
from iciclegcn.evaluation.per_cluster import ClusterTable
from iciclegcn.evaluation.per_image import image_facts
from iciclegcn.run_folder import tables

PATHS = ['a, "b".png', "c.png", "ü.png"]
SOFT = np.array([[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]], np.float32)


def test_assignments_come_back(tmp_path: Path) -> None:
    file = tmp_path / "assignments.csv"
    facts = image_facts(SOFT, [SOFT, SOFT[:, ::-1]], abstain=0.3)
    tables.write_assignments(file, PATHS, facts)
    assert file.read_text(encoding="utf-8") == (
        "path,cluster,confidence,margin,agreement\n"
        '"a, ""b"".png",1,0.750000,0.500000,0.500\n'
        "c.png,0,0.750000,0.500000,0.500\n"
        "ü.png,-1,0.500000,0.000000,1.000\n"
    )
    read = tables.read_assignments(file)
    assert read.paths == PATHS
    assert read.clusters.tolist() == [1, 0, -1]
    assert read.confidences.tolist() == [0.75, 0.75, 0.5]
    assert read.margins.tolist() == [0.5, 0.5, 0.0]
    assert read.agreements.tolist() == [0.5, 0.5, 1.0]


def test_what_nobody_can_tell_is_blank(tmp_path: Path) -> None:
    file = tmp_path / "assignments.csv"
    tables.write_assignments(file, PATHS, image_facts(SOFT))
    assert file.read_text(encoding="utf-8").splitlines()[2] == "c.png,0,0.750000,0.500000,"
    assert np.isnan(tables.read_assignments(file).agreements).all()


def test_assignments_of_earlier_versions_are_read(tmp_path: Path) -> None:
    file = tmp_path / "assignments.csv"
    file.write_text("path,cluster,confidence\na.png,3,0.5\nb.png,0,0.25\n", encoding="utf-8")
    read = tables.read_assignments(file)
    assert read.clusters.tolist() == [3, 0]
    assert read.confidences.tolist() == [0.5, 0.25]
    assert np.isnan(read.margins).all()
    assert np.isnan(read.agreements).all()
    file.write_text("path,cluster\na.png,3\n", encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        tables.read_assignments(file)


def test_clusters_come_back_with_blanks_for_empty_ones(tmp_path: Path) -> None:
    file = tmp_path / "clusters.csv"
    sizes, nearest = np.array([3, 0, 1]), np.array([2, -1, 0])
    table = ClusterTable(sizes, np.array([0.5, np.nan, 1]), np.array([1.25, np.nan, 0.5]), nearest)
    tables.write_clusters(file, table)
    assert file.read_text(encoding="utf-8") == (
        "cluster,size,mean_confidence,density,nearest_cluster\n"
        "0,3,0.500000,1.2500,2\n1,0,,,\n2,1,1.000000,0.5000,0\n"
    )
    for read, written in zip(tables.read_clusters(file), table, strict=True):
        np.testing.assert_array_equal(read, written)


def test_outliers_come_back_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "outliers.csv"
    outliers = Outliers(np.array([2, 0]), np.array([3.5, 1.625]))
    tables.write_outliers(file, outliers, PATHS, np.array([1, 0, -1]))
    rows = file.read_text(encoding="utf-8").splitlines()
    assert rows == ["index,path,cluster,score", "2,ü.png,-1,3.5000", '0,"a, ""b"".png",1,1.6250']
    for read, written in zip(tables.read_outliers(file), outliers, strict=True):
        np.testing.assert_array_equal(read, written)


def test_near_duplicates_come_back(tmp_path: Path) -> None:
    file = tmp_path / "near_duplicates.csv"
    found = NearDuplicates(np.array([0, 0]), np.array([1, 2]), np.array([0.0, 0.125]))
    tables.write_near_duplicates(file, found, PATHS)
    rows = file.read_text(encoding="utf-8").splitlines()
    assert rows == ["group,index,path,distance", "0,1,c.png,0", "0,2,ü.png,0.125"]
    for read, written in zip(tables.read_near_duplicates(file), found, strict=True):
        np.testing.assert_array_equal(read, written)


def test_tables_without_rows_come_back_empty(tmp_path: Path) -> None:
    none, nothing = np.array([], np.int64), np.array([], np.float64)
    tables.write_outliers(tmp_path / "o.csv", Outliers(none, nothing), PATHS, none)
    tables.write_near_duplicates(tmp_path / "d.csv", NearDuplicates(none, none, nothing), PATHS)
    assert len(tables.read_outliers(tmp_path / "o.csv").indices) == 0
    assert len(tables.read_near_duplicates(tmp_path / "d.csv").groups) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("assignments", "path,cluster,confidence,margin,agreement\na,x,0.5,0.1,\n"),
        ("assignments", "path,cluster,confidence,margin,agreement\na,1,0.5\n"),
        ("clusters", "cluster,size,mean_confidence,density,nearest_cluster\n0,many,,,\n"),
        ("outliers", "index,path,cluster,score\n0,a,0,far\n"),
        ("near_duplicates", "group,index,path,distance\n0,first,a,0\n"),
    ],
)
def test_damaged_tables_are_told(name: str, content: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        getattr(tables, f"read_{name}")(file)
