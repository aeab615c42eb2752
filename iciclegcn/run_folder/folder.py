"""A run's folder: its configuration, how far it is, and what keeps two processes apart."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iciclegcn.config import Config, DataConfig
from iciclegcn.config.values import build_config, flatten, read_config_file, to_yaml
from iciclegcn.errors import UserError
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.files import FolderLock, write_text
from iciclegcn.run_folder.heads import NAMES_CLUSTERS, name_clusters
from iciclegcn.run_folder.location import located, same_place, typed_in
from iciclegcn.run_folder.lock import MANIFEST, closing_on_error, lock_folder
from iciclegcn.run_folder.manifest import DONE, PENDING, RUNNING, Manifest, installed_versions
from iciclegcn.run_folder.monitor import RunMonitor
from iciclegcn.tensorboard_log import ScalarLog

# Reading labels trains nothing: these may change on a finished run.
EVALUATION_FIELDS = frozenset({"data.labels", "data.labels_from_folders"})
# Nor does leaving images unassigned.
CHANGEABLE_FIELDS = EVALUATION_FIELDS | {"abstain"}

_CONFIG = "config.yaml"
_HISTORY = "history.jsonl"


class RunFolder:
    """An open run folder; made by `create` or `open`, closed by a ``with`` block.

    Attributes:
        path: The folder.
        config: The run's configuration, resolved.
        manifest: Versions, data and the stages' states.
        artefacts: Results of the stages.
        tensorboard: Whether TensorBoard is to show the stages' loss terms as they come.
    """

    def __init__(self, path: Path, lock: FolderLock, config: Config, manifest: Manifest) -> None:
        self.path = path
        self.config = config
        self.manifest = manifest
        self.artefacts = RunArtefacts(path)
        self.tensorboard = False
        self._lock = lock

    @classmethod
    def create(cls, path: Path, config: Config) -> "RunFolder":
        """Make a run folder, or go on with the one that is there.

        A folder whose training has not begun takes the new configuration.

        Raises:
            UserError: If the folder holds something else, belongs to a run with another
                configuration, is damaged, or is in use.
        """
        with closing_on_error(lock_folder(path, make=True)) as lock:
            if not (path / MANIFEST).exists():
                return cls._fresh(path, lock, config)
            manifest = Manifest(path / MANIFEST)
            untouched = not manifest.begun
            if untouched and not (path / _CONFIG).exists():
                return cls._fresh(path, lock, config)
            folder = cls(path, lock, read_config(path), manifest)
            differing = _differences(folder.config, config)
            folder._compare_places(config.data, differing)
            if differing and untouched:
                return cls._fresh(path, lock, config)
            if set(differing) - CHANGEABLE_FIELDS:
                raise UserError(
                    f"'{path}' belongs to a run with another configuration "
                    f"({'; '.join(differing.values())}); give another --out, or go on with that "
                    f"one: --config {path / _CONFIG}"
                )
            if "abstain" in differing:
                folder.set_abstain(config.abstain)
            if EVALUATION_FIELDS & set(differing):
                folder.set_evaluation(config.data.labels, config.data.labels_from_folders)
            return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of a run that has begun.

        Raises:
            UserError: If there is no such run, or it is damaged or in use.
        """
        if not (path / MANIFEST).is_file() or not (path / _CONFIG).is_file():
            raise UserError(f"'{path}' is not a run folder; 'iciclegcn run --out {path}' makes one")
        with closing_on_error(lock_folder(path, make=False)) as lock:
            return cls(path, lock, read_config(path), Manifest(path / MANIFEST))

    @classmethod
    def _fresh(cls, path: Path, lock: FolderLock, config: Config) -> "RunFolder":
        manifest = Manifest.new(path / MANIFEST, config.seed, config.stages)
        write_text(path / _CONFIG, to_yaml(config))
        return cls(path, lock, config, manifest)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    @property
    def data(self) -> DataConfig:
        """What the run is about, found from any working directory."""
        return located(self.config.data, self.manifest.directory)

    def is_done(self, stage: str) -> bool:
        """Whether a stage is finished and its results are still there."""
        return self.manifest.state(stage) == DONE and self.artefacts.exist(stage)

    def set_data(
        self, data_hash: str, shape: tuple[int, ...], skipped: int, base: str | None = None
    ) -> None:
        """Remember what the run is about.

        Args:
            data_hash: SHA-256 of pixels and paths, or of features.
            shape: [N, C, S, S], or [N, D].
            skipped: Number of unreadable files.
            base: Hash of the clusters that the run begins with; None: it begins with images.

        Raises:
            UserError: If training has begun with other images, or other clusters.
        """
        known = self.manifest.data
        if known is not None and (known.get("hash"), known.get("base")) == (data_hash, base):
            return
        begun = known is not None and self.manifest.begun
        if known is not None and begun and known.get("hash") == data_hash:
            raise UserError(
                f"the clusters of '{self.path / str(self.config.base)}' have changed since the run "
                f"in '{self.path}' began; give another --out, or restore them"
            )
        if known is not None and begun:
            raise UserError(
                f"the {self.config.data.noun} of '{self.config.data.source}' have changed since "
                f"the run in '{self.path}' began ({known.get('num_images')} "
                f"{self.config.data.noun} then, {shape[0]} now); "
                "give another --out, or restore them"
            )
        data = {"hash": data_hash, "num_images": shape[0], "shape": shape, "skipped": skipped}
        self.manifest.set_data(data if base is None else {**data, "base": base})

    def set_evaluation(self, labels: str | None, labels_from_folders: bool) -> None:
        """Change where the truth comes from; the evaluation is then due again."""
        if labels is not None:
            labels = typed_in(labels, self.manifest.directory)
        changes = {"data.labels": labels, "data.labels_from_folders": labels_from_folders}
        self.config = build_config(self.config, changes)
        self.manifest.set_stages({"evaluate": {"state": PENDING}})
        write_text(self.path / _CONFIG, to_yaml(self.config))

    def set_abstain(self, share: float | str) -> None:
        """Change how many images are left unassigned; the evaluation is then due again.

        Args:
            share: A number in [0, 1), or its text.

        Raises:
            UserError: If it is none.
        """
        config = build_config(self.config, {"abstain": share})
        self.manifest.set_stages({"evaluate": {"state": PENDING}})
        # The configuration last: after an interruption the same command mends the table.
        if any(self.is_done(stage) for stage in self.manifest.stages if stage in NAMES_CLUSTERS):
            name_clusters(
                self.artefacts, self.artefacts.read_arrays("assignments_soft"), config.abstain
            )
        self.config = config
        write_text(self.path / _CONFIG, to_yaml(config))

    def _compare_places(self, data: DataConfig, differing: dict[str, str]) -> None:
        """Correct for what was typed in another folder: the same place, or the same words."""
        if same_place(self.data.source, data.source):
            differing.pop("data.source", None)
        labels = self.data.labels
        if labels is not None and data.labels is not None:
            if same_place(labels, data.labels):
                differing.pop("data.labels", None)
            else:
                differing.setdefault("data.labels", f"data.labels: {labels} -> {data.labels}")

    def changed_versions(self) -> list[str]:
        """Packages that differ from those the run began with, as ``torch 2.6 -> 2.7``."""
        before, now = self.manifest.versions, installed_versions()
        return [
            f"{package} {before.get(package)} -> {now.get(package)}"
            for package in sorted(before.keys() | now.keys())
            if before.get(package) != now.get(package)
        ]

    @contextlib.contextmanager
    def stage(
        self, stage: str, reporter: Reporter, runtime: dict[str, Any] | None = None
    ) -> Iterator[RunMonitor]:
        """Run a stage's body; it counts as finished when the block ends without an error.

        Args:
            stage: One of the manifest's.
            reporter: Shown the progress.
            runtime: Device, precision and threads that the stage computes with.
        """
        self._begin(stage, reporter, runtime or {})
        start = self.manifest.stage(stage)["history_start"]
        scalars = ScalarLog(self.path, stage) if self.tensorboard else None
        checkpoint, history = self._checkpoint(stage), self.path / _HISTORY
        with RunMonitor(checkpoint, history, start, stage, reporter, scalars) as m:
            yield m
            seconds = round(m.finish(), 3)
        known = self.manifest.stage(stage)
        self.manifest.set_stages({stage: {**known, "state": DONE, "seconds": seconds}})
        self._checkpoint(stage).unlink(missing_ok=True)
        reporter.end(stage, seconds)

    def _begin(self, stage: str, reporter: Reporter, runtime: dict[str, Any]) -> None:
        reporter.begin(stage)
        known = self.manifest.stage(stage)
        if known["state"] == RUNNING:
            if self._checkpoint(stage).exists():
                _warn_of_other_runtime(stage, known.get("runtime", {}), runtime, reporter)
            begun = {**known, "runtime": runtime}
            self.manifest.set_stages({stage: begun})
            return
        history = self.path / _HISTORY
        size = history.stat().st_size if history.exists() else 0
        void: tuple[str, ...] = ()
        if stage != "data":  # the same images made again void nothing: their hash is compared
            # A stage done again begins where its rows began, and voids what was made from it.
            size = min(size, known.get("history_start", size))
            stages = self.manifest.stages
            void = stages[stages.index(stage) + 1 :]
        for name in (stage, *void):
            self._checkpoint(name).unlink(missing_ok=True)
        begun = {"state": RUNNING, "history_start": size, "runtime": runtime}
        self.manifest.set_stages({name: {"state": PENDING} for name in void} | {stage: begun})

    def _checkpoint(self, stage: str) -> Path:
        return self.path / "checkpoints" / f"{stage}.pt"


def _warn_of_other_runtime(
    stage: str, before: dict[str, Any], now: dict[str, Any], reporter: Reporter
) -> None:
    before = {"processes": 1} | before  # earlier versions knew of one
    keys = [key for key in now if before.get(key) != now[key]]
    changed = [f"{key} {before.get(key)} -> {now[key]}" for key in keys]
    if changed:
        reporter.warn(
            f"'{stage}' goes on with {', '.join(changed)}: the result will differ slightly from "
            "that of an uninterrupted run"
        )


def read_config(path: Path) -> Config:
    """The configuration of a run, from its folder.

    Raises:
        UserError: If it cannot be read.
    """
    values = read_config_file(path / _CONFIG)
    if not values:
        raise UserError(f"'{path / _CONFIG}' is empty; restore it, or give another --out")
    return build_config(Config(), values)


def _differences(old: Config, new: Config) -> dict[str, str]:
    """Every differing field with both values, as ``pretrain.epochs: 20 -> 30``."""
    before, now = flatten(old), flatten(new)
    return {
        name: f"{name}: {before[name]} -> {now[name]}" for name in now if before[name] != now[name]
    }
