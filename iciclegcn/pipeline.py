"""The stages in order, each from the results of the ones before it in the run folder."""

import dataclasses
from pathlib import Path

import numpy as np

from iciclegcn.config import Config, DataConfig
from iciclegcn.data.cache import CachedImages, load_or_build_cache
from iciclegcn.data.features import FeatureSource
from iciclegcn.data.labels import check_label_options
from iciclegcn.data.sources import ImageSource, Source, open_listing, open_source
from iciclegcn.errors import UserError
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.progress import Reporter, SilentReporter
from iciclegcn.results.report import is_reported, report_run
from iciclegcn.run_folder.base import BaseRun, base_of, base_reference
from iciclegcn.run_folder.checks import check_sizes, require_results, warn_of_other_versions
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.tensorboard_log import require_tensorboard

ON_ITEMS = ("pretrain", "embed", "extract", "train", "assign")

# What the first stages work on.
Items = CachedImages | FeatureSource


def run(
    config: Config,
    out: Path,
    *,
    until: str = "evaluate",
    reporter: Reporter | None = None,
    tensorboard: bool = False,
) -> Path:
    """Cluster images: every stage up to one of them, going on where an earlier call stopped.

    Args:
        config: A complete configuration, as `iciclegcn.presets.preset_config` gives it; that of
            `iciclegcn.presets.preset_on_a_run` needs a ``base``.
        out: The run folder; made, or one with the same configuration.
        until: The last stage to run.
        reporter: Shown the progress.
        tensorboard: Write the loss terms, and at the end the results, for TensorBoard too.

    Returns:
        The run folder.

    Raises:
        UserError: If the data, the configuration, the base or the folder do not fit; says what to
            do.
        FloatingPointError: If a loss is no longer finite.
    """
    reporter = reporter or SilentReporter()
    if tensorboard:
        require_tensorboard()
    source = open_listing(config.data)
    if config.num_clusters is None:
        raise UserError(
            f"'{config.data.source}' has no known number of clusters; give it with --num-clusters"
        )
    if config.gcc.extra_source is not None and config.method == "gcc":
        open_source(DataConfig(config.gcc.extra_source))  # is it there?
    base = _base(config, out)
    # Only whether they can work: the labels themselves are read after training.
    check_label_options(source, config.data)
    try:
        with RunFolder.create(out, config) as folder:
            folder.tensorboard = tensorboard
            warn_of_other_versions(folder, reporter)
            items = _prepare_items(folder, source, base, reporter)
            stages = folder.manifest.stages
            unreported = folder.is_done("evaluate") and not is_reported(out)
            for stage in stages[1 : stages.index(until) + 1]:
                if folder.is_done(stage):
                    reporter.end(stage, None)
                else:
                    _execute(stage, folder, items, reporter)
            if until == "evaluate" and unreported:
                report_run(folder, reporter)
    finally:
        reporter.close()
    return out


