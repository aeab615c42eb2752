"""Every command that the documentation and the README print is executed, on tiny data.

Trainings are cut short by options behind those of the page (`shell_commands.cut_short`). Pages that
train all the same, programs under benchmarks/ and several processes are marked slow and run with
``make test-slow``; without them every command is at least parsed. What cannot run on one machine is
named below with its reason.
"""

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from iciclegcn.cli.main import main
from iciclegcn.cli.parser import COMMANDS, parse
from tests.docs.shell_commands import (
    PAGES,
    ROOT,
    ShellCommand,
    commands_of,
    cut_short,
    extras,
    make_targets,
)
from tests.docs.workplace import RUNS, add_run

ALL = [command for page in PAGES for command in commands_of(page)]

# Words that a command holds, and why it is not executed as a whole.
NOT_HERE = {
    "--nnodes": "needs two machines; its iciclegcn part is parsed",
    "srun": "needs SLURM; its iciclegcn part is parsed",
    "MASTER_ADDR": "needs two machines; its iciclegcn part is parsed",
    "torchvision:": "downloads weights, or reads a file of them; it is parsed",
    "timm:": "downloads weights; it is parsed",
    ".onnx": "needs a network of the reader's own; it is parsed",
}

# Options behind a page's own that make a program under benchmarks/ take seconds.
BENCHMARKS_CUT = {
    "benchmarks.digits": "--seeds 1 --out out.json",
    "benchmarks.cifar10": "--seeds 1 --images 100 --out out.json",
    "benchmarks.features": "--rows 120 --times 300 --folder planted --out out.json",
    "benchmarks.graph_build": "--num-nodes 600 --sizes 600 --sides ours faiss_flat "
    "--repeats 1 --out out.json",
    "benchmarks.gcc_epoch": "--steps 1 --images 600 --out out.json",
    "benchmarks.k_combinations": "--seeds 1 --out out.json",
    "benchmarks.methods": "--seeds 1 --minutes 0.02 --rows k-means --out results",
    "benchmarks.ablations": "--seeds 1 --minutes 0.02 --out results",
    "benchmarks.mgcn_epoch": "--rounds 1 --out out.json",
    "benchmarks.new_images": "--train 60 --test 12 --many 20 --runs new_images --out out.json",
    "benchmarks.pretrained": "--images 100 --seeds 1 --sample 60 --timed 8 --runs pretrained "
    "--out out.json -- --encode.epochs 1",
    "benchmarks.partitions": "--seeds 1 --cell-size 20 --out out.json",
    "benchmarks.scaling": "--sizes 2000 --epochs 1 --killed 0 --out out.json",
    "benchmarks.stage1": "--rounds 1 --only 32 --out out.json",
    "benchmarks.suggest_k": "--seeds 1 --resamples 2 --most 4 --guesses 3 "
    "--set pretrain.epochs=1 --out out.json",
    "benchmarks.views": "--rounds 1 --out out.json",
}


def is_here(command: ShellCommand) -> bool:
    return not any(word in command.text for word in NOT_HERE)


def one_process(page: str) -> list[ShellCommand]:
    return [
        command
        for command in commands_of(page)
        if is_here(command) and not command.several_processes and command.program != "benchmarks"
    ]


def page_cases() -> list[Any]:
    """Pages that have such commands; slow where one of them computes."""
    cases = []
    for page in filter(one_process, PAGES):
        slow = any(command.computes for command in one_process(page))
        cases.append(pytest.param(page, marks=[pytest.mark.slow] if slow else []))
    return cases


def run_in_bash(text: str) -> str:
    done = subprocess.run(
        ["bash", "-c", f"set -eo pipefail; {text}"], capture_output=True, text=True
    )
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


def run_here(words: list[str]) -> None:
    """Run iciclegcn in this process, and write its output where ``>`` says."""
    with contextlib.ExitStack() as stack:
        if ">" in words:
            [name] = words[words.index(">") + 1 :]
            words = words[: words.index(">")]
            output = stack.enter_context(Path(name).expanduser().open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(output))
        if "--help" in words or "--help-all" in words:
            stack.enter_context(pytest.raises(SystemExit, match=r"^0$"))
        assert main(cut_short(words)) == 0


