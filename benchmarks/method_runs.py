"""Trains the parts of a comparison, in processes of their own, as long as their time allows."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measured_process import Measured, measured
from benchmarks.method_data import BenchmarkData
from benchmarks.method_parts import STAGES_OF_KIND, Part
from benchmarks.schedules import Costs, Trial, costs, fitting_epochs, longer_trial
from iciclegcn.presets import preset_config

CLI = "iciclegcn"
_TOLERANCE = 0.1  # of a budget, that seconds may miss it by


class PartRun(NamedTuple):
    """A finished part.

    Attributes:
        seconds: Of its own training stages.
        process: Of the program, from start to end.
        facts: Epochs, and the costs that they come from.
    """

    seconds: float
    process: Measured
    facts: dict[str, Any]


class Runner:
    """Runs the parts of one data set.

    Args:
        data: The images.
        folder: Takes the run folders, ``seed-<seed>/<part>``, and the trials.
        options: Words for every ``iciclegcn run`` besides those of the schedule.
    """

    def __init__(self, data: BenchmarkData, folder: Path, options: Sequence[str] = ()) -> None:
        self.data = data
        self.folder = folder
        self.options = tuple(options)

    def path(self, part: str, seed: int) -> Path:
        """Folder of a part's results."""
        return self.folder / f"seed-{seed}" / part

    def run(self, part: Part, seed: int, seconds: float) -> PartRun:
        """Train a part within a budget, going on where an earlier process stopped.

        Short trials can promise too much. A training that misses its budget by more than a tenth
        is itself a trial, the longest, and made again with what it tells, once.

        Args:
            part: Which; its base's results must be there.
            seed: Of every draw.
            seconds: Budget of its own training.

        Raises:
            ProcessError: If a process fails.
        """
        if part.kind in ("baseline", "stage_two"):
            return self._script(part, seed, seconds)
        run = self._train(part, seed, seconds)
        if self._learns_from(part, seed, seconds):
            self._discard(part, seed)
            run = self._train(part, seed, seconds)
        return run

    def _train(self, part: Part, seed: int, seconds: float) -> PartRun:
        cost = self._costs(part, seed)
        out = self.path(part.name, seed)
        words = schedule_words(part.kind, self._fitting(part, cost, seconds))
        schedule = self._planned(part, seed, words)
        process = self.start(part, seed, schedule, out)
        facts = {"schedule": schedule, "options": self.options, "costs": cost._asdict()}
        return PartRun(stage_seconds(out, STAGES_OF_KIND[part.kind]), process, facts)

    def _fitting(self, part: Part, cost: Costs, seconds: float) -> tuple[int, ...]:
        shares = self._shares(part)
        total = fitting_epochs(cost, seconds, shares)
        return (total,) if len(shares) == 1 else _split(total, shares)

    def _learns_from(self, part: Part, seed: int, seconds: float) -> bool:
        """Whether a finished training is among the trials now: others would fit its budget."""
        stages = STAGES_OF_KIND[_trained_alike(part.kind)]
        took = stage_seconds(self.path(part.name, seed), stages)
        if abs(took - seconds) <= _TOLERANCE * seconds:
            return False
        epochs = scheduled_epochs(part.kind, self.schedule(part, seed))
        trials = [*self._trials(part, seed), Trial(epochs, took)]
        better = self._fitting(part, costs(trials), seconds) != epochs
        if better:
            _write(self._trials_file(part), trials)
        return better

    def _discard(self, part: Part, seed: int) -> None:
        """Take a training away, whole whenever this is stopped."""
        out = self.path(part.name, seed)
        discarded = out.with_name(f"{out.name}-discarded")
        shutil.rmtree(discarded, ignore_errors=True)
        out.replace(discarded)
        self._schedule_file(part, seed).unlink()
        shutil.rmtree(discarded)

    def attack(self, part: Part, seed: int) -> dict[str, Any]:
        """Accuracy of a part's classifier under FGSM and BIM."""
        out = self.path(part.name, seed)
        measured(CLI, ["evaluate", "--out", str(out), "--robustness"], _log(out, "-attack"))
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        return dict(metrics["robustness"])

    def _script(self, part: Part, seed: int, seconds: float) -> PartRun:
        out = self.path(part.name, seed)
        words = [part.name, "--seconds", str(seconds), "--out", str(out)]
        if part.kind == "stage_two":
            words += ["--run", str(self.path(str(part.base), seed))]
        else:
            images = self.folder / "images.npy"
            if not images.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                np.save(images, self.data.images)
            words += ["--images", str(images), "--clusters", str(self.data.num_clusters)]
            words += ["--seed", str(seed)]
        module = "stage_two" if part.kind == "stage_two" else "baselines"
        process = measured(f"benchmarks.{module}", words, _log(out))
        facts = json.loads((out / "facts.json").read_text(encoding="utf-8"))
        return PartRun(facts.pop("seconds"), process, facts)

    def start(self, part: Part, seed: int, schedule: Sequence[str], out: Path) -> Measured:
        """Start or continue the run of a part.

        Args:
            part: Which, of those that the command line trains.
            seed: Of every draw.
            schedule: Words that say how long, and what else is special.
            out: The run folder.

        Raises:
            ProcessError: If the process fails.
        """
        if part.base is not None:
            command = [part.kind, "--run", str(self.path(part.base, seed)), "--out", str(out)]
            return measured(CLI, [*command, *schedule], _log(out))
        command = ["pretrain" if part.kind == "pretrain" else "run", *self.data.arguments]
        command += ["--seed", str(seed), *(["--method", "gcc"] if part.kind == "gcc" else [])]
        process = measured(CLI, [*command, *schedule, *self.options, "--out", str(out)], _log(out))
        if part.kind == "pretrain":
            measured(CLI, ["embed", "--out", str(out)], _log(out, "-embed"))
        return process

    def _planned(self, part: Part, seed: int, schedule: list[str]) -> list[str]:
        """The schedule that the part began with, so that a later process goes on with it."""
        return _kept(self._schedule_file(part, seed), lambda: schedule)

    def schedule(self, part: Part, seed: int) -> list[str]:
        """Words that say how long a finished part trained."""
        return list(json.loads(self._schedule_file(part, seed).read_text(encoding="utf-8")))

    def _schedule_file(self, part: Part, seed: int) -> Path:
        return self.path(part.name, seed).with_name(f"{part.name}-schedule.json")

    def _costs(self, part: Part, seed: int) -> Costs:
        """Seconds an epoch, as the trials tell."""
        return costs(self._trials(part, seed))

    def _trials(self, part: Part, seed: int) -> list[Trial]:
        """Trials of a training, made once a data set and kept."""
        file = self._trials_file(part)
        kinds = len(self._shares(part))  # of epochs

        def trial(epochs: tuple[int, ...]) -> Trial:
            out = file.with_name(f"{file.stem}-{'-'.join(map(str, epochs))}")
            until = part._replace(kind=_trained_alike(part.kind))
            self.start(until, seed, schedule_words(part.kind, epochs), out)
            return Trial(epochs, stage_seconds(out, STAGES_OF_KIND[until.kind]))

        def measure() -> list[Any]:
            first = trial((1,) * kinds)
            more = longer_trial(first)
            others = [
                tuple(more if k == kind else 1 for k in range(kinds)) for kind in range(kinds)
            ]
            return [first, *map(trial, others)]

        return [Trial(tuple(epochs), seconds) for epochs, seconds in _kept(file, measure)]

    def _trials_file(self, part: Part) -> Path:
        # What differs in its length alone costs the same.
        name = f"{part.kind}-on-{part.base}" if part.base else _trained_alike(part.kind)
        return self.folder / "trials" / f"{name}.json"

    def _shares(self, part: Part) -> tuple[float, ...]:
        if part.kind != "gcc":
            return (1.0,)
        preset = preset_config("quick", self.data.arguments[0], "gcc").gcc
        before = preset.first_graph_epoch / preset.epochs
        return (before, 1 - before)


