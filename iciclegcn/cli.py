"""The command line: parse, build the configuration, call the pipeline. Loads torch only to run."""

import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from iciclegcn.cli_parser import DEFAULT_DATA, DEFAULT_PRESET, parse
from iciclegcn.config import Config
from iciclegcn.config_values import build_config, config_fields, read_config_file, to_yaml
from iciclegcn.errors import UserError
from iciclegcn.presets import preset_config
from iciclegcn.progress import make_reporter

EXIT_FAILURE, EXIT_USER_ERROR, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after the program's name; None: those of this process.

    Returns:
        The exit code: 0, 1 when training fails, 2 for a mistake of the user, 130 when interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _dispatch(parse(arguments))
    except UserError as error:
        _say(f"iciclegcn: error: {error}")
        return EXIT_USER_ERROR
    except FloatingPointError as error:
        _say(f"iciclegcn: error: {error}; try a lower learning rate, or --precision fp32")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        _say("interrupted: the same command goes on from where it stopped")
        return EXIT_INTERRUPTED


def _dispatch(options: Namespace) -> int:
    # PyTorch Geometric's import; nobody at a terminal can do anything about it.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated")
    if options.command is None:
        return 0
    if options.command in ("run", "pretrain"):
        return _run(options)
    from iciclegcn.pipeline import run_stage

    given = vars(options)
    out = run_stage(
        options.command,
        Path(options.out),
        labels=given.get("data.labels"),
        labels_from_folders=given.get("data.labels_from_folders", False),
        reporter=make_reporter(sys.stderr),
    )
    return _print_summary(out)


def _run(options: Namespace) -> int:
    config = resolve_config(options)
    if options.print_config:
        sys.stdout.write(to_yaml(config))
        return 0
    out = Path(options.out) if options.out else default_out(config)
    opening = "" if options.out else f"run folder: {out} (--out chooses another)"
    from iciclegcn.pipeline import run

    until = "evaluate" if options.command == "run" else "pretrain"
    reporter = make_reporter(sys.stderr, opening)
    return _print_summary(run(config, out, until=until, reporter=reporter))


def resolve_config(options: Namespace) -> Config:
    """The configuration of ``run``: the preset for the data, then the file, then the flags.

    Args:
        options: What the parser of ``run`` gives; only flags that were given appear in it.

    Raises:
        UserError: If a value, a file or a combination is wrong.
    """
    given = {name: value for name, value in vars(options).items() if name in config_fields()}
    if options.DATA is not None:
        if given.get("data.source", options.DATA) != options.DATA:
            raise UserError(f"DATA is '{options.DATA}' and --data.source another; give one")
        given["data.source"] = options.DATA
    changes = read_config_file(Path(options.config)) if options.config else {}
    changes |= given
    source = str(changes.get("data.source", DEFAULT_DATA))
    preset = str(changes.get("preset", DEFAULT_PRESET))
    return build_config(preset_config(preset, source), changes)


def default_out(config: Config) -> Path:
    """Where a run goes without ``--out``: ``runs/<data>-<preset>-<seed>``."""
    name = Path(config.data.source.partition(":")[0]).expanduser().resolve().stem
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._") or "images"
    return Path("runs") / f"{safe}-{config.preset}-{config.seed}"


def _print_summary(out: Path) -> int:
    from iciclegcn.run_artefacts import RunArtefacts
    from iciclegcn.summary import summarize

    print(summarize(RunArtefacts(out)))
    return 0


def _say(message: str) -> None:
    print(re.sub(r"\s*\n\s*", " ", message), file=sys.stderr)
