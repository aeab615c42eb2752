"""The command line: parse, build the configuration, call the pipeline. Loads torch only to run."""

import os
import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from iciclegcn.cli_parser import DEFAULT_DATA, DEFAULT_PRESET, parse
from iciclegcn.config import Config
from iciclegcn.config_values import build_config, config_fields, read_config_file, to_yaml
from iciclegcn.distributed.launch import Job, launch, processes
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
    except (UserError, FloatingPointError, KeyboardInterrupt) as error:
        # Every process that torchrun starts meets the same mistake: one tells.
        return _tell(error, silently=os.environ.get("RANK", "0") != "0")


def _tell(error: BaseException, *, silently: bool = False) -> int:
    """Tell the user why the command ends, in one line; the exit code that goes with it."""
    if isinstance(error, UserError):
        message, code = f"iciclegcn: error: {error}", EXIT_USER_ERROR
    elif isinstance(error, FloatingPointError):
        remedy = "try a lower learning rate, or --precision fp32"
        message, code = f"iciclegcn: error: {error}; {remedy}", EXIT_FAILURE
    else:
        message = "interrupted: the same command goes on from where it stopped"
        code = EXIT_INTERRUPTED
    if not silently:
        _say(message)
    return code


def _dispatch(options: Namespace) -> int:
    if options.command is None:
        return 0
    if options.command in ("run", "pretrain"):
        return _run(options)
    given = vars(options)
    job = partial(
        _run_stage,
        options.command,
        Path(options.out),
        given.get("data.labels"),
        given.get("data.labels_from_folders", False),
    )
    if options.command == "evaluate":  # one process's work
        return job()
    return _on_processes(job, options, "auto")


def _on_processes(job: Callable[[], int], options: Namespace, device: str) -> int:
    wanted = processes(options.devices, options.num_nodes)
    if wanted.size == 1:
        return job()
    # What breaks in the connections is told in one sentence, without traces from inside torch.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    return launch(Job(job, _tell), wanted, device)


def _run_stage(stage: str, out: Path, labels: str | None, labels_from_folders: bool) -> int:
    _ignore_known_warnings()
    from iciclegcn.pipeline import run_stage

    reporter = make_reporter(sys.stderr)
    options: dict[str, Any] = {"labels": labels, "labels_from_folders": labels_from_folders}
    return _print_summary(run_stage(stage, out, **options, reporter=reporter))


def _run_pipeline(config: Config, out: Path, until: str, opening: str) -> int:
    _ignore_known_warnings()
    from iciclegcn.pipeline import run

    reporter = make_reporter(sys.stderr, opening)
    return _print_summary(run(config, out, until=until, reporter=reporter))


def _ignore_known_warnings() -> None:
    # PyTorch Geometric's import; nobody at a terminal can do anything about it.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated")


def _run(options: Namespace) -> int:
    config = resolve_config(options)
    if options.print_config:
        sys.stdout.write(to_yaml(config))
        return 0
    out = Path(options.out) if options.out else default_out(config)
    opening = "" if options.out else f"run folder: {out} (--out chooses another)"
    until = "evaluate" if options.command == "run" else "pretrain"
    job = partial(_run_pipeline, config, out, until, opening)
    return _on_processes(job, options, config.device)


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
