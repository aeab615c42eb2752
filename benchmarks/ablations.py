"""What does each loss, the GCNs, the auto-encoder, and each component of RUC bring?

Command: python -m benchmarks.ablations --data digits|mnist5k|CIFAR10_ZIP [--tables losses|ruc ...]
         [--seeds N] [--minutes M] [--runs DIR] [--retry]
The paper's Tables 4 (losses of stage 1) and 5 (GCNs and auto-encoder), and RUC without each of its
components and with each sampling. The full rows are those of `benchmarks.methods`, made where they
are not there yet; a variant has the same seed and as many epochs, and RUC's the same first stage.
n: 5 seeds of digits, 3 of others. Resumable like `benchmarks.methods`.
"""

import argparse
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.claims import Claim, by_row_and_seed, check, claims_table
from benchmarks.common import RESULTS, write_result
from benchmarks.measured_process import ProcessError
from benchmarks.method_data import DEFAULTS, data_name, open_data
from benchmarks.method_parts import BY_NAME, STAGES_OF_KIND, Part
from benchmarks.method_runs import Runner, stage_seconds
from benchmarks.method_tables import read_records, summarize, table
from benchmarks.methods import Comparison, Record, score, write_record


class Variant(NamedTuple):
    """A row of an ablation.

    Attributes:
        name: Of its files and folders.
        title: Of its row.
        of: The part that it varies.
        words: What it says to the command line besides; none: the part as it is.
        code: Whether its clusters are those of stage 1 rather than of the end.
    """

    name: str
    title: str
    of: str
    words: tuple[str, ...] = ()
    code: bool = False


LOSSES = (
    Variant("full", "all losses, GCNs, auto-encoder", "icicle"),
    Variant("no_cluster", "without cluster contrast", "icicle", ("--pretrain.cluster_weight", "0")),
    Variant(
        "no_instance", "without instance contrast", "icicle", ("--pretrain.instance_weight", "0")
    ),
    Variant(
        "reconstruction",
        "reconstruction alone",
        "icicle",
        ("--pretrain.cluster_weight", "0", "--pretrain.instance_weight", "0"),
    ),
    Variant("no_gcns", "without GCNs", "icicle", code=True),
    Variant(
        "no_gcns_no_autoencoder",
        "without GCNs and auto-encoder",
        "icicle",
        ("--pretrain.reconstruction_weight", "0"),
        code=True,
    ),
)
# Name, title and words of each variant, and the part it lacks, as the claims name it.
_COMPONENTS = (
    ("no_co_training", "one network", ("--ruc.co_training", "false"), "the second network"),
    (
        "no_co_refinement",
        "without co-refinement",
        ("--ruc.co_refinement", "false"),
        "co-refinement",
    ),
    ("no_mixmatch", "without MixMatch", ("--ruc.mixmatch", "false"), "MixMatch"),
    (
        "no_label_smoothing",
        "without label smoothing",
        ("--ruc.label_smoothing", "null"),
        "label smoothing",
    ),
    (
        "no_co_refurbishing",
        "without co-refurbishing",
        ("--ruc.co_refurbishing", "false"),
        "co-refurbishing",
    ),
    (
        "confidence",
        "sampling by confidence",
        ("--ruc.sampling", "confidence"),
        "neighbourhood over confidence",
    ),
    ("hybrid", "sampling by both", ("--ruc.sampling", "hybrid"), "neighbourhood over both"),
)
_STARTS = ("ruc_icicle", "ruc_gcc")
RUC = tuple(
    Variant(f"{part}_{name}", f"{BY_NAME[part].title}: {title}", part, words)
    for part in _STARTS
    for name, title, words, _ in (("full", "all of it", (), "nothing"), *_COMPONENTS)
)
TABLES = {"losses": LOSSES, "ruc": RUC}

CLAIMS = {
    "losses": (
        Claim("Cluster contrast gains accuracy", "acc", "full", "no_cluster"),
        Claim("Instance contrast gains accuracy", "acc", "full", "no_instance"),
        Claim("Both contrasts gain accuracy", "acc", "full", "reconstruction"),
        Claim("GCNs gain accuracy", "acc", "full", "no_gcns"),
        Claim("The auto-encoder gains accuracy", "acc", "no_gcns", "no_gcns_no_autoencoder"),
    ),
    "ruc": tuple(
        Claim(
            f"{BY_NAME[part].title}: {gain} {verb}",
            figure,
            f"{part}_full",
            f"{part}_{name}",
        )
        for part in _STARTS
        for name, _, _, gain in _COMPONENTS
        for figure, verb in (("acc", "gains accuracy"), ("ece", "lowers ECE"))
    ),
}


