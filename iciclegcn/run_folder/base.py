"""The finished run that another one begins with: found, checked, and read only. Loads no torch."""

import hashlib
import os
import shlex
from pathlib import Path
from typing import NamedTuple

from iciclegcn.config import Config, DataConfig
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.folder import read_config
from iciclegcn.run_folder.location import located
from iciclegcn.run_folder.manifest import DONE, Manifest
from iciclegcn.run_folder.tables import clusters_text

# The stage that names clusters, for each method.
_NAMES_CLUSTERS = {"icicle": "cluster", "gcc": "assign", "self-label": "assign", "ruc": "assign"}

# What the methods that begin with a run are called on the command line.
COMMANDS = {"self-label": "self-label", "ruc": "refine"}


class BaseRun(NamedTuple):
    """A run whose clusters are there.

    Attributes:
        path: Its folder.
        config: Its configuration.
        manifest: Versions, data and the stages' states.
        artefacts: Its results.
    """

    path: Path
    config: Config
    manifest: Manifest
    artefacts: RunArtefacts

    @property
    def data(self) -> DataConfig:
        """What the run is about, found from any working directory."""
        return located(self.config.data, self.manifest.directory)

    def clusters_hash(self) -> str:
        """SHA-256 of the clusters and their probabilities, whoever is left unassigned."""
        named = clusters_text(
            self.artefacts.read_assignments(), self.artefacts.read_every_cluster()
        )
        content = named.encode() + (self.path / "assignments_soft.npz").read_bytes()
        return hashlib.sha256(content).hexdigest()

    def require_images(self, data_hash: str) -> None:
        """Make sure that the images are still those of this run.

        Args:
            data_hash: What they hash to now.

        Raises:
            UserError: If they are others.
        """
        if self.manifest.data is None or self.manifest.data.get("hash") != data_hash:
            raise UserError(
                f"the images of '{self.config.data.source}' have changed since the run in "
                f"'{self.path}' was made; restore them"
            )


def open_base(path: Path) -> BaseRun:
    """Open a finished run to begin another one with.

    Args:
        path: Its folder, which is only read.

    Raises:
        UserError: If there is no run, or its clusters are not there; names the command to run.
    """
    if not (path / "manifest.json").is_file() or not (path / "config.yaml").is_file():
        raise UserError(f"'{path}' is not a run folder; give that of a finished run")
    run = BaseRun(path, read_config(path), Manifest(path / "manifest.json"), RunArtefacts(path))
    last = _NAMES_CLUSTERS[run.config.method]
    known = last in run.manifest.stages and run.manifest.state(last) == DONE
    if not known or not run.artefacts.exist(last):
        raise UserError(
            f"the run in '{path}' is unfinished (it has no clusters yet); finish it first: "
            f"{_command(run)}"
        )
    return run


def base_of(path: Path, config: Config) -> BaseRun:
    """Open the run that another one begins with.

    Args:
        path: Folder of the one that begins.
        config: Its configuration, whose ``base`` may be relative to that folder.

    Raises:
        UserError: If there is no such run, or it is unfinished.
    """
    if config.base is None:
        raise UserError(f"'base' must name a finished run for the method {config.method}")
    return open_base(Path(os.path.normpath(path / config.base)))


def base_reference(base: Path, out: Path) -> str:
    """How the configuration in ``out`` names its base: both may move together if one is inside.

    Raises:
        UserError: If the two are one folder.
    """
    inner, outer = user_path(out).resolve(), user_path(base).resolve()
    if inner == outer:
        raise UserError(f"'{out}' is the run to begin with; give another --out")
    if inner.is_relative_to(outer):
        return os.path.relpath(outer, inner)
    return str(outer)


def _command(run: BaseRun) -> str:
    """What goes on with an unfinished run."""
    place = shlex.quote(str(run.path))
    method = run.config.method
    begin = "iciclegcn run"
    if run.config.base is not None:
        base = shlex.quote(os.path.normpath(run.path / run.config.base))
        begin = f"iciclegcn {COMMANDS[method]} --run {base}"
    return f"{begin} --config {place}/config.yaml --out {place}"
