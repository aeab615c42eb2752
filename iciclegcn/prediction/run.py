"""New images, or rows, and a finished run: to which of its clusters they belong."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.data.decode import pillow_warnings
from iciclegcn.data.new_items import Batch, New, NewItems, open_new_images, open_new_rows
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError
from iciclegcn.evaluation.per_image import UNASSIGNED, ImageFacts, image_facts
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.prediction.files import prediction_file
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun, open_base

if TYPE_CHECKING:
    from iciclegcn.prediction.predictors import Predictor

BATCH_SIZE = 512
_ROUNDING = 5e-7  # of confidences in assignments.csv


class Predictions(NamedTuple):
    """Clusters of new images, or rows, in the order given; the unreadable ones are left out.

    Attributes:
        paths: What names each of them: its path, or its number in an array.
        clusters: int64 [N]; -1 where the run, which left its least certain images unassigned,
            would leave this one so too.
        confidences: Probability of the most probable cluster, float64 [N].
        margins: That less the runner-up's, float64 [N].
        agreements: Share of the streams, or networks, that name that cluster too, float64 [N];
            NaN where there are fewer than two.
        probabilities: Soft assignments, float32 [N, K].
        skipped: (path, reason) of the unreadable ones.
    """

    paths: list[str]
    clusters: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    margins: npt.NDArray[np.float64]
    agreements: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float32]
    skipped: list[tuple[str, str]]


class PredictionSummary(NamedTuple):
    """What a prediction into a file came to.

    Attributes:
        sizes: New images in each cluster, int64 [K].
        unassigned: New images left unassigned.
        skipped: (path, reason) of the unreadable ones.
        seconds: From the first image read to the last row written, loading of networks included.
    """

    sizes: npt.NDArray[np.int64]
    unassigned: int
    skipped: list[tuple[str, str]]
    seconds: float

    @property
    def predicted(self) -> int:
        """Images that were read."""
        return int(self.sizes.sum()) + self.unassigned


class Run:
    """A finished run that names clusters for what it has not seen; made by `load`.

    Networks and the states of the run's own images are loaded on the first prediction and kept.

    Attributes:
        path: The run folder.
        config: The run's configuration.
        artefacts: The run's results.
    """

    def __init__(self, run: BaseRun) -> None:
        self.path = run.path
        self.config: Config = run.config
        self.artefacts: RunArtefacts = run.artefacts
        self._run = run
        self._predictor: Predictor | None = None
        self._floor = _confidence_floor(run.artefacts)

    @classmethod
    def load(
        cls, path: str | Path, *, device: str | None = None, precision: str | None = None
    ) -> "Run":
        """Open a finished run, of any method; its folder is only read.

        Args:
            path: The run folder.
            device: ``auto``, ``cpu`` or ``cuda[:N]``; None: as the run was told.
            precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; None: as the run was told.

        Raises:
            UserError: If there is no run, or its clusters are not there; names the command to run.
        """
        run = open_base(user_path(path))
        given = {"device": device, "precision": precision}
        changes = {name: value for name, value in given.items() if value is not None}
        return cls(run._replace(config=build_config(run.config, changes)))

    def predict(self, new: New, *, strict: bool = False) -> Predictions:
        """Name clusters for images, or rows, that the run has not seen; nothing is trained.

        Images get the preprocessing and the features of the run. IcicleGCN then joins each of them
        to the run's graph (`iciclegcn.methods.new_nodes`); GCC, self-labelling and RUC ask their
        classifier. What one is assigned does not depend on the others.

        Args:
            new: A folder, a zip, a list (``.txt``, ``.csv``), an array file or a data set's name;
                one image file, or a sequence of them; an array [N, H, W] or [N, H, W, C]. For a
                run on features a matrix [N, D], or a file of one.
            strict: Refuse unreadable images instead of leaving them out.

        Returns:
            Their clusters, all in memory; `predict_to` holds a batch at a time.

        Raises:
            UserError: If there is nothing new to read, or nothing of it is readable.
        """
        with pillow_warnings():
            parts = list(self._batches(self._open(new), strict, NullMonitor()))
        return _joined(parts)

    def predict_to(
        self,
        new: New,
        out: str | Path | None,
        *,
        strict: bool = False,
        monitor: StageMonitor | None = None,
    ) -> PredictionSummary:
        """`predict` into a file, a batch at a time; the file appears whole or not at all.

        Args:
            new: As for `predict`.
            out: A ``.csv`` or ``.parquet`` file with the columns of ``assignments.csv``; None: CSV
                to the standard output, as it comes.
            strict: Refuse unreadable images instead of leaving them out.
            monitor: Told about the progress.

        Raises:
            UserError: As `predict`; or if the file cannot be written.
        """
        began = time.perf_counter()
        sizes, unassigned = np.zeros(int(self.config.num_clusters or 0), np.int64), 0
        skipped: list[tuple[str, str]] = []
        items = self._open(new)
        file = None if out is None else Path(out)
        with pillow_warnings(), prediction_file(file) as write:
            for part in self._batches(items, strict, monitor or NullMonitor()):
                write(part.paths, ImageFacts(*part[1:5]))
                assigned = part.clusters[part.clusters != UNASSIGNED]
                sizes += np.bincount(assigned, minlength=len(sizes))
                unassigned += len(part.clusters) - len(assigned)
                skipped += part.skipped
        return PredictionSummary(sizes, unassigned, skipped, time.perf_counter() - began)

    def _open(self, new: New) -> NewItems:
        if self.config.data.kind == "features":
            dim = self.artefacts.read_array("features", mapped=True).shape[1]
            return open_new_rows(new, dim)
        data = self._run.manifest.data
        if data is None:
            raise UserError(f"the run in '{self.path}' does not say what its images were")
        _, channels, size, _ = data["shape"]
        return open_new_images(new, size, channels)

    def _batches(
        self, items: NewItems, strict: bool, monitor: StageMonitor
    ) -> Iterator[Predictions]:
        """Every batch's predictions; an error if no batch had any."""
        first: tuple[str, str] | None = None
        found, done, unit = False, 0, self.config.data.noun.removesuffix("s")
        with contextlib.closing(items.batches(BATCH_SIZE)) as batches:
            for batch in batches:
                first = first or next(iter(batch.skipped), None)
                if strict and first is not None:
                    path, reason = first
                    raise UserError(
                        f"'{path}' is unreadable ({reason}); mend or remove it, or leave out "
                        "--strict"
                    )
                done += len(batch.paths) + len(batch.skipped)
                found = found or bool(batch.paths)
                yield self._answer(batch)
                monitor.progress(done, len(items), unit=unit)
        if not found and first is not None:
            raise UserError(
                f"none of the {len(items)} images is readable, the first is '{first[0]}' "
                f"({first[1]})"
            )

    def _answer(self, batch: Batch) -> Predictions:
        if not batch.paths:  # unreadable ones alone
            facts = ImageFacts(np.empty(0, np.int64), *np.empty((3, 0)))
            none = np.empty((0, int(self.config.num_clusters or 0)), np.float32)
            return Predictions([], *facts, none, batch.skipped)
        if self._predictor is None:
            from iciclegcn.prediction.predictors import make_predictor  # loads torch

            self._predictor = make_predictor(self._run)
        answer = self._predictor(batch.items)
        facts = image_facts(answer.probabilities, answer.heads)
        facts.clusters[facts.confidences <= self._floor] = UNASSIGNED
        return Predictions(batch.paths, *facts, answer.probabilities, batch.skipped)


def _joined(parts: Sequence[Predictions]) -> Predictions:
    return Predictions(
        paths=[path for part in parts for path in part.paths],
        clusters=np.concatenate([part.clusters for part in parts]),
        confidences=np.concatenate([part.confidences for part in parts]),
        margins=np.concatenate([part.margins for part in parts]),
        agreements=np.concatenate([part.agreements for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        skipped=[skipped for part in parts for skipped in part.skipped],
    )


def _confidence_floor(artefacts: RunArtefacts) -> float:
    """The largest confidence at which the run left an image unassigned; -1 where it left none."""
    known = artefacts.read_assignments()
    left_out = known.confidences[known.clusters == UNASSIGNED]
    return float(left_out.max()) + _ROUNDING if len(left_out) else -1.0