class Ablation:
    """The rows of one ablation on one data set.

    Args:
        comparison: Gives the full rows and the data.
        folder: Takes one file a row and seed.
    """

    def __init__(self, comparison: Comparison, folder: Path) -> None:
        self.comparison, self.folder = comparison, folder

    def row(self, variant: Variant, seed: int, *, retry: bool = False) -> Record:
        """A row's result: read, or measured and written."""
        file = self.folder / f"{variant.name}-{seed}.json"
        if file.exists():
            known: Record = json.loads(file.read_text(encoding="utf-8"))
            if known["status"] == "done" or not retry:
                return known
        record: Record = {"part": variant.name, "title": variant.title, "seed": seed}
        try:
            figures = self._measure(variant, seed, retry=retry)
            record |= {"status": "done", "reason": None, **figures}
        except ProcessError as error:
            record |= {"status": "failed", "reason": str(error)}
        write_record(file, record)
        return record

    def _measure(self, variant: Variant, seed: int, *, retry: bool) -> Record:
        part, runner = BY_NAME[variant.of], self.comparison.runner
        full = self.comparison.row(part, seed, retry=retry)
        if full["status"] != "done":
            raise ProcessError(f"{part.title} did not run: {full['reason']}")
        out, peak = runner.path(part.name, seed), full["peak_mib"]
        kind = "pretrain" if variant.code else part.kind  # stage 1 is all that counts, or the end
        if variant.words:
            out = runner.path(f"{part.name}-{variant.name}", seed)
            schedule = runner.schedule(part, seed)
            words = [*schedule, *variant.words]
            peak = runner.start(part._replace(kind=kind), seed, words, out).peak_mib
        elif not (out / "manifest.json").exists():
            runner.start(part, seed, runner.schedule(part, seed), out)
        if variant.words or variant.code:
            scores = score(part._replace(kind=kind), out, self.comparison.data.y)
        else:  # one run has one set of figures, whichever table shows it
            scores = {name: full[name] for name in ("figures", "calibration", "without_gcns")}
        seconds = stage_seconds(out, STAGES_OF_KIND[kind])
        return {**scores, "seconds": seconds, "peak_mib": peak, "words": list(variant.words)}


def write_tables(name: str, kind: str, records: Path, results: Path = RESULTS) -> str:
    """The table and the findings of the rows that are there; returns the page.

    Args:
        name: Of the data.
        kind: ``losses`` or ``ruc``.
        records: Folder of the rows' files.
        results: Folder of the tables.
    """
    rows = read_records(records)
    summary = summarize(rows, _as_parts(TABLES[kind]))
    measured = by_row_and_seed(rows)
    findings = [check(claim, measured) for claim in CLAIMS[kind]]
    titles = {"losses": "Losses, GCNs and auto-encoder", "ruc": "Components of RUC"}
    page = "\n".join(
        [
            f"# {titles[kind]} on {name}",
            "",
            "Metrics in per cent, mean ± standard deviation over the seeds; seconds without those "
            "of a first stage.",
            "",
            table(summary),
            claims_table(findings),
        ]
    )
    payload = {
        "question": (__doc__ or "").splitlines()[0],
        "rows": summary,
        "claims": [finding.figures() for finding in findings],
    }
    target = results / f"ablations_{kind}_{name}.json"
    write_result(f"ablations_{kind}_{name}", payload, target)
    target.with_suffix(".md").write_text(page, encoding="utf-8")
    return page


def _as_parts(variants: Sequence[Variant]) -> list[Part]:
    return [Part(each.name, each.title, BY_NAME[each.of].kind) for each in variants]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="digits, mnist5k, or CIFAR-10's zip")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, help="seeds 0, 1, ... of every row")
    parser.add_argument("--minutes", type=float, help="of training a full row")
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"), help="run folders")
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    # So that the process of a training ends with this one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name = data_name(options.data)
    minutes, seeds = DEFAULTS[name]
    data = open_data(options.data, options.runs / name)
    comparison = Comparison(
        data,
        Runner(data, options.runs / name),
        options.out / "methods" / name,
        60 * (options.minutes or minutes),
    )
    for seed in range(options.seeds or seeds):
        for kind in options.tables:
            records = options.out / "ablations" / f"{kind}_{name}"
            ablation = Ablation(comparison, records)
            for variant in TABLES[kind]:
                row = ablation.row(variant, seed, retry=options.retry)
                print(seed, variant.name, row.get("figures") or row["reason"], flush=True)
                write_tables(name, kind, records, options.out)
    for kind in options.tables:
        records = options.out / "ablations" / f"{kind}_{name}"
        print(write_tables(name, kind, records, options.out))


if __name__ == "__main__":
    main()
