"""The stages of features that nothing here trains: given ones, or a frozen backbone's."""

from iciclegcn.data.cache import CachedImages
from iciclegcn.data.feature_scaling import fit_scaling
from iciclegcn.data.features import FeatureSource
from iciclegcn.methods.feature_encoding import encode_features
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.scaling import write_scaling
from iciclegcn.stages.extraction import extract_images
from iciclegcn.stages.icicle import code_of
from iciclegcn.stages.parts import make_runtime, runtime_facts, warn_of_collapse, without_labels


def extract_stage(
    folder: RunFolder, items: CachedImages | FeatureSource, reporter: Reporter
) -> None:
    """A given matrix, or images through a frozen backbone, to ``features.npy``."""
    if isinstance(items, FeatureSource):
        _copy_features(folder, items, reporter)
    else:
        extract_images(folder, items, reporter)


def _copy_features(folder: RunFolder, source: FeatureSource, reporter: Reporter) -> None:
    artefacts = folder.artefacts
    with folder.stage("extract", reporter):
        for note in source.notes:
            reporter.note(note)
        scaling = fit_scaling(source.blocks(), source.shape[1], folder.config.data.scaling)
        write_scaling(artefacts, scaling)
        artefacts.write_rows("features", map(scaling.apply, source.blocks()), source.shape)


def encode_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Features and neighbours to ``checkpoints/encoder.safetensors`` and the code."""
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    artefacts = folder.artefacts
    with folder.stage("encode", reporter, runtime_facts(runtime)) as monitor:
        x = artefacts.read_array("features", mapped=True)
        neighbors = artefacts.read_arrays("neighbors")["indices"]
        model = encode_features(x, neighbors, config, runtime, monitor)
        code = code_of(x, model, runtime)
        metadata = {"in_channels": x.shape[1], "config": config.to_dict()}
        artefacts.write_model("encoder", model.state_dict(), metadata)
        artefacts.write_array("pretrained_code", code)
        warn_of_collapse(
            code,
            "encoding",
            "more --encode.epochs, a larger --encode.batch_size, a higher --encode.cluster_weight, "
            "or a lower --num-clusters",
            monitor,
        )
