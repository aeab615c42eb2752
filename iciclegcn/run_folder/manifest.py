"""What a run folder knows of its run: versions, seed, data, and how far every stage is."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import iciclegcn
from iciclegcn.errors import UserError
from iciclegcn.run_folder.files import read_json, write_json

_CLASSIFIER = ("data", "train", "assign", "graph", "evaluate")
# Every kind of run's stages (`Config.stages`), in order; each builds on those before it.
STAGES: dict[str, tuple[str, ...]] = {
    "icicle": ("data", "pretrain", "embed", "graph", "cluster", "evaluate"),
    "gcc": _CLASSIFIER,
    "self-label": _CLASSIFIER,
    "ruc": _CLASSIFIER,
    # IcicleGCN on features that nothing here trains: given ones, or a frozen backbone's.
    "features": ("data", "extract", "graph", "encode", "cluster", "evaluate"),
}

PENDING, RUNNING, DONE = "pending", "running", "done"

_FORMAT = 1
_PACKAGES = ("torch", "torchvision", "torch-geometric", "numpy", "scikit-learn")


class Manifest:
    """``manifest.json``: every change is on the disk before the call returns.

    Args:
        file: The file; made when ``content`` is given.
        content: What a new manifest starts with; None: read the file.

    Raises:
        UserError: If the file is damaged, or made by a later version.
    """

    def __init__(self, file: Path, content: dict[str, Any] | None = None) -> None:
        self._file = file
        if content is None:
            self._content = read_json(file)
            self._validate()
        else:
            self._content = content
            self._write()

    @classmethod
    def new(cls, file: Path, seed: int, stages: str = "icicle") -> "Manifest":
        """Write the manifest of a run that has not begun; ``stages`` is a key of `STAGES`."""
        content: dict[str, Any] = {
            "format": _FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": installed_versions(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "seed": seed,
            # What relative paths in config.yaml are relative to; from here, so that a copy of a
            # project with its runs speaks of itself.
            "directory": os.path.relpath(Path.cwd(), file.parent.resolve()),
            "data": None,
            "stages": {stage: {"state": PENDING} for stage in STAGES[stages]},
        }
        return cls(file, content)

    @property
    def stages(self) -> tuple[str, ...]:
        """The run's stages, in order."""
        return next(stages for stages in STAGES.values() if set(stages) == set(self._stages))

    @property
    def begun(self) -> bool:
        """Whether training has begun: from here on images and configuration are fixed."""
        return self.state(self.stages[1]) != PENDING

    @property
    def created(self) -> str | None:
        """When the run began, ISO 8601 in UTC."""
        created: str | None = self._content.get("created")
        return created

    @property
    def directory(self) -> str | None:
        """The folder in which the run began, absolute; None: an earlier version did not tell."""
        directory: str | None = self._content.get("directory")
        if directory is None:
            return None
        return os.path.normpath(self._file.parent.resolve() / directory)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and of the packages that the run began with."""
        return dict(self._content["versions"])

    @property
    def data(self) -> dict[str, Any] | None:
        """Hash, number, shape and skipped files of the images; None before they are known.

        ``base`` is the hash of the clusters that the run began with, if it did.
        """
        data: dict[str, Any] | None = self._content["data"]
        return data

    def set_data(self, data: dict[str, Any]) -> None:
        """Remember the images."""
        self._content["data"] = data
        self._write()

    def stage(self, stage: str) -> dict[str, Any]:
        """A copy of what is known of a stage: ``state``, ``seconds`` and more."""
        return dict(self._stages[stage])

    def state(self, stage: str) -> str:
        """``pending``, ``running`` (perhaps interrupted) or ``done``."""
        return str(self._stages[stage]["state"])

    def set_stages(self, changes: dict[str, dict[str, Any]]) -> None:
        """Replace what is known of some stages, all at once."""
        self._stages.update(changes)
        self._write()

    @property
    def _stages(self) -> dict[str, dict[str, Any]]:
        stages: dict[str, dict[str, Any]] = self._content["stages"]
        return stages

    def _write(self) -> None:
        write_json(self._file, self._content)

    def _validate(self) -> None:
        content = self._content
        if isinstance(content.get("format"), int) and content["format"] > _FORMAT:
            raise UserError(f"'{self._file}' was written by a later version; upgrade iciclegcn")
        stages = content.get("stages")
        sound = (
            content.get("format") == _FORMAT
            and isinstance(content.get("versions"), dict)
            and isinstance(content.get("data"), dict | None)
            and isinstance(stages, dict)
            and any(set(stages) == set(known) for known in STAGES.values())
            and all(
                isinstance(known, dict) and known.get("state") in (PENDING, RUNNING, DONE)
                for known in stages.values()
            )
        )
        if not sound:
            raise UserError(f"'{self._file}' is no manifest of a run; give another --out")


def installed_versions() -> dict[str, str]:
    """Versions that a result depends on, found without importing anything."""
    versions = {"python": platform.python_version(), "iciclegcn": iciclegcn.__version__}
    for package in (*_PACKAGES, "faiss-cpu", "faiss-gpu"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # one of the two builds of FAISS
    return versions
