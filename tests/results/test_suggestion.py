import errno
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from graphs import knn
from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.progress import SilentReporter
from iciclegcn.results.suggestion import suggest_k
from iciclegcn.run_folder.folder import RunFolder

COUNT, SIZE = 4, 40


def made(path: Path, *, stages: int = 4, size: int = SIZE) -> Path:
    """A run on four groups of features, whose first stages are done."""
    rows = np.repeat(np.eye(6)[:COUNT] * 10, size, axis=0)
    x = (rows + np.random.default_rng(0).normal(size=rows.shape)).astype(np.float32)
    found = knn(x, 5)
    with RunFolder.create(path, Config(num_clusters=9, seed=3)) as folder:
        artefacts = folder.artefacts
        artefacts.write_listing([str(row) for row in range(len(x))], np.arange(len(x)), [])
        artefacts.write_model("pretrain", {}, {})
        artefacts.write_array("features", x)
        artefacts.write_array("pretrained_code", x)
        arrays: dict[str, np.ndarray] = {"indices": found.indices}
        arrays["squared_distances"] = found.squared_distances
        artefacts.write_arrays("neighbors", arrays)
        for stage in ("data", "pretrain", "embed", "graph")[:stages]:
            with folder.stage(stage, SilentReporter()):
                pass
    return path


def test_a_run_needs_no_clusters_to_be_told_how_many(tmp_path: Path) -> None:
    with RunFolder.open(made(tmp_path / "run")) as folder:
        found = suggest_k(folder, (2, 8), resamples=3)
    assert found.suggestion.num_clusters == COUNT  # not the 9 that the run was given
    text = (tmp_path / "run" / "suggest_k.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["num_clusters"] == COUNT
    assert content["about_as_well"] == [COUNT]
    assert (content["range"], content["resamples"], content["seed"]) == ([2, 8], 3, 3)
    assert content["curves"]["num_clusters"] == list(range(2, 9))
    header, *rows = found.table.read_text(encoding="utf-8").splitlines()
    assert header == (
        "num_clusters,stability,stability_sd,silhouette,silhouette_sd,silhouette_of_one,"
        "silhouette_of_one_sd,togetherness,togetherness_sd"
    )
    assert len(rows) == 7
    assert rows[2].startswith("4,1.0000,0.0000,")
    if found.picture is not None:
        assert found.picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = made(tmp_path / "run") / "suggest_k.png"
    picture.write_bytes(b"of earlier curves")
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.suffix == ".png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr("iciclegcn.results.suggestion.plot_num_clusters", lambda *_: b"a picture")
    with (
        RunFolder.open(picture.parent) as folder,
        pytest.raises(UserError, match=r"cannot write '.*suggest_k.png': No space left on device"),
    ):
        suggest_k(folder, (2, 4), resamples=2)
    assert list(picture.parent.glob("*suggest_k.png")) == []  # neither half of one nor an old one
    assert (picture.parent / "suggest_k.csv").is_file()


def test_without_matplotlib_no_earlier_picture_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = made(tmp_path / "run") / "suggest_k.png"
    picture.write_bytes(b"of earlier curves")
    with RunFolder.open(picture.parent) as folder:
        assert suggest_k(folder, (2, 4), resamples=2).picture is None
    assert not picture.exists()


def test_the_range_ends_where_the_images_can_still_tell(tmp_path: Path) -> None:
    with RunFolder.open(made(tmp_path / "run")) as folder:
        suggest_k(folder, resamples=2)
        content = json.loads((folder.path / "suggest_k.json").read_text(encoding="utf-8"))
        assert content["range"] == [2, COUNT * SIZE // 8]
        for candidates in ((2, 21), (1, 5), (6, 5), (5, 5)):
            with pytest.raises(UserError, match="'--range' must"):
                suggest_k(folder, candidates)


def test_too_few_images_tell_nothing(tmp_path: Path) -> None:
    with (
        RunFolder.open(made(tmp_path / "run", size=5)) as folder,
        pytest.raises(UserError, match="needs 24 images or more"),
    ):
        suggest_k(folder)


@pytest.mark.parametrize(
    ("stages", "command"),
    [(3, "iciclegcn graph --out"), (2, "iciclegcn embed --out"), (1, "iciclegcn pretrain")],
)
def test_an_unfinished_run_names_the_command_to_run(
    stages: int, command: str, tmp_path: Path
) -> None:
    with (
        RunFolder.open(made(tmp_path / "run", stages=stages)) as folder,
        pytest.raises(UserError, match=command),
    ):
        suggest_k(folder)
