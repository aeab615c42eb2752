"""``iciclegcn doctor``: what is installed, what the machine has, what is missing."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import iciclegcn

if TYPE_CHECKING:
    from iciclegcn.installation import ExtraState, PackageState
    from iciclegcn.machine import Machine


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.usage = f"{parser.prog} [--json]"
    parser.epilog = "The exit code is 1 when something that is needed is missing or broken."
    parser.add_argument("--json", action="store_true", help="print it for programs")


def run(options: argparse.Namespace) -> int:
    """Print what was found.

    Args:
        options: ``json``.

    Returns:
        0, or 1 when something that is needed is missing or broken.
    """
    from iciclegcn.installation import conflicts, extras, required_packages
    from iciclegcn.machine import examine_machine, search_works

    packages, optional, problems = required_packages(), extras(), conflicts()
    problems += [
        f"{state.package.distribution} {state.problem}; run: pip install --upgrade "
        f"'{state.package.distribution}>={state.package.minimum}'"
        for state in packages
        if state.problem
    ]
    machine = None
    if not problems:
        machine = examine_machine()
        problems += _problems_of(machine)
        if not search_works():
            problems.append("the search for neighbours gives wrong ones; install FAISS again")
    if options.json:
        print(json.dumps(_as_plain(packages, optional, machine, problems), indent=2))
    else:
        print("\n".join(_lines(packages, optional, machine, problems)))
    return 1 if problems else 0


def _problems_of(machine: "Machine") -> list[str]:
    found = []
    if not machine.cache_writable:
        found.append(
            f"the image cache '{machine.cache}' cannot be written; set ICICLEGCN_CACHE to a "
            "folder that can"
        )
    if machine.gpus and machine.faiss_gpus == 0:
        found.append("torch sees a GPU and FAISS, a build for GPUs, does not; check its CUDA")
    return found


def _lines(
    packages: "Sequence[PackageState]",
    optional: "Sequence[ExtraState]",
    machine: "Machine | None",
    problems: Sequence[str],
) -> Iterator[str]:
    yield f"iciclegcn {iciclegcn.__version__}"
    yield from _table("needed", [_package_row(state) for state in packages])
    if machine is not None:
        yield from _table("machine", _machine_rows(machine))
    yield from _table("extras", [_extra_row(state) for state in optional])
    yield from ("", "problems" if problems else "no problems")
    yield from (f"  {problem}" for problem in problems)


def _table(title: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A title and its rows; every column but the last is as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    yield from ("", title)
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        yield "  ".join(["", *padded, last]).rstrip()


def _package_row(state: "PackageState") -> tuple[str, str, str]:
    package = state.package
    return package.distribution, state.version or "missing", f">={package.minimum}"


def _extra_row(state: "ExtraState") -> tuple[str, str, str]:
    gives = state.extra.gives
    if state.complete:
        versions = {one.package.distribution: one.version for one in state.packages}
        return state.extra.name, "here", f"{gives} ({_named(versions)})"
    return state.extra.name, "missing", f"{gives}: {state.extra.install}"


def _named(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _machine_rows(machine: "Machine") -> list[tuple[str, str]]:
    gpus = [f"{name}, {gib:.0f} GiB" for name, gib in machine.gpus]
    built = f"torch is built for CUDA {machine.cuda}" if machine.cuda else "torch's build for CPUs"
    faiss = "for CPUs" if machine.faiss_gpus is None else f"for GPUs, sees {machine.faiss_gpus}"
    swap = "; 'gpu' below makes it search there" if gpus and machine.faiss_gpus is None else ""
    return [
        ("system", f"{machine.system}, Python {machine.python}"),
        ("processor", f"{machine.cores} cores, {machine.threads} threads, {machine.instructions}"),
        ("GPU", "; ".join(gpus) if gpus else f"none ({built})"),
        ("precision", f"auto is {machine.precision}"),
        ("FAISS", f"build {faiss} ({machine.faiss_build}){swap}"),
        ("memory", f"{machine.memory_free:.1f} of {machine.memory_total:.1f} GiB free"),
        ("image cache", f"{machine.cache}, {machine.cache_free:.1f} GiB free"),
    ]


def _as_plain(
    packages: "Sequence[PackageState]",
    optional: "Sequence[ExtraState]",
    machine: "Machine | None",
    problems: Sequence[str],
) -> dict[str, object]:
    return {
        "version": iciclegcn.__version__,
        "needed": {one.package.distribution: one.version for one in packages},
        "machine": None if machine is None else _plain_machine(machine),
        "extras": {
            one.extra.name: {
                "complete": one.complete,
                "gives": one.extra.gives,
                "install": one.extra.install,
                "packages": {each.package.distribution: each.version for each in one.packages},
            }
            for one in optional
        },
        "problems": list(problems),
    }


def _plain_machine(machine: "Machine") -> dict[str, object]:
    return {**dataclasses.asdict(machine), "cache": str(machine.cache)}
