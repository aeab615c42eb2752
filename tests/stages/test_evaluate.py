from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.data.labels import Labels
from iciclegcn.errors import UserError
from iciclegcn.progress import SilentReporter
from iciclegcn.results.figures import figures_without_labels
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.heads import head_clusters
from iciclegcn.stages.evaluate import evaluate_stage, figures_with_labels
from tests.tiny_run import write_images, write_labels

HEADS = {"output", "streams", "stream_0", "stream_1", "q", "code", "pretrained_code"}
N, K = 120, 10
TRUTH = load_digits().target[:N].astype(np.int64)


def hot(clusters: np.ndarray, sharpness: float = 4.0) -> np.ndarray:
    scores = torch.nn.functional.one_hot(torch.from_numpy(clusters), K).float() * sharpness
    return torch.softmax(scores, dim=1).numpy()


def finished(path: Path, config: Config) -> RunFolder:
    """A run whose heads differ: the output is right, q has one cluster, the code is shifted."""
    folder = RunFolder.create(path, config)
    artefacts = folder.artefacts
    for stage in ("data", "pretrain", "embed", "graph", "cluster"):
        with folder.stage(stage, SilentReporter()):
            pass
    artefacts.write_listing([str(index) for index in range(N)], np.arange(N), [])
    artefacts.write_array("features", np.eye(K, dtype=np.float32)[TRUTH])
    artefacts.write_array("pretrained_code", hot(np.where(np.arange(N) < N // 2, TRUTH, 0)))
    order = np.argsort(TRUTH, kind="stable")
    neighbor = np.empty(N, np.int64)
    neighbor[order] = np.roll(order, 1)
    indices = np.repeat(neighbor[:, None], 10, axis=1)
    distances = np.ones(indices.shape, np.float32)
    artefacts.write_arrays("neighbors", {"indices": indices, "squared_distances": distances})
    right = hot(TRUTH)
    soft = {
        "stream_0": right,
        "stream_1": hot((TRUTH + 1) % K, 1.0),
        "q": hot(np.zeros(N, np.int64)),
        "code": hot((TRUTH + 3) % K),
        "output": right,
    }
    artefacts.write_arrays("assignments_soft", soft)
    artefacts.write_assignments(artefacts.read_listing().paths, right)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Config:
    source = str(write_images(tmp_path / "images.npy"))
    return build_config(Config(), {"num_clusters": K, "data.source": source})


def test_every_head_is_scored_by_its_own_clusters(config: Config, tmp_path: Path) -> None:
    labels = Labels(TRUTH, [str(digit) for digit in range(10)])
    with finished(tmp_path / "run", config) as folder:
        figures = figures_with_labels(folder, labels)
    heads = figures["heads"]
    assert heads.keys() == HEADS | {"kmeans_features"}
    for name in ("output", "streams", "stream_0", "stream_1", "code", "kmeans_features"):
        assert heads[name]["acc"] == 1.0, name
    assert heads["q"]["acc"] == np.bincount(TRUTH).max() / N
    assert heads["q"]["nmi"] == pytest.approx(0.0, abs=1e-9)
    half = heads["pretrained_code"]["acc"]
    assert 0.5 < half < 0.65
    assert figures["num_classes"] == 10
    assert figures["neighbor_purity"] == (N - 10) / N
    assert figures["knn_accuracy"] == (N - 10) / N  # the first of each digit follows another
    assert figures["homophily"] == [pytest.approx((N - 10) / N)] * 2  # a ring through the digits


def test_the_mean_of_the_streams_is_not_one_of_them(config: Config, tmp_path: Path) -> None:
    with finished(tmp_path / "run", config) as folder:
        clusters = head_clusters(folder.artefacts, config)
    assert (clusters["stream_0"] == TRUTH).all()
    assert (clusters["stream_1"] != TRUTH).all()
    assert (clusters["streams"] == TRUTH).all()  # the first stream is the surer one


def test_figures_without_labels_tell_of_collapse(config: Config, tmp_path: Path) -> None:
    with finished(tmp_path / "run", config) as folder:
        figures = figures_without_labels(folder)
    assert figures["cluster_sizes"] == np.bincount(TRUTH).tolist()
    assert figures["stream_agreement"] == 0.0
    assert figures["silhouette"] == pytest.approx(1.0)
    assert figures["collapse"]["after_clustering"]["collapsed"] is False
    assert figures["collapse"]["after_pretraining"]["collapsed"] is True
    assert figures["collapse"]["after_pretraining"]["largest_share"] > 0.5
    assert figures["heads"] is None


def test_labels_come_from_where_the_configuration_says(config: Config, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "y.csv")
    with finished(tmp_path / "run", config) as folder:
        evaluate_stage(folder, SilentReporter())
        assert folder.artefacts.read_metrics()["heads"] is None
        folder.set_evaluation(str(labels), False)
        evaluate_stage(folder, SilentReporter())
        assert folder.artefacts.read_metrics()["heads"]["output"]["acc"] == 1.0


def test_changed_images_cannot_be_evaluated_with_labels(config: Config, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "y.csv")
    with finished(tmp_path / "run", config) as folder:
        folder.set_evaluation(str(labels), False)
        write_images(tmp_path / "images.npy", N - 1)
        with pytest.raises(UserError, match="have changed since the run"):
            evaluate_stage(folder, SilentReporter())
        assert not folder.is_done("evaluate")


def test_images_left_unassigned_do_not_count(config: Config, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "y.csv")
    wrong = np.arange(N) < 6  # these are in the wrong cluster, and the least sure
    output = hot(np.where(wrong, (TRUTH + 1) % K, TRUTH), 4.0)
    output[wrong] = 0.5 * output[wrong] + 0.5 / K
    with finished(tmp_path / "run", config) as folder:
        folder.set_evaluation(str(labels), False)
        soft = folder.artefacts.read_arrays("assignments_soft") | {"output": output}
        folder.artefacts.write_arrays("assignments_soft", soft)
        folder.artefacts.write_model("mgcn", {}, {})
        folder.set_abstain(0.05)
        evaluate_stage(folder, SilentReporter())
        metrics = folder.artefacts.read_metrics()
        assert folder.artefacts.read_assignments().clusters[wrong].tolist() == [-1] * 6
    assert metrics["abstained"] == 6
    assert metrics["num_images"] == N
    assert sum(metrics["cluster_sizes"]) == N - 6
    assert metrics["heads"]["output"]["acc"] == 1.0
    assert metrics["heads"]["all_images"]["acc"] == pytest.approx(1 - 6 / N)
    assert metrics["mean_confidence"] == pytest.approx(float(output[~wrong].max(axis=1).mean()))
    with RunFolder.open(tmp_path / "run") as folder:
        folder.set_abstain(0.0)
        evaluate_stage(folder, SilentReporter())
        metrics = folder.artefacts.read_metrics()
    assert metrics["abstained"] == 0
    assert "all_images" not in metrics["heads"]
    assert metrics["heads"]["output"]["acc"] == pytest.approx(1 - 6 / N)


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_missing_images_matter_only_for_labels(config: Config, tmp_path: Path) -> None:
    reporter = Recorder()
    labels = write_labels(tmp_path / "y.csv")
    with finished(tmp_path / "run", config) as folder:
        (tmp_path / "images.npy").unlink()
        evaluate_stage(folder, reporter)
        assert RunArtefacts(folder.path).read_metrics()["heads"] is None
        assert len(reporter.warnings) == 1
        folder.set_evaluation(str(labels), False)
        with pytest.raises(UserError, match="neither a path nor"):
            evaluate_stage(folder, reporter)
