"""The stages in order, each from the results of the ones before it in the run folder."""

from pathlib import Path

from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages, load_or_build_cache
from iciclegcn.data.labels import check_label_options
from iciclegcn.data.sources import ImageSource, open_source
from iciclegcn.errors import UserError
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.progress import Reporter, SilentReporter
from iciclegcn.run_folder import RunFolder
from iciclegcn.run_manifest import PENDING, STAGES

_RESULTS = {
    "data": "images",
    "pretrain": "pretrained model",
    "embed": "features",
    "graph": "neighbours",
    "cluster": "clusters",
}


def run(
    config: Config, out: Path, *, until: str = "evaluate", reporter: Reporter | None = None
) -> Path:
    """Cluster images: every stage up to one of them, going on where an earlier call stopped.

    Args:
        config: A complete configuration, as `iciclegcn.presets.preset_config` gives it.
        out: The run folder; made, or one with the same configuration.
        until: The last stage to run.
        reporter: Shown the progress.

    Returns:
        The run folder.

    Raises:
        UserError: If the data, the configuration or the folder do not fit; says what to do.
        FloatingPointError: If a loss is no longer finite.
    """
    reporter = reporter or SilentReporter()
    source = open_source(config.data)
    if config.num_clusters is None:
        raise UserError(
            f"'{config.data.source}' has no known number of clusters; give it with --num-clusters"
        )
    # Only whether they can work: the labels themselves are read after training.
    check_label_options(source, config.data)
    try:
        with RunFolder.create(out, config) as folder:
            _warn_of_other_versions(folder, reporter)
            images = _prepare_images(folder, source, reporter)
            for stage in STAGES[1 : STAGES.index(until) + 1]:
                if folder.is_done(stage):
                    reporter.end(stage, None)
                else:
                    _execute(stage, folder, images, reporter)
    finally:
        reporter.close()
    return out


def run_stage(
    stage: str,
    out: Path,
    *,
    labels: str | None = None,
    labels_from_folders: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """Run one stage of a run that has begun.

    Args:
        stage: ``embed``, ``graph``, ``cluster`` or ``evaluate``; the last is always done anew.
        out: The run folder.
        labels: CSV file with the truth, for ``evaluate``; replaces what the run was told.
        labels_from_folders: Take the truth from folder names, likewise.
        reporter: Shown the progress.

    Returns:
        The run folder.

    Raises:
        UserError: If an earlier stage has not been run; names the command to run first.
    """
    reporter = reporter or SilentReporter()
    try:
        with RunFolder.open(out) as folder:
            if labels is not None or labels_from_folders:
                folder.set_evaluation(labels, labels_from_folders)
            _require_results(folder, stage)
            _warn_of_other_versions(folder, reporter)
            if folder.is_done(stage) and stage != "evaluate":
                reporter.end(stage, None)
                return out
            images = None
            if stage == "embed":
                source = open_source(folder.config.data)
                images = _prepare_images(folder, source, reporter)
            _execute(stage, folder, images, reporter)
    finally:
        reporter.close()
    return out


def _execute(
    stage: str, folder: RunFolder, images: CachedImages | None, reporter: Reporter
) -> None:
    reporter.begin(stage)
    # The stages load torch, which takes seconds: mistakes in the options are told before.
    if stage == "evaluate":
        from iciclegcn.evaluate_stage import evaluate_stage

        evaluate_stage(folder, reporter)
        return
    from iciclegcn import stages

    if stage == "pretrain" and images is not None:
        stages.pretrain_stage(folder, images, reporter)
    elif stage == "embed" and images is not None:
        stages.embed_stage(folder, images, reporter)
    elif stage == "graph":
        stages.graph_stage(folder, reporter)
    elif stage == "cluster":
        stages.cluster_stage(folder, reporter)


def _prepare_images(folder: RunFolder, source: ImageSource, reporter: Reporter) -> CachedImages:
    """The stage ``data``; when it was finished before, check that the images are the same."""
    if folder.is_done("data"):
        return _load_images(folder, source, NullMonitor())
    with folder.stage("data", reporter) as monitor:
        images = _load_images(folder, source, monitor)
        folder.artefacts.write_listing(images.paths, images.kept, images.skipped)
        if images.skipped:
            path, reason = images.skipped[0]
            monitor.warn(
                f"{len(images.skipped)} unreadable files are skipped, the first is '{path}' "
                f"({reason}); all are in {folder.path / 'skipped.csv'}"
            )
    return images


def _load_images(folder: RunFolder, source: ImageSource, monitor: StageMonitor) -> CachedImages:
    config = folder.config
    images = load_or_build_cache(source, config.data, monitor=monitor)
    _check_sizes(config, len(images.paths))
    folder.set_data(images.data_hash, images.images.shape, len(images.skipped))
    return images


def _check_sizes(config: Config, num_images: int) -> None:
    source = config.data.source
    if config.num_clusters is not None and num_images < config.num_clusters:
        raise UserError(
            f"'--num-clusters' must be at most the number of images, {num_images} in '{source}' "
            f"(got {config.num_clusters})"
        )
    if max(config.graph.k) >= num_images:
        k = ",".join(map(str, config.graph.k))
        raise UserError(
            f"'graph.k' must be below the number of images, {num_images} in '{source}' (got {k}); "
            "lower it with --graph.k"
        )


def _require_results(folder: RunFolder, stage: str) -> None:
    for earlier in STAGES[: STAGES.index(stage)]:
        if not folder.is_done(earlier):
            command = "pretrain" if earlier == "data" else earlier
            options = "... --out" if command == "pretrain" else "--out"
            raise UserError(
                f"'{stage}' needs the {_RESULTS[earlier]} of '{folder.path}', which are not there; "
                f"run 'iciclegcn {command} {options} {folder.path}' first"
            )


def _warn_of_other_versions(folder: RunFolder, reporter: Reporter) -> None:
    begun = folder.manifest.state("pretrain") != PENDING
    if begun and (changed := folder.changed_versions()):
        reporter.warn(
            f"this run began with other versions ({', '.join(changed)}): what is computed now may "
            "differ slightly"
        )
