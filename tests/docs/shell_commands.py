"""The shell commands that the documentation prints, and how each of them is tried."""

import configparser
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.tiny_run import TINY, TINY_GCC, TINY_ON_A_RUN, tiny_options

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PAGES += ["README.md", "CONTRIBUTING.md"]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )*(?:iciclegcn|python|pip|make|torchrun) [^`]+)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b(?!=)|\.\.\.")

# Costs that are cut even where a page gives them; everything else of a page's command stays.
_ALWAYS_CUT = ("data.image_size", "pretrain.epochs", "gcc.epochs")
_NOT_CUT = ("num_clusters",)

# Commands that train and compute nothing.
_LIGHT = ("datasets", "doctor", "completion")


@dataclass(frozen=True)
class ShellCommand:
    """One command of a page.

    Attributes:
        page: The page, from the project's root.
        text: As it is printed, on one line.
    """

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    @property
    def words(self) -> list[str]:
        """Its words, without settings of the environment before it."""
        words = shlex.split(self.text, comments=True)
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        return words

    @property
    def program(self) -> str:
        """``iciclegcn``, ``pip``, ..., or ``benchmarks`` for the programs there."""
        name = Path(self.words[0]).name
        is_module = name == "python" and self.words[1] == "-m"
        return self.words[2].partition(".")[0] if is_module else name

    @property
    def several_processes(self) -> bool:
        """Whether it starts processes of its own."""
        return self.program in ("torchrun", "srun") or "--devices" in self.words

    @property
    def iciclegcn_words(self) -> list[str]:
        """The words after ``iciclegcn``, up to where its output goes."""
        words = self.words[self.words.index("iciclegcn") + 1 :]
        return words[: words.index(">")] if ">" in words else words

    @property
    def computes(self) -> bool:
        """Whether it takes longer than a moment."""
        if self.program != "iciclegcn":
            return "examples/" in self.text
        words = self.iciclegcn_words
        light = {"--help", "--help-all", "--version", "--print-config"} & set(words)
        return not light and words[0] not in _LIGHT


def commands_of(page: str) -> list[ShellCommand]:
    """The commands of a page in order: those in blocks, then those in the text.

    The name of a command, such as ``iciclegcn run``, and a pattern, such as ``iciclegcn run NAME``,
    are none where they stand in the text. What is printed twice is there once.
    """
    texts = dict.fromkeys(_texts((ROOT / page).read_text("utf-8")))
    return [ShellCommand(page, text) for text in texts]


def _texts(markdown: str) -> Iterator[str]:
    for language, block in _BLOCK.findall(markdown):
        if language not in ("bash", "sh", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            text = line.removeprefix("$ ") if language == "console" else line
            shown = language != "console" or line.startswith("$ ")
            text, _, _ = text.partition(" #")
            if shown and shlex.split(text, comments=True):
                yield " ".join(text.split())
    for text in _INLINE.findall(_BLOCK.sub("", markdown)):
        is_name = re.fullmatch(r"iciclegcn [\w-]+", text)
        if "benchmarks." in text or not (is_name or _PLACEHOLDER.search(text)):
            yield " ".join(text.removesuffix("...").split())


def cut_short(words: list[str]) -> list[str]:
    """Words of ``iciclegcn`` with more behind them that make a training take a second."""
    command, given = words[0], {word.partition("=")[0].replace("_", "-") for word in words}
    if command in ("self-label", "refine"):
        values = TINY_ON_A_RUN["self-label" if command == "self-label" else "ruc"]
    elif command in ("run", "pretrain"):
        values = TINY_GCC if "gcc" in words else TINY
        if "--backbone" in words and ("--backbone.frozen" in words or "gcc" in words):
            values = {**values, "data.image_size": 32}  # some networks halve it five times
        elif "--backbone" in words:
            values = _on_a_frozen_backbone(values)
        if "--self-label" in words:
            values = {**values, **TINY_ON_A_RUN["self-label"]}
    elif command == "cluster" and "--features" in words:
        values = _on_a_frozen_backbone(TINY)
        del values["backbone.image_size"]
    else:
        values = {}
    return words + tiny_options(
        {
            name: value
            for name, value in values.items()
            if name not in _NOT_CUT
            and (name in _ALWAYS_CUT or f"--{name.replace('_', '-')}" not in given)
        }
    )


def _on_a_frozen_backbone(values: Mapping[str, object]) -> dict[str, object]:
    """Values that such a run takes: it trains no backbone, and sees images as they are kept."""
    idle = ("pretrain.", "backbone.", "data.image_size")
    taken = {name: value for name, value in values.items() if not name.startswith(idle)}
    return {**taken, "encode.epochs": 1, "backbone.image_size": 32}


def extras() -> dict[str, str]:
    """The extras of setup.cfg with their requirements."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return dict(parser["options.extras_require"])


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
