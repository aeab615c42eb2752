"""Which method clusters best in the same training time, and do the papers' claims hold?

Command: python -m benchmarks.methods --data digits|mnist5k|CIFAR10_ZIP [--seeds N] [--minutes M]
         [--rows NAME ...] [--runs DIR] [--retry] [--tables] [-- OPTIONS OF `iciclegcn run`]
n: digits 2 minutes and 5 seeds, MNIST-5k 4 and 3, 10,000 CIFAR-10 images 8 and 3. A deep method
trains as many epochs as fit its minutes; short trials on the same machine tell how many. A method
on a first stage shares that run with others, is charged its seconds, and has the rest. Every
training is a process of its own. A row's result is a file of its own, so that the same command
goes on wherever it was stopped, inside a run too; tables come of the files that are there.
"""

import argparse
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims import CLAIMS, by_row_and_seed, check
from benchmarks.clustering_runs import METRICS
from benchmarks.common import RESULTS, machine, write_result
from benchmarks.measured_process import ProcessError
from benchmarks.method_data import DEFAULTS, BenchmarkData, data_name, open_data
from benchmarks.method_overview import write_overview
from benchmarks.method_parts import BY_NAME, PARTS, Part, budget, charged_stages
from benchmarks.method_runs import PartRun, Runner, outputs, stage_seconds
from benchmarks.method_tables import plot_calibration, read_records, report, summarize
from iciclegcn.evaluation.calibration import calibration
from iciclegcn.evaluation.metrics import clustering_metrics

Record = dict[str, Any]


class Comparison:
    """The rows of one data set.

    Args:
        data: The images.
        runner: Trains the parts.
        folder: Takes one file a row and seed.
        seconds: Of training a row.
    """

    def __init__(self, data: BenchmarkData, runner: Runner, folder: Path, seconds: float) -> None:
        self.data, self.runner, self.folder, self.seconds = data, runner, folder, seconds

    def file(self, part: Part, seed: int) -> Path:
        """Where a row's result is."""
        return self.folder / f"{part.name}-{seed}.json"

    def row(self, part: Part, seed: int, *, retry: bool = False) -> Record:
        """A row's result: read, or measured and written.

        Args:
            part: Which.
            seed: Of every draw.
            retry: Measure again what failed.
        """
        file = self.file(part, seed)
        if file.exists():
            known: Record = json.loads(file.read_text(encoding="utf-8"))
            if known["status"] == "done" or not retry:
                return known
        record: Record = {
            "part": part.name,
            "title": part.title,
            "data": self.data.name,
            "seed": seed,
            "budget_seconds": self.seconds,
        }
        try:
            record |= {"status": "done", "reason": None, **self._measure(part, seed, retry=retry)}
        except ProcessError as error:
            record |= {"status": "failed", "reason": str(error)}
        write_record(file, record)
        return record

    def _measure(self, part: Part, seed: int, *, retry: bool) -> Record:
        charged, base_peak = 0.0, 0.0
        if part.base is not None:
            charged, base_peak = self._base(part, seed, retry=retry)
        own = budget(part, self.seconds, charged)
        run = self.runner.run(part, seed, own)
        return {
            **score(part, self.runner.path(part.name, seed), self.data.y),
            **_costs(run, own, charged, base_peak),
            "robustness": self.runner.attack(part, seed) if part.attacked else None,
        }

    def _base(self, part: Part, seed: int, *, retry: bool) -> tuple[float, float]:
        """Seconds of the base that a part is charged, and the base's peak memory."""
        base = BY_NAME[str(part.base)]
        record = self.row(base, seed, retry=retry)
        if record["status"] != "done":
            raise ProcessError(f"{base.title} did not run: {record['reason']}")
        folder = self.runner.path(base.name, seed)
        if not (folder / "manifest.json").exists():  # only its result was kept
            self.file(base, seed).unlink()
            return self._base(part, seed, retry=retry)
        return stage_seconds(folder, charged_stages(base, part)), float(record["peak_mib"])


def score(part: Part, folder: Path, y: np.ndarray) -> Record:
    """Metrics of a finished part, its calibration where it has probabilities, and stage 1's.

    Args:
        part: Which, and by its kind what of the folder counts.
        folder: Its results.
        y: True classes [N].
    """
    assignments, soft = outputs(part, folder)
    scores: Record = {
        "figures": _rounded(clustering_metrics(y, assignments)),
        "calibration": None if soft is None else calibration(soft, y).figures(),
        "without_gcns": None,
    }
    if part.kind == "icicle":
        code, _ = outputs(part._replace(kind="pretrain"), folder)
        scores["without_gcns"] = _rounded(clustering_metrics(y, code))
    return scores


def write_record(file: Path, record: Record) -> None:
    """Write a row's result, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(record | {"machine": machine()}, indent=1), encoding="utf-8")
    partial.replace(file)


def _costs(run: PartRun, own_budget: float, charged: float, base_peak: float) -> Record:
    return {
        "seconds": round(run.seconds + charged, 2),
        "own_seconds": run.seconds,
        "own_budget_seconds": round(own_budget, 2),
        "charged_seconds": charged,
        "process_seconds": run.process.seconds,
        "peak_mib": max(run.process.peak_mib, base_peak),
        "training": run.facts,
    }


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {metric: round(scores[metric], 4) for metric in METRICS}


def write_tables(name: str, minutes: float, records: Path, results: Path = RESULTS) -> str:
    """Table and picture of the rows that are there, and the page over all data; returns the table.

    Args:
        name: Of the data.
        minutes: Of training a row.
        records: Folder of the rows' files.
        results: Folder of the tables.
    """
    rows = read_records(records)
    page = report(name, rows, minutes)
    payload = {
        "question": (__doc__ or "").splitlines()[0],
        "minutes": minutes,
        "rows": summarize(rows),
        "claims": [check(claim, by_row_and_seed(rows)).figures() for claim in CLAIMS],
    }
    target = write_result(f"methods_{name}", payload, results / f"methods_{name}.json")
    target.with_suffix(".md").write_text(page, encoding="utf-8")
    plot_calibration(rows, target.with_suffix(".png"))
    write_overview(results)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="digits, mnist5k, or CIFAR-10's zip")
    parser.add_argument("--seeds", type=int, help="seeds 0, 1, ... of every row")
    parser.add_argument("--minutes", type=float, help="of training a row")
    parser.add_argument("--rows", nargs="+", choices=BY_NAME, help="only these")
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"), help="run folders")
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    parser.add_argument("--tables", action="store_true", help="only make the tables anew")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("options", nargs="*", help="passed on to every `iciclegcn run`")
    options = parser.parse_args()
    # So that the process of a training ends with this one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name = data_name(options.data)
    minutes, seeds = DEFAULTS[name]
    minutes, seeds = options.minutes or minutes, options.seeds or seeds
    records = options.out / "methods" / name
    if not options.tables:
        data = open_data(options.data, options.runs / name)
        runner = Runner(data, options.runs / name, options.options)
        comparison = Comparison(data, runner, records, 60 * minutes)
        for seed in range(seeds):
            for part in [part for part in PARTS if part.name in (options.rows or BY_NAME)]:
                row = comparison.row(part, seed, retry=options.retry)
                told = row.get("figures") or row["reason"]
                print(seed, part.name, told, row.get("seconds", ""), flush=True)
                write_tables(name, minutes, records, options.out)
    print(write_tables(name, minutes, records, options.out))


if __name__ == "__main__":
    main()