def run_one(command: ShellCommand, place: Path) -> None:
    words = command.words
    if command.program == "pip":
        check_pip(words)
    elif command.program == "make":
        assert set(words[1:]) <= make_targets(), command
    elif command.program == "iciclegcn":
        for name in RUNS.keys() & set(words):
            if words[1] not in ("run", "pretrain"):
                add_run(place, name)
        run_here(words[1:])
    elif command.program in ("pytest", ".venv"):
        assert (ROOT / next(word for word in words if word.endswith(".py"))).is_file()
    else:
        run_in_bash(command.text)


def check_pip(words: list[str]) -> None:
    """What is installed is an extra, or a requirement of one."""
    known = extras()
    if "uninstall" in words:
        return
    packages = [word for word in words[2:] if not word.startswith("-")]
    for package in packages:
        asked = re.fullmatch(r"(?:\.|iciclegcn)(?:\[([\w,]+)\])?", package)
        if asked is None:
            assert any(package in requirements for requirements in known.values()), package
        elif asked[1]:
            assert set(asked[1].split(",")) <= set(known), package


@pytest.mark.parametrize("page", page_cases())
def test_the_commands_of_a_page_run(page: str, workplace: Path) -> None:
    for command in one_process(page):
        run_one(command, workplace)


@pytest.mark.parametrize(
    "command", [c for c in ALL if c.program in ("iciclegcn", "torchrun", "srun")], ids=str
)
def test_every_command_is_understood(command: ShellCommand) -> None:
    words = command.iciclegcn_words
    if "--help-all" in words:
        with pytest.raises(SystemExit, match=r"^0$"):
            parse(words)
    else:
        assert parse(words).command == words[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", sorted({c.text for c in ALL if c.program == "benchmarks"}), ids=str
)
def test_benchmarks_run_as_they_are_printed(command: str, workplace: Path) -> None:
    shown, separator, passed_on = command.replace(".venv/bin/", "").partition(" -- ")
    if "DIR" in shown:
        add_run(workplace, "runs/known")
        shown = re.sub(r"(--runs?) DIR", r"\1 runs/known", shown).replace("DIR", "work")
    cut = "" if "--help" in shown else BENCHMARKS_CUT[ShellCommand("", shown).words[2]]
    run_in_bash(f"{shown} {cut}{separator}{passed_on}")


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in ALL if c.several_processes and is_here(c)], ids=str)
def test_several_processes_run_as_they_are_printed(command: ShellCommand, workplace: Path) -> None:
    words = command.iciclegcn_words
    two = re.sub(r"(--nproc-per-node|--devices) \d+", r"\1 2", command.text)
    run_in_bash(" ".join([two, *cut_short(words)[len(words) :]]))
    assert list(workplace.glob("runs/*/assignments.csv"))


@pytest.mark.parametrize("word", NOT_HERE)
def test_every_exception_is_about_a_command(word: str) -> None:
    assert any(word in command.text for command in ALL)


def test_every_benchmark_that_is_printed_can_be_cut() -> None:
    printed = {command.words[2] for command in ALL if command.program == "benchmarks"}
    assert printed <= set(BENCHMARKS_CUT)


def test_every_benchmark_is_on_the_page_about_them() -> None:
    parts = {"baselines", "graph_searches", "measured_process", "scaling_stages", "stage_two"}
    programs = {
        file.stem
        for file in (ROOT / "benchmarks").glob("*.py")
        if "__main__" in file.read_text(encoding="utf-8")
    }
    commands = commands_of("docs/reproducing.md")
    printed = {command.words[2] for command in commands if command.program == "benchmarks"}
    assert printed == {f"benchmarks.{name}" for name in programs - parts}


def test_every_command_is_on_the_page_about_them() -> None:
    rows = re.findall(
        r"^\| (`.*?) \|", (ROOT / "docs/commands.md").read_text("utf-8"), re.MULTILINE
    )
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == set(COMMANDS)
