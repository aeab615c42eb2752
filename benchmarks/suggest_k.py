"""Does `iciclegcn suggest-k` find the number of classes where it is known?

Learned features, of a stage 1 that was given a wrong number of clusters, and the right one:

    python -m benchmarks.suggest_k --train digits mnist5k

Given features, as NAME:K:FILE with the true number of classes K, and finished runs likewise as
NAME:K:FOLDER; ``digits`` and ``mnist5k`` here are their pixels:

    python -m benchmarks.suggest_k --pixels digits mnist5k
    python -m benchmarks.suggest_k --given cifar10_frozen:10:features.npy cifar10_run:10:runs/cifar

Every case is tried from 2 to 50 clusters with --seeds seeds, which draw the halves and, where it is
trained, stage 1. The numbers of classes are used here alone, beside what was found. Cases in
``benchmarks/results/suggest_k.json`` are not repeated, and unfinished trainings in --folder go on.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, write_result
from benchmarks.method_data import open_data, pixel_rows
from graphs import knn
from iciclegcn.config.values import build_config
from iciclegcn.data.named import find_named
from iciclegcn.evaluation.learned_space import learned_space
from iciclegcn.evaluation.num_clusters import most_clusters, num_clusters_curves
from iciclegcn.evaluation.suggestion import suggest_num_clusters
from iciclegcn.pipeline import run
from iciclegcn.presets import preset_config
from iciclegcn.progress import PlainReporter
from iciclegcn.run_folder.artefacts import RunArtefacts

NAME = "suggest_k"
GUESSES = (5, 10, 20)
MOST = 50
NEIGHBORS = 10

Rows = NDArray[np.floating]


class Case(NamedTuple):
    """Features whose number of classes is known.

    Attributes:
        name: Of the row.
        num_classes: The truth.
        kind: ``train`` (stage 1 on a named set), ``pixels`` (of one) or ``given``.
        source: The set's name, or a file or folder.
        guess: Clusters that stage 1 is given; None where nothing is trained.
    """

    name: str
    num_classes: int
    kind: str
    source: str
    guess: int | None = None


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """What the command line asks for."""
    for source in options.train:
        for guess in options.guesses:
            yield Case(f"{source}, learned for {guess}", _classes(source), "train", source, guess)
    for source in options.pixels:
        yield Case(f"{source}, pixels", _classes(source), "pixels", source)
    for text in options.given:
        name, _, rest = text.partition(":")
        num_classes, _, place = rest.partition(":")
        if not (num_classes.isdecimal() and place):
            raise ValueError(f"'--given' must be NAME:K:FILE or NAME:K:FOLDER (got {text!r})")
        yield Case(name, int(num_classes), "given", place)


def features(case: Case, seed: int, options: argparse.Namespace) -> tuple[Rows, NDArray[np.int64]]:
    """Features [N, D] of a case, and each row's neighbours [N, k]."""
    if case.kind == "pixels":
        x: Rows = pixel_rows(open_data(case.source, options.folder).images)
    elif case.kind == "train":
        changes = {"num_clusters": case.guess, "seed": seed}
        changes |= dict(text.split("=", 1) for text in options.set)
        config = build_config(preset_config("quick", case.source), changes)
        out = options.folder / f"{case.source}-{case.guess}-{seed}"
        run(config, out, until="graph", reporter=PlainReporter(options.progress))
        return _of_run(out)
    elif Path(case.source).is_dir():
        return _of_run(Path(case.source))
    else:
        x = np.load(case.source, mmap_mode="r")
    return x, knn(x, NEIGHBORS).indices


def measure(case: Case, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """What is suggested for a case, plain values."""
    x, neighbors = features(case, seed, options)
    started = time.perf_counter()
    numbers = range(2, min(options.most, most_clusters(len(x))) + 1)
    rows = learned_space(x, neighbors, seed=seed)
    curves = num_clusters_curves(rows, neighbors, numbers, resamples=options.resamples, seed=seed)
    seconds = time.perf_counter() - started
    means = {name: values.mean(axis=0).round(4).tolist() for name, values in _figures(curves)}
    return {
        **case._asdict(),
        "source": Path(case.source).name,  # where it lay tells others nothing
        "seed": seed,
        "num_rows": len(x),
        "seconds": round(seconds, 1),
        "suggestion": suggest_num_clusters(curves)._asdict(),
        "curves": {"num_clusters": curves.num_clusters.tolist(), **means},
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results as Markdown, one line a case."""
    lines = ["| features | classes | suggested, seed by seed | seconds |", "|---|---|---|---|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = sorted((row for row in rows if row["name"] == name), key=lambda row: row["seed"])
        found = ", ".join(_said(row["suggestion"]) for row in own)
        seconds = sum(row["seconds"] for row in own) / len(own)
        lines.append(f"| {name} | {own[0]['num_classes']} | {found} | {seconds:.0f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cases that are not measured yet, and print all of them."""
    options = _parse(arguments)
    done = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    known = {(row["name"], row["seed"]) for row in done}
    for case in list(cases(options)):
        for seed in range(options.seeds):
            if (case.name, seed) in known:
                continue
            done.append(measure(case, seed, options))
            write_result(
                NAME, {"question": (__doc__ or "").splitlines()[0], "rows": done}, options.out
            )
    print(table(done))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    import sys

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--train", nargs="*", default=[], metavar="NAME", help="named sets to train stage 1 on")
    add("--guesses", nargs="*", type=int, default=GUESSES, metavar="K", help="clusters given to it")
    add("--pixels", nargs="*", default=[], metavar="NAME", help="named sets as rows of pixels")
    add("--given", nargs="*", default=[], metavar="NAME:K:PATH", help="features, or finished runs")
    add("--seeds", type=int, default=3)
    add("--resamples", type=int, default=10)
    add("--most", type=int, default=MOST, metavar="K", help="clusters tried at most")
    add("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="of the trained runs")
    add("--folder", type=Path, default=Path("runs/suggest_k"), help="for the trained runs")
    add("--out", type=Path, default=RESULTS / f"{NAME}.json")
    options = parser.parse_args(arguments)
    options.progress = sys.stderr
    if not (options.train or options.pixels or options.given):
        parser.error("name features: --train, --pixels or --given")
    return options


def _classes(source: str) -> int:
    named = find_named(source)
    if named is None:
        raise ValueError(f"'{source}' must be a data set known by name, such as digits")
    return named.num_clusters


def _of_run(folder: Path) -> tuple[Rows, NDArray[np.int64]]:
    artefacts = RunArtefacts(folder)
    return (
        artefacts.read_array("features", mapped=True),
        artefacts.read_arrays("neighbors")["indices"],
    )


def _figures(curves: Any) -> list[tuple[str, NDArray[np.float64]]]:
    return [(name, values) for name, values in curves._asdict().items() if name != "num_clusters"]


def _said(suggestion: dict[str, Any]) -> str:
    """``10 (10 to 12)``, or what it could not tell apart."""
    low, high = suggestion["low"], suggestion["high"]
    between = "" if low is None or low == high else f" ({low} to {high})"
    if suggestion["num_clusters"] is None:
        return f"cannot tell{between}"
    return f"{suggestion['num_clusters']}{between}"


if __name__ == "__main__":
    main()
