"""The command line's words: commands, flags and help."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

import iciclegcn
from iciclegcn.config_values import config_fields, example, suggestion
from iciclegcn.data.named import NAMED
from iciclegcn.errors import UserError
from iciclegcn.presets import PRESETS

DEFAULT_DATA = "digits"
DEFAULT_PRESET = "quick"

COMMANDS = {
    "run": "everything: from images to clusters and their figures",
    "pretrain": "stage 1 only: train the backbone and the auto-encoder",
    "embed": "compute the features of every image",
    "graph": "find every image's nearest neighbours",
    "cluster": "stage 2: train the multi-scale GCN and assign clusters",
    "evaluate": "compute the figures again, for example with labels",
}

_EPILOG = """\
Every field of the configuration is an option too, such as --pretrain.epochs 20
or --graph.k 1,10: 'iciclegcn run --help-all' lists them. The preset gives the
defaults, then --config, then the options; --print-config shows the outcome.
"""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see '{self.prog} --help'")


class _HelpAll(argparse.Action):
    """Prints the help with every field of the configuration."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        complete = Parser(prog=parser.prog, formatter_class=argparse.RawDescriptionHelpFormatter)
        _add_run_options(complete, all_fields=True)
        complete.print_help()
        parser.exit()


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
        dest="command", metavar="COMMAND", title="commands", prog=parser.prog
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
            _add_run_options(command, all_fields=False)
        else:
            _add_stage_options(command, name)
    return parser


def _add_stage_options(parser: argparse.ArgumentParser, command: str) -> None:
    parser.usage = f"{parser.prog} --out DIR [options]"
    parser.add_argument("--out", metavar="DIR", required=True, help="the run folder")
    if command == "evaluate":
        _add_label_options(parser)
    else:
        _add_process_options(parser)


def _add_run_options(parser: argparse.ArgumentParser, *, all_fields: bool) -> None:
    parser.usage = f"{parser.prog} [DATA] [--num-clusters K] [--out DIR] [options]"
    parser.epilog = None if all_fields else _EPILOG
    add = parser.add_argument
    add(
        "DATA",
        nargs="?",
        metavar="DATA",
        help="a folder of images, a .zip of one, a .txt or .csv list of paths, a .npy or .npz "
        f"array, or one of {', '.join(NAMED)} (default: {DEFAULT_DATA})",
    )
    _add_field(parser, "num_clusters", "K", "number of clusters; known for the named data sets")
    add("--out", metavar="DIR", help="run folder (default: runs/DATA-PRESET-SEED)")
    presets = ", ".join(PRESETS)
    _add_field(parser, "preset", "NAME", f"{presets} (default: {DEFAULT_PRESET})")
    _add_field(parser, "seed", "N", "fixes every random draw (default: 0)")
    _add_field(parser, "device", "NAME", "auto, cpu or cuda[:N] (default: auto)")
    _add_field(parser, "precision", "NAME", "auto, fp32, bf16 or fp16 (default: auto)")
    _add_process_options(parser)
    add("--config", metavar="FILE", help="YAML file with fields of the configuration")
    add("--print-config", action="store_true", help="print the configuration as YAML and stop")
    _add_label_options(parser)
    add(
        "--strict",
        action="store_true",
        dest="data.strict",
        default=argparse.SUPPRESS,
        help="refuse unreadable files instead of skipping them",
    )
    _add_all_fields(parser, shown=all_fields)
    add("--help-all", action=_HelpAll, nargs=0, help="list every field of the configuration")


def _add_process_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--devices", metavar="N", type=int, help="processes a machine, one a GPU (default: 1)")
    add("--num-nodes", metavar="N", type=int, help="machines (default: 1); see docs/clusters.md")


def _add_label_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--labels",
        metavar="FILE",
        dest="data.labels",
        default=argparse.SUPPRESS,
        help="CSV file with the truth, for the figures only",
    )
    parser.add_argument(
        "--labels-from-folders",
        action="store_true",
        dest="data.labels_from_folders",
        default=argparse.SUPPRESS,
        help="first-level folders are the truth, for the figures only",
    )


def _add_all_fields(parser: argparse.ArgumentParser, *, shown: bool) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in config_fields().values():
        if "." not in field.name:
            continue
        if field.group not in groups:
            groups[field.group] = parser.add_argument_group(
                field.group.rstrip(".") if shown else None
            )
        groups[field.group].add_argument(
            f"--{field.name}",
            metavar=example(field.hint),
            dest=field.name,
            default=argparse.SUPPRESS,
            help=field.text.replace("%", "%%") if shown else argparse.SUPPRESS,
        )


def _add_field(parser: argparse.ArgumentParser, name: str, metavar: str, text: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    parser.add_argument(flag, dest=name, metavar=metavar, default=argparse.SUPPRESS, help=text)


def _normalized(word: str) -> str:
    """An option in the spelling of its definition: dashes, but underscores behind a dot."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    section, dot, leaf = name.partition(".")
    name = f"{section}.{leaf.replace('-', '_')}" if dot else name.replace("_", "-")
    return f"--{name}{equals}{value}"


def _about_unknown(word: str, command: str) -> str:
    if not word.startswith("-"):
        return f"unexpected '{word}'; see 'iciclegcn {command} --help'"
    name = word.lstrip("-").partition("=")[0]
    if command in ("run", "pretrain"):
        short = ("out", "config", "print-config", "labels", "labels-from-folders", "strict")
        known = [*config_fields(), *short, "devices", "num-nodes"]
        return f"unknown option '--{name}'{_flag_suggestion(name, known, command)}"
    return f"unknown option '--{name}'; see 'iciclegcn {command} --help'"


def _flag_suggestion(name: str, known: Sequence[str], command: str) -> str:
    found = suggestion(name, known).replace("'", "'--", 1)
    return found or f"; see 'iciclegcn {command} --help'"
