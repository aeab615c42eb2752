"""The command line: parse, build the configuration, call the pipeline. Loads torch only to run."""

import dataclasses
import os
import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from iciclegcn.cli.configuration import (
    default_out,
    open_base_and_out,
    require_run_folder,
    resolve_config,
    resolve_on_a_run,
    resolve_self_label,
)
from iciclegcn.cli.options import ON_A_RUN
from iciclegcn.cli.parser import parse
from iciclegcn.commands import BESIDE
from iciclegcn.config import Config
from iciclegcn.config.values import to_yaml
from iciclegcn.data.user_paths import user_path
from iciclegcn.distributed.launch import Job, launch, processes
from iciclegcn.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError
from iciclegcn.progress import make_reporter


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after the program's name; None: those of this process.

    Returns:
        The exit code: 0, 1 when training fails, 2 for a mistake of the user, 130 when interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command = None
    try:
        options = parse(arguments)
        command = options.command
        return _dispatch(options)
    except (UserError, FloatingPointError, KeyboardInterrupt) as error:
        # Every process that torchrun starts meets the same mistake: one tells.
        silently = os.environ.get("RANK", "0") != "0"
        return _tell(error, silently=silently, resumes=command not in BESIDE)


def _tell(error: BaseException, *, silently: bool = False, resumes: bool = True) -> int:
    """Tell the user why the command ends, in one line; the exit code that goes with it."""
    if isinstance(error, UserError):
        message, code = f"iciclegcn: error: {error}", EXIT_USER_ERROR
    elif isinstance(error, FloatingPointError):
        remedy = "try a lower learning rate, or --precision fp32"
        message, code = f"iciclegcn: error: {error}; {remedy}", EXIT_FAILURE
    else:
        then = "goes on from where it stopped" if resumes else "begins anew"
        message = f"interrupted: the same command {then}"
        code = EXIT_INTERRUPTED
    if not silently:
        _say(message)
    return code


def _dispatch(options: Namespace) -> int:
    if options.command is None:
        return 0
    if options.command in ("run", "pretrain") or vars(options).get("features") is not None:
        return _run(options)
    if options.command in ON_A_RUN:
        return _run_on_a_run(options)
    if options.command in BESIDE:
        _ignore_known_warnings()
        return BESIDE[options.command].load().run(options)
    if options.command == "cluster":
        require_run_folder(options)
    given = vars(options)
    job = partial(
        _run_stage,
        options.command,
        user_path(options.out),
        labels=given.get("data.labels"),
        labels_from_folders=given.get("data.labels_from_folders", False),
        robustness=given.get("robustness", False),
        abstain=given.get("abstain"),
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


def _run_stage(stage: str, out: Path, **options: Any) -> int:
    _ignore_known_warnings()
    from iciclegcn.pipeline import run_stage

    reporter = make_reporter(sys.stderr)
    return _print_summary(run_stage(stage, out, **options, reporter=reporter))


def _run_pipeline(
    runs: Sequence[tuple[Config, Path]], until: str, opening: str, *, tensorboard: bool = False
) -> int:
    """Run one after another; the summary is the last one's."""
    _ignore_known_warnings()
    from iciclegcn.pipeline import run

    out = Path()
    for config, path in runs:
        reporter = make_reporter(sys.stderr, opening)
        out = run(config, path, until=until, reporter=reporter, tensorboard=tensorboard)
        opening = ""
    return _print_summary(out)


def _ignore_known_warnings() -> None:
    # PyTorch Geometric's import; nobody at a terminal can do anything about it.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated")


def _run(options: Namespace) -> int:
    config = resolve_config(options)
    if options.command == "pretrain" and config.method != "icicle":
        raise UserError(
            f"'pretrain' is IcicleGCN's stage 1; use 'iciclegcn run --method {config.method}'"
        )
    if options.command == "pretrain" and config.stages != "icicle":
        raise UserError(
            f"'pretrain' trains the backbone and {config.backbone.name} is frozen; use 'iciclegcn "
            "run', or add --backbone.frozen false"
        )
    then = resolve_self_label(options, config) if vars(options).get("self_label") else None
    if options.print_config:
        schedule = config.self_label if then is None else then.self_label
        sys.stdout.write(to_yaml(dataclasses.replace(config, self_label=schedule)))
        return 0
    out = user_path(options.out) if options.out else default_out(config)
    opening = "" if options.out else f"run folder: {out} (--out chooses another)"
    until = "pretrain" if options.command == "pretrain" else "evaluate"
    runs = [(config, out)] if then is None else [(config, out), (then, out / "self-label")]
    job = partial(_run_pipeline, runs, until, opening, tensorboard=options.tensorboard)
    return _on_processes(job, options, config.device)


def _run_on_a_run(options: Namespace) -> int:
    method = ON_A_RUN[options.command]
    base, out, reference = open_base_and_out(options, method)
    begun_with = dataclasses.replace(base.config, data=base.data)
    config = resolve_on_a_run(options, begun_with, reference, method)
    if options.print_config:
        sys.stdout.write(to_yaml(config))
        return 0
    opening = "" if options.out else f"run folder: {out} (--out chooses another)"
    runs = [(config, out)]
    job = partial(_run_pipeline, runs, "evaluate", opening, tensorboard=options.tensorboard)
    return _on_processes(job, options, config.device)


def _print_summary(out: Path) -> int:
    from iciclegcn.results.summary import summarize
    from iciclegcn.run_folder.artefacts import RunArtefacts

    print(summarize(RunArtefacts(out)))
    return 0


def _say(message: str) -> None:
    print(re.sub(r"\s*\n\s*", " ", message), file=sys.stderr)
