"""The options of every command, and the help for them."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from iciclegcn.config.values import config_fields, example
from iciclegcn.data.named import NAMED
from iciclegcn.errors import UserError
from iciclegcn.presets import PRESETS

DEFAULT_DATA = "digits"
DEFAULT_PRESET = "quick"

# Commands that begin with a finished run: their method, and its section of the configuration.
ON_A_RUN = {"self-label": "self-label", "refine": "ruc"}
SECTIONS = {"self_label": "self-label", "ruc": "ruc"}

# Stages that name clusters, or count them.
_TAKE_ABSTAIN = ("cluster", "assign", "evaluate")

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
        add_run_options(complete, "run", all_fields=True)
        complete.print_help()
        parser.exit()


def add_stage_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Options of the commands that run one stage of a run that has begun."""
    if command == "cluster":
        _add_cluster_options(parser)
        return
    parser.usage = f"{parser.prog} --out DIR [options]"
    parser.add_argument("--out", metavar="DIR", required=True, help="the run folder")
    if command in _TAKE_ABSTAIN:
        _add_abstain_option(parser)
    if command == "evaluate":
        _add_label_options(parser)
        parser.add_argument(
            "--robustness",
            action="store_true",
            help="measure the accuracy under perturbed pixels (FGSM, BIM) too; needs the images",
        )
    else:
        _add_process_options(parser)


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """``cluster``: begin with a matrix of features, or do the stage of a run that has begun."""
    parser.usage = f"{parser.prog} --features FILE [--num-clusters K] [--out DIR] [options]\n"
    parser.usage += f"       {parser.prog} --out DIR"
    add = parser.add_argument
    add(
        "--features",
        metavar="FILE",
        help="a matrix, one row an item: .npy, .npz (FILE:NAME picks an array), .parquet, or a "
        "folder of such files; without it, stage 2 of the run in --out is done",
    )
    add("--out", metavar="DIR", help="run folder (default: runs/FILE-PRESET-SEED)")
    _add_field(parser, "num_clusters", "K", "number of clusters")
    _add_field(parser, "preset", "NAME", f"{', '.join(PRESETS)} (default: {DEFAULT_PRESET})")
    _add_field(parser, "seed", "N", "fixes every random draw (default: 0)")
    _add_abstain_option(parser)
    _add_computing_options(parser)
    _add_config_options(parser)
    _add_label_options(parser)
    _add_fields(parser, on_features_fields(), shown=True)
    parser.set_defaults(DATA=None)


def on_features_fields() -> list[str]:
    """Fields that matter where features are given, by dotted name."""
    sections = ("autoencoder.", "graph.", "encode.", "mgcn.")
    return ["data.scaling", *(name for name in config_fields() if name.startswith(sections))]


def add_on_a_run_options(parser: argparse.ArgumentParser, method: str) -> None:
    """Options of the commands that begin with a finished run."""
    parser.usage = f"{parser.prog} --run DIR [--out DIR] [options]"
    add = parser.add_argument
    add("--run", metavar="DIR", required=True, help="the finished run to begin with; only read")
    add("--out", metavar="DIR", help=f"run folder (default: {method} in the one of --run)")
    _add_field(parser, "seed", "N", "fixes every random draw (default: that run's)")
    _add_abstain_option(parser)
    _add_computing_options(parser)
    _add_config_options(parser)
    _add_label_options(parser)
    _add_fields(parser, [name for name in on_a_run_fields(method) if "." in name], shown=True)


def on_a_run_fields(method: str) -> list[str]:
    """Fields that a run which begins with another may change: its method's and a few more."""
    sections = [section for section, owner in SECTIONS.items() if owner == method] + ["graph"]
    own = [name for part in sections for name in config_fields() if name.startswith(f"{part}.")]
    return ["seed", "device", "precision", "abstain", *own]


def add_run_options(parser: argparse.ArgumentParser, command: str, *, all_fields: bool) -> None:
    """Options of the commands that begin with images."""
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
    if command == "run":
        _add_field(parser, "method", "NAME", "icicle or gcc (default: icicle)")
        add(
            "--self-label",
            action="store_true",
            help="go on with self-labelling, in self-label inside the run folder",
        )
    add(
        "--backbone",
        dest="backbone.name",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="a trained network: efficientnet-lite0, torchvision:NAME, timm:NAME or a file (.pt, "
        ".pt2, .onnx); frozen unless --backbone.frozen false (default: one that begins at random)",
    )
    presets = ", ".join(PRESETS)
    _add_field(parser, "preset", "NAME", f"{presets} (default: {DEFAULT_PRESET})")
    _add_field(parser, "seed", "N", "fixes every random draw (default: 0)")
    _add_abstain_option(parser)
    _add_computing_options(parser)
    _add_config_options(parser)
    _add_label_options(parser)
    add(
        "--strict",
        action="store_true",
        dest="data.strict",
        default=argparse.SUPPRESS,
        help="refuse unreadable files instead of skipping them",
    )
    _add_fields(parser, [name for name in config_fields() if "." in name], shown=all_fields)
    add("--help-all", action=_HelpAll, nargs=0, help="list every field of the configuration")


def _add_computing_options(parser: argparse.ArgumentParser) -> None:
    _add_field(parser, "device", "NAME", "auto, cpu or cuda[:N] (default: auto)")
    _add_field(parser, "precision", "NAME", "auto, fp32, bf16 or fp16 (default: auto)")
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="show the training in TensorBoard while it goes on: tensorboard --logdir DIR",
    )
    _add_process_options(parser)


def _add_abstain_option(parser: argparse.ArgumentParser) -> None:
    text = "leave the least certain images unassigned, such as 0.05 of them"
    _add_field(parser, "abstain", "SHARE", text)


def _add_config_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", metavar="FILE", help="YAML file with fields of the configuration")
    add("--print-config", action="store_true", help="print the configuration as YAML and stop")


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


def _add_fields(parser: argparse.ArgumentParser, names: Sequence[str], *, shown: bool) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in map(config_fields().__getitem__, names):
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
