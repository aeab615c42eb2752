"""Commands beside the pipeline's own: each is a module of this package, loaded by its name."""

import argparse
import importlib
from typing import NamedTuple, Protocol, cast


class Work(Protocol):
    """What such a module has; importing it loads neither torch nor numpy."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Give the command its options."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; the exit code. Mistakes of the user are raised as ``UserError``."""


class Command(NamedTuple):
    """One command.

    Attributes:
        module: Its module in this package.
        text: Its line in the help.
    """

    module: str
    text: str

    def load(self) -> Work:
        """Import the module."""
        return cast(Work, importlib.import_module(f"{__name__}.{self.module}"))


BESIDE: dict[str, Command] = {
    "suggest-k": Command("suggest_k", "how many clusters the features of a run fall into"),
    "report": Command("report", "write a finished run's report again: one page, and its figures"),
    "export": Command("export", "a finished run's images in a folder per cluster, or its table"),
    "predict": Command("predict", "name the clusters of images that a finished run has not seen"),
    "datasets": Command("datasets", "the data sets known by name, and which of them are here"),
    "doctor": Command("doctor", "what is installed, what this machine has, and what is missing"),
    "completion": Command("completion", "words and options to complete, for bash, zsh or fish"),
}