def schedule_words(kind: str, epochs: Sequence[int]) -> list[str]:
    """Options of the command line that make a training so long.

    Args:
        kind: Of the part.
        epochs: All of them; GCC's before and after the first graph.
    """
    total = str(sum(epochs))
    if kind in ("pretrain", "icicle"):
        return ["--pretrain.epochs", total]
    if kind == "gcc":
        return ["--gcc.epochs", total, "--gcc.first_graph_epoch", str(epochs[0])]
    if kind == "self-label":
        return ["--self_label.epochs", total]
    # As in the published schedule: the ramp over all of it, the threshold in fifths.
    ramp = ["--ruc.ramp_epochs", total, "--ruc.refurbish_interval", str(max(1, sum(epochs) // 5))]
    return ["--ruc.epochs", total, *ramp]


def scheduled_epochs(kind: str, words: Sequence[str]) -> tuple[int, ...]:
    """The epochs that `schedule_words` was given."""
    total = int(words[1])
    if kind != "gcc":
        return (total,)
    before = int(words[3])
    return before, total - before


def stage_seconds(run: Path, stages: Sequence[str]) -> float:
    """Seconds of some stages of a run, over all processes that worked on them."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    known: Mapping[str, Any] = manifest["stages"]
    return round(sum(float(known[stage]["seconds"]) for stage in stages), 2)


def outputs(part: Part, folder: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Clusters [N] of a finished part, and the soft assignments [N, K] where it has some."""
    if part.kind in ("baseline", "stage_two"):
        with np.load(folder / "found.npz") as found:
            return found["assignments"], found.get("probabilities")
    if part.kind == "pretrain":
        soft = np.load(folder / "pretrained_code.npy")
    else:
        with np.load(folder / "assignments_soft.npz") as archive:
            soft = archive["output"]
    return soft.argmax(axis=1), soft


def _split(total: int, shares: Sequence[float]) -> tuple[int, int]:
    """Epochs before and after the first graph, at least one of each."""
    total = max(2, total)
    before = min(total - 1, max(1, round(total * shares[0])))
    return before, total - before


def _trained_alike(kind: str) -> str:
    """IcicleGCN's time is that of its stage 1, which the contrastive row has too."""
    return "pretrain" if kind == "icicle" else kind


def _log(out: Path, suffix: str = "") -> Path:
    return out.with_name(f"{out.name}{suffix}.log")


def _kept(file: Path, make: Callable[[], list[Any]]) -> list[Any]:
    """What a file holds; made and written, whole or not at all, where there is none."""
    if file.exists():
        return list(json.loads(file.read_text(encoding="utf-8")))
    made = make()
    _write(file, made)
    return made


def _write(file: Path, content: list[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(file)
