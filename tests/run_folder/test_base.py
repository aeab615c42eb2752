import hashlib
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.artefacts import ARTEFACTS
from iciclegcn.run_folder.base import base_of, base_reference, open_base
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.manifest import STAGES


def made(path: Path, config: Config, *, stages: int = 3) -> Path:
    """A run whose first stages are done, with files in place of results."""
    with RunFolder.create(path, config) as folder:
        for stage in STAGES[config.method][:stages]:
            with folder.stage(stage, SilentReporter()):
                for name in ARTEFACTS[stage]:
                    (path / name).parent.mkdir(exist_ok=True)
                    (path / name).write_bytes(b"x")
    return path


GCC = Config(method="gcc", num_clusters=3)
TAUGHT = Config(method="self-label", base="..", num_clusters=3)


def test_a_run_with_clusters_is_a_base(tmp_path: Path) -> None:
    run = open_base(made(tmp_path / "run", GCC))
    assert run.config == GCC
    assert run.manifest.stages == STAGES["gcc"]
    assert open_base(made(tmp_path / "icicle", Config(num_clusters=3), stages=5)).path.is_dir()


@pytest.mark.parametrize(
    ("config", "stages", "command"),
    [
        (Config(num_clusters=3), 4, "iciclegcn run --config {out}/config.yaml --out {out}"),
        (GCC, 2, "iciclegcn run --config {out}/config.yaml --out {out}"),
        (TAUGHT, 1, "iciclegcn self-label --run {base} --config {out}/config.yaml --out {out}"),
    ],
)
def test_an_unfinished_run_names_the_command_that_finishes_it(
    config: Config, stages: int, command: str, tmp_path: Path
) -> None:
    out = made(tmp_path / "run", config, stages=stages)
    with pytest.raises(UserError) as caught:
        open_base(out)
    assert str(caught.value).endswith(f"finish it first: {command.format(out=out, base=tmp_path)}")


def test_a_run_whose_clusters_were_deleted_is_unfinished(tmp_path: Path) -> None:
    out = made(tmp_path / "run", GCC)
    (out / "assignments.csv").unlink()
    with pytest.raises(UserError, match="is unfinished"):
        open_base(out)


def test_something_else_is_no_base(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder; give that of a finished run"):
        open_base(tmp_path)
    with pytest.raises(UserError, match="'base' must name a finished run for the method ruc"):
        base_of(tmp_path, Config(method="ruc"))


def test_a_base_inside_or_around_is_found_from_where_the_other_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = made(tmp_path / "run", GCC)
    assert base_reference(base, base / "self-label" / "ruc") == str(Path("..") / "..")
    assert base_reference(base, tmp_path / "other") == str(base.resolve())
    assert base_of(base / "self-label", TAUGHT).path == base
    monkeypatch.chdir(tmp_path)
    assert base_of(Path("run/self-label"), TAUGHT).path == Path("run")
    with pytest.raises(UserError, match="is the run to begin with; give another --out"):
        base_reference(base, Path("run"))


def test_other_images_are_noticed(tmp_path: Path) -> None:
    run = open_base(made(tmp_path / "run", GCC))
    with pytest.raises(UserError, match="have changed since the run in"):
        run.require_images("ab")
    run.manifest.set_data({"hash": "ab"})
    run.require_images("ab")


def test_other_clusters_or_probabilities_have_another_hash(tmp_path: Path) -> None:
    run = open_base(made(tmp_path / "run", GCC))
    soft = np.array([[0.75, 0.25], [0.4, 0.6]])
    run.artefacts.write_arrays("assignments_soft", {"output": soft})
    run.artefacts.write_assignments(["a", "b"], soft)
    before = run.clusters_hash()
    # A table of the three columns of earlier versions says the same.
    table = "path,cluster,confidence\na,0,0.750000\nb,1,0.600000\n"
    content = table.encode() + (run.path / "assignments_soft.npz").read_bytes()
    assert before == hashlib.sha256(content).hexdigest()
    (run.path / "assignments.csv").write_text(table, encoding="utf-8")
    assert run.clusters_hash() == before
    run.artefacts.write_assignments(["a", "b"], soft, abstain=0.5)
    assert run.clusters_hash() == before
    run.artefacts.write_assignments(["a", "b"], soft[::-1])
    assert run.clusters_hash() != before
    run.artefacts.write_assignments(["a", "b"], soft)
    run.artefacts.write_arrays("assignments_soft", {"output": soft, "network_0": soft})
    assert run.clusters_hash() != before