def run_stage(
    stage: str,
    out: Path,
    *,
    labels: str | None = None,
    labels_from_folders: bool = False,
    robustness: bool = False,
    abstain: float | str | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Run one stage of a run that has begun.

    Args:
        stage: ``embed``, ``extract``, ``assign``, ``graph``, ``encode``, ``cluster`` or
            ``evaluate``; the last is always done anew.
        out: The run folder.
        labels: CSV file with the truth, for ``evaluate``; replaces what the run was told.
        labels_from_folders: Take the truth from folder names, likewise.
        robustness: Let ``evaluate`` attack the run's classifier too.
        abstain: Share of the images to leave unassigned from now on, as a number or its text;
            also where clusters have been named before. None: what the run was told.
        reporter: Shown the progress.

    Returns:
        The run folder.

    Raises:
        UserError: If an earlier stage has not been run, naming the command to run first, or the
            run's method has no such stage.
    """
    reporter = reporter or SilentReporter()
    try:
        with RunFolder.open(out) as folder:
            require_results(folder, stage)
            if labels is not None or labels_from_folders:
                _require_truth(folder, labels, labels_from_folders)
                folder.set_evaluation(labels, labels_from_folders)
            if abstain is not None:
                folder.set_abstain(abstain)
            warn_of_other_versions(folder, reporter)
            if folder.is_done(stage) and stage != "evaluate":
                reporter.end(stage, None)
                return out
            items = None
            if stage in ON_ITEMS:
                source, base = open_listing(folder.data), _base(folder.config, out)
                items = _prepare_items(folder, source, base, reporter)
            _execute(stage, folder, items, reporter, robustness=robustness)
    finally:
        reporter.close()
    return out


def _execute(
    stage: str,
    folder: RunFolder,
    items: Items | None,
    reporter: Reporter,
    *,
    robustness: bool = False,
) -> None:
    reporter.begin(stage)
    # The stages load torch, which takes seconds: mistakes in the options are told before.
    if stage == "evaluate":
        from iciclegcn.stages.evaluate import evaluate_stage

        evaluate_stage(folder, reporter, robustness=robustness)
        report_run(folder, reporter)
    elif stage == "graph":
        from iciclegcn.stages.graph import graph_stage

        graph_stage(folder, reporter)
    elif stage == "encode":
        from iciclegcn.stages.features import encode_stage

        encode_stage(folder, reporter)
    elif stage == "cluster":
        from iciclegcn.stages.icicle import cluster_stage

        cluster_stage(folder, reporter)
    elif stage == "extract" and items is not None:
        from iciclegcn.stages.features import extract_stage

        extract_stage(folder, items, reporter)
    elif isinstance(items, CachedImages):
        _execute_on_images(stage, folder, items, reporter)


def _execute_on_images(
    stage: str, folder: RunFolder, images: CachedImages, reporter: Reporter
) -> None:
    if stage in ("train", "assign"):
        from iciclegcn.stages import classifier

        work = {"train": classifier.train_stage, "assign": classifier.assign_stage}
    else:
        from iciclegcn.stages import icicle

        work = {"pretrain": icicle.pretrain_stage, "embed": icicle.embed_stage}
    work[stage](folder, images, reporter)


def _require_truth(folder: RunFolder, labels: str | None, labels_from_folders: bool) -> None:
    """Labels that cannot be read are told before the run forgets the ones that it has."""
    from iciclegcn.results.truth import read_truth  # labels are nothing that training knows

    data = dataclasses.replace(folder.data, labels=labels, labels_from_folders=labels_from_folders)
    read_truth(folder.path, data)


def _base(config: Config, out: Path) -> BaseRun | None:
    """The finished run to begin with, if the method does."""
    if config.method in ("icicle", "gcc"):
        return None
    base = base_of(out, config)
    base_reference(base.path, out)  # not the same folder
    if base.config.data.kind == "features":
        raise UserError(
            f"'{config.method}' trains on images, and the run in '{base.path}' is on features; "
            "begin with a run on images"
        )
    return base


def _prepare_items(
    folder: RunFolder, source: Source, base: BaseRun | None, reporter: Reporter
) -> Items:
    """The stage ``data``; when it was finished before, check that the items are the same."""
    if isinstance(source, ImageSource):
        return _prepare_images(folder, source, base, reporter)
    if not isinstance(source, FeatureSource):
        raise TypeError(f"a source of images or features is needed (got {type(source).__name__})")
    return _prepare_features(folder, source, reporter)


def _prepare_features(
    folder: RunFolder, source: FeatureSource, reporter: Reporter
) -> FeatureSource:
    check_sizes(folder.config, len(source))
    if folder.is_done("data"):
        folder.set_data(source.content_hash(), source.shape, 0)
        return source
    with folder.stage("data", reporter):
        folder.set_data(source.content_hash(), source.shape, 0)
        folder.artefacts.write_listing(source.paths, np.arange(len(source)), [])
    return source


def _prepare_images(
    folder: RunFolder, source: ImageSource, base: BaseRun | None, reporter: Reporter
) -> CachedImages:
    if folder.is_done("data"):
        return _load_images(folder, source, base, NullMonitor())
    with folder.stage("data", reporter) as monitor:
        images = _load_images(folder, source, base, monitor)
        folder.artefacts.write_listing(images.paths, images.kept, images.skipped)
        if images.skipped:
            path, reason = images.skipped[0]
            monitor.warn(
                f"{len(images.skipped)} unreadable files are skipped, the first is '{path}' "
                f"({reason}); all are in {folder.path / 'skipped.csv'}"
            )
    return images


def _load_images(
    folder: RunFolder, source: ImageSource, base: BaseRun | None, monitor: StageMonitor
) -> CachedImages:
    config = folder.config
    images = load_or_build_cache(source, config.data, monitor=monitor)
    check_sizes(config, len(images.paths))
    clusters = None
    if base is not None:
        base.require_images(images.data_hash)
        clusters = base.clusters_hash()
    folder.set_data(images.data_hash, images.images.shape, len(images.skipped), clusters)
    return images
