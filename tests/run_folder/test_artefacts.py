from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.errors import UserError
from iciclegcn.run_folder.artefacts import ARTEFACTS, RunArtefacts


@pytest.fixture
def artefacts(tmp_path: Path) -> RunArtefacts:
    return RunArtefacts(tmp_path)


def test_assignments_are_the_most_probable_clusters(artefacts: RunArtefacts) -> None:
    probabilities = np.array([[0.2, 0.8], [0.75, 0.25], [0.5, 0.5]], np.float32)
    artefacts.write_assignments(['a, "b".png', "c.png", "ü.png"], probabilities)
    text = (artefacts.path / "assignments.csv").read_text(encoding="utf-8")
    assert text == (
        "path,cluster,confidence,margin,agreement\n"
        '"a, ""b"".png",1,0.800000,0.600000,\nc.png,0,0.750000,0.500000,\n'
        "ü.png,0,0.500000,0.000000,\n"
    )
    read = artefacts.read_assignments()
    assert read.paths == ['a, "b".png', "c.png", "ü.png"]
    assert read.clusters.tolist() == [1, 0, 0]
    assert read.confidences.tolist() == [0.8, 0.75, 0.5]


def test_images_left_unassigned_still_have_a_most_probable_cluster(
    artefacts: RunArtefacts,
) -> None:
    probabilities = np.array([[0.2, 0.8], [0.75, 0.25], [0.4, 0.6]], np.float32)
    artefacts.write_arrays("assignments_soft", {"output": probabilities})
    artefacts.write_assignments(["a", "b", "c"], probabilities, [probabilities] * 2, abstain=0.4)
    read = artefacts.read_assignments()
    assert read.clusters.tolist() == [1, 0, -1]
    assert read.agreements.tolist() == [1.0, 1.0, 1.0]
    assert artefacts.read_every_cluster().tolist() == [1, 0, 1]


def test_the_listing_keeps_positions_and_names_what_was_skipped(artefacts: RunArtefacts) -> None:
    kept = np.array([0, 2], np.int64)
    artefacts.write_listing(["a.png", "c.png"], kept, [("b.png", "cut short")])
    listing = artefacts.read_listing()
    assert listing.paths == ["a.png", "c.png"]
    assert listing.kept.tolist() == [0, 2]
    skipped = (artefacts.path / "skipped.csv").read_text(encoding="utf-8")
    assert skipped == "path,reason\nb.png,cut short\n"
    artefacts.write_listing(["a.png"], kept[:1], [])
    assert not (artefacts.path / "skipped.csv").exists()


def test_models_keep_values_and_metadata(artefacts: RunArtefacts) -> None:
    weight = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    artefacts.write_model("pretrain", {"w": weight, "n": torch.tensor(3)}, {"in_channels": 1})
    state, metadata = artefacts.read_model("pretrain")
    torch.testing.assert_close(state["w"], weight, rtol=0, atol=0)
    assert state["n"].item() == 3
    assert metadata == {"in_channels": 1}


def test_arrays_come_back_unchanged(artefacts: RunArtefacts) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    artefacts.write_array("features", x)
    np.testing.assert_array_equal(artefacts.read_array("features"), x)
    artefacts.write_arrays("neighbors", {"indices": np.eye(3, dtype=np.int64)})
    read = artefacts.read_arrays("neighbors")
    assert read["indices"].dtype == np.int64
    np.testing.assert_array_equal(read["indices"], np.eye(3))
    artefacts.write_arrays("both", {"a": np.zeros(2), "b": np.ones(2)})
    assert list(artefacts.read_arrays("both")) == ["a", "b"]
    assert list(artefacts.read_arrays("both", "b")) == ["b"]


def test_a_mapped_array_is_that_of_the_file_and_leaves_it_alone(artefacts: RunArtefacts) -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    artefacts.write_array("features", x)
    mapped = artefacts.read_array("features", mapped=True)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, x)
    mapped[0] = 7
    np.testing.assert_array_equal(artefacts.read_array("features"), x)


def test_the_same_results_are_the_same_bytes(artefacts: RunArtefacts, tmp_path: Path) -> None:
    other = RunArtefacts(tmp_path / "other")
    for each in (artefacts, other):
        each.write_arrays("neighbors", {"a": np.ones(3), "b": np.zeros(2)})
        each.write_model("mgcn", {"w": torch.ones(2), "b": torch.zeros(1)}, {"x": 1, "y": [2]})
    for name in ("neighbors.npz", "checkpoints/mgcn.safetensors"):
        assert (artefacts.path / name).read_bytes() == (other.path / name).read_bytes()


def test_a_stage_exists_only_with_all_its_results(artefacts: RunArtefacts) -> None:
    for name in ARTEFACTS["cluster"]:
        assert not artefacts.exist("cluster")
        file = artefacts.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    assert artefacts.exist("cluster")


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x93NUMPY\x01\x00"])
def test_damaged_results_are_told(content: bytes | None, artefacts: RunArtefacts) -> None:
    names = ("features.npy", "neighbors.npz", "checkpoints/mgcn.safetensors", "images.csv")
    (artefacts.path / "checkpoints").mkdir()
    for name in (*names, "assignments.csv"):
        if content is not None:
            (artefacts.path / name).write_bytes(content)
    readers = (
        lambda: artefacts.read_array("features"),
        lambda: artefacts.read_array("features", mapped=True),
        lambda: artefacts.read_arrays("neighbors"),
        lambda: artefacts.read_model("mgcn"),
        artefacts.read_listing,
        artefacts.read_assignments,
    )
    for read in readers:
        with pytest.raises(UserError):
            read()


def test_pickled_arrays_are_refused(artefacts: RunArtefacts) -> None:
    np.save(artefacts.path / "features.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="damaged"):
        artefacts.read_array("features")
