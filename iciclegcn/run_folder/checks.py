"""Whether a run can go on: its images suffice, its earlier results are there."""

import os
import shlex
from pathlib import Path

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.base import COMMANDS
from iciclegcn.run_folder.folder import RunFolder

_RESULTS = {
    "data": "images",
    "pretrain": "pretrained model",
    "embed": "features",
    "extract": "features",
    "encode": "pretrained auto-encoder",
    "train": "classifier",
    "assign": "clusters",
    "graph": "neighbours",
    "cluster": "clusters",
}


def check_sizes(config: Config, num_items: int) -> None:
    """Refuse what so many images, or rows, cannot give.

    Raises:
        UserError: If there are fewer of them than clusters, or than neighbours.
    """
    noun, source = config.data.noun, config.data.source
    if config.num_clusters is not None and num_items < config.num_clusters:
        raise UserError(
            f"'--num-clusters' must be at most the number of {noun}, {num_items} in '{source}' "
            f"(got {config.num_clusters})"
        )
    if max(config.graph.k) >= num_items:
        k = ",".join(map(str, config.graph.k))
        raise UserError(
            f"'graph.k' must be below the number of {noun}, {num_items} in '{source}' (got {k}); "
            "lower it with --graph.k"
        )


def require_results(folder: RunFolder, stage: str) -> None:
    """Make sure that a stage has what it needs.

    Raises:
        UserError: If an earlier stage has not been run, naming the command to run first, or the
            run's method has no such stage.
    """
    stages, path = folder.manifest.stages, folder.path
    if stage not in stages:
        raise UserError(
            f"'{stage}' is no stage of {folder.config.method}, the method of the run in '{path}'; "
            f"its stages are {', '.join(stages)}"
        )
    for earlier in stages[: stages.index(stage)]:
        if not folder.is_done(earlier):
            raise UserError(
                f"'{stage}' needs the {_RESULTS[earlier]} of '{path}', which are not there; "
                f"run '{stage_command(earlier, path, folder.config)}' first"
            )


def stage_command(stage: str, path: Path, config: Config) -> str:
    """The command that gives a stage's results.

    Args:
        stage: Of the run's method.
        path: The run folder.
        config: The run's configuration.
    """
    place = shlex.quote(str(path))
    if stage not in ("data", "pretrain", "train"):
        return f"iciclegcn {stage} --out {place}"
    if config.data.kind == "features":
        return f"iciclegcn cluster --features ... --out {place}"
    if config.stages == "features":
        return f"iciclegcn run ... --out {place}"
    if config.method == "icicle":
        return f"iciclegcn pretrain ... --out {place}"
    if config.base is None:
        return f"iciclegcn run --method {config.method} ... --out {place}"
    base = shlex.quote(os.path.normpath(path / config.base))
    return f"iciclegcn {COMMANDS[config.method]} --run {base} ... --out {place}"


def warn_of_other_versions(folder: RunFolder, reporter: Reporter) -> None:
    """Tell that a run began with other versions of what it computes with."""
    if folder.manifest.begun and (changed := folder.changed_versions()):
        reporter.warn(
            f"this run began with other versions ({', '.join(changed)}): what is computed now may "
            "differ slightly"
        )
