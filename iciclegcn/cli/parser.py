"""The command line's words: commands, flags and help."""

import argparse
from collections.abc import Sequence

import iciclegcn
from iciclegcn.cli.options import (
    ON_A_RUN,
    Parser,
    add_on_a_run_options,
    add_run_options,
    add_stage_options,
    on_a_run_fields,
    on_features_fields,
)
from iciclegcn.commands import BESIDE
from iciclegcn.config.values import config_fields, suggestion
from iciclegcn.errors import UserError

COMMANDS = {
    "run": "everything: from images to clusters and their figures",
    "pretrain": "stage 1 only: train the backbone and the auto-encoder",
    "embed": "compute the features of every image",
    "extract": "write the features that a frozen backbone, or the user, gives",
    "graph": "find every image's nearest neighbours",
    "encode": "train the auto-encoder on features that are not trained themselves",
    "cluster": "from a matrix of features to clusters; or stage 2 of a run that has begun",
    "assign": "name a trained classifier's cluster for every image",
    "evaluate": "compute the figures again, for example with labels",
    "self-label": "let a finished run learn from its own confident answers",
    "refine": "RUC: retrain on what can be trusted of a finished run's clusters",
    **{name: command.text for name, command in BESIDE.items()},
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Understand the words of a command line.

    Args:
        arguments: The words after the program's name.

    Returns:
        ``command`` (None: none was given) and its options; fields of the configuration appear
        under their dotted names, as text, and only where they were given.

    Raises:
        UserError: If a word is unknown or a value is missing.
        SystemExit: After ``--help`` and ``--version``.
    """
    words = [_normalized(word) for word in arguments]
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        hint = suggestion(words[0], COMMANDS) or f"; commands are {', '.join(COMMANDS)}"
        raise UserError(f"unknown command '{words[0]}'{hint}")
    parser = make_parser()
    options, unknown = parser.parse_known_args(words)
    if unknown:
        raise UserError(_about_unknown(unknown[0], options.command))
    if options.command is None:
        parser.print_help()
    return options


def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="iciclegcn",
        usage="iciclegcn COMMAND [options]",
        description="Deep image clustering: groups images without labels.",
        epilog="'iciclegcn COMMAND --help' tells more. A bare 'iciclegcn run' clusters digits.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"iciclegcn {iciclegcn.__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND OPTIONS", title="commands", prog=parser.prog
    )
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in ("run", "pretrain"):
            add_run_options(command, name, all_fields=False)
        elif name in ON_A_RUN:
            add_on_a_run_options(command, ON_A_RUN[name])
        elif name in BESIDE:
            BESIDE[name].load().add_options(command)
        else:
            add_stage_options(command, name)
    return parser


def _normalized(word: str) -> str:
    """An option in the spelling of its definition: dashes, but underscores where there is a dot."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    name = name.replace("-", "_") if "." in name else name.replace("_", "-")
    return f"--{name}{equals}{value}"


def _about_unknown(word: str, command: str | None) -> str:
    if not word.startswith("-"):
        return f"unexpected '{word}'; see '{_help_of(command)}'"
    name = word.lstrip("-").partition("=")[0]
    short = ["out", "config", "print-config", "labels", "labels-from-folders"]
    short += ["devices", "num-nodes"]
    if command in ON_A_RUN:
        known = [*on_a_run_fields(ON_A_RUN[command]), *short, "run"]
    elif command in ("run", "pretrain"):
        known = [*config_fields(), *short, "strict", "self-label"]
    elif command == "cluster":
        known = [*on_features_fields(), *short, "features", "num_clusters", "preset", "seed"]
    else:
        return f"unknown option '--{name}'; see '{_help_of(command)}'"
    return f"unknown option '--{name}'{_flag_suggestion(name, known, command)}"


def _flag_suggestion(name: str, known: Sequence[str], command: str | None) -> str:
    found = suggestion(name, known).replace("'", "'--", 1)
    return found or f"; see '{_help_of(command)}'"


def _help_of(command: str | None) -> str:
    return "iciclegcn --help" if command is None else f"iciclegcn {command} --help"
