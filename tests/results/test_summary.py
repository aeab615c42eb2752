from pathlib import Path
from typing import Any

import pytest

from iciclegcn.results.summary import summarize
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.manifest import DONE, Manifest
from iciclegcn.run_folder.manifest import STAGES as ALL_STAGES

STAGES = ALL_STAGES["icicle"]
FIGURES = {"acc": 0.95, "nmi": 0.9, "ari": 0.85, "f1": 0.949, "purity": 0.951}


def metrics(**changes: Any) -> dict[str, Any]:
    return {
        "cluster_sizes": [3, 5, 0],
        "mean_confidence": 0.75,
        "stream_agreement": 0.5,
        "silhouette": 0.25,
        "output": "streams",
        "heads": None,
    } | changes


def finished(folder: Path, stages: tuple[str, ...], **changes: Any) -> str:
    method = "gcc" if changes.pop("gcc", "train" in stages) else "icicle"
    manifest = Manifest.new(folder / "manifest.json", seed=0, stages=method)
    manifest.set_data({"hash": "a", "num_images": 1797, "skipped": changes.pop("skipped", 0)})
    manifest.set_stages({stage: {"state": DONE, "seconds": 61.2} for stage in stages})
    RunArtefacts(folder).write_metrics(metrics(**changes))
    return summarize(RunArtefacts(folder))


def test_a_finished_run_says_what_and_where(tmp_path: Path) -> None:
    text = finished(tmp_path, STAGES)
    assert f"run folder   {tmp_path}\n" in text
    assert "images       1,797\n" in text
    assert f"assignments  {tmp_path}/assignments.csv\n" in text
    assert "clusters     3, 1 of them empty\n" in text
    assert "sizes        5, 3, 0\n" in text
    assert "confidence   0.750 on average" in text
    assert "pretrain 1:01 min" in text
    assert "ACC" not in text
    assert "next" not in text


def test_skipped_files_are_pointed_at(tmp_path: Path) -> None:
    assert "1,797, 3 skipped (skipped.csv)" in finished(tmp_path, STAGES, skipped=3)


def test_figures_of_every_head_are_a_table(tmp_path: Path) -> None:
    names = ("output", "streams", "stream_0", "q", "code", "pretrained_code", "kmeans_features")
    text = finished(tmp_path, STAGES, heads=dict.fromkeys(names, FIGURES))
    rows = [line for line in text.splitlines() if line.endswith("0.951")]
    titles = [row[:20].strip() for row in rows]
    expected = ["assignments.csv", "stream 0", "q", "code", "without GCNs", "k-means on features"]
    assert titles == expected
    assert rows[0].split()[1:] == ["0.950", "0.900", "0.850", "0.949", "0.951"]


def test_another_output_shows_the_mean_of_the_streams(tmp_path: Path) -> None:
    heads = dict.fromkeys(("output", "streams", "q"), FIGURES)
    text = finished(tmp_path, STAGES, heads=heads, output="q")
    assert "mean of the streams" in text
    assert "\nq " not in text


def test_single_streams_and_collapsed_runs_have_no_agreement_nor_silhouette(
    tmp_path: Path,
) -> None:
    text = finished(tmp_path, STAGES, stream_agreement=None, silhouette=None)
    assert "agreement" not in text
    assert "silhouette" not in text


@pytest.mark.parametrize("num_clusters", [3, 200])
def test_lines_fit_a_terminal(num_clusters: int, tmp_path: Path) -> None:
    text = finished(tmp_path, STAGES, cluster_sizes=[60000] * num_clusters)
    lines = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 79
    assert ("..." in text) == (num_clusters == 200)


def test_an_unfinished_run_names_the_next_command(tmp_path: Path) -> None:
    text = finished(tmp_path, ("data", "pretrain", "embed"))
    assert text.endswith(f"next         iciclegcn graph --out {tmp_path}")
    assert "assignments" not in text


def test_a_classifiers_run_says_what_it_changed(tmp_path: Path) -> None:
    heads = dict.fromkeys(("output", "network_0", "network_1", "base"), FIGURES)
    calibration = {name: {"ece": 0.125} for name in heads}
    text = finished(
        tmp_path,
        ALL_STAGES["ruc"],
        heads=heads,
        calibration=calibration,
        method="ruc",
        output=None,
        stream_agreement=None,
        network_agreement=0.75,
        base_agreement=0.875,
        neighbor_purity=0.5,
    )
    assert f"assignments  {tmp_path}/assignments.csv\n" in text
    assert "method       RUC\n" in text
    assert "agreement    0.750 between the networks\n" in text
    assert "unchanged    87.5% of the run before\n" in text
    assert "neighbours   50.0% of the same class\n" in text
    rows = [line for line in text.splitlines() if line.endswith("  0.125")]
    titles = ["assignments.csv", "network 0", "network 1", "the run before"]
    assert [row[:20].strip() for row in rows] == titles
    assert "PURITY    ECE\n" in text
    assert "next" not in text


def test_accuracies_under_attack_are_a_table(tmp_path: Path) -> None:
    attack = {"clean": 0.9, "epsilons": [2 / 255, 8 / 255], "accuracies": [0.5, 0.25]}
    heads = {"output": FIGURES}
    text = finished(tmp_path, STAGES, heads=heads, robustness={"fgsm": attack, "bim": attack})
    *_, head, fgsm, bim = text.splitlines()
    assert head.split() == ["ACC", "under", "attack", "none", "2/255", "8/255"]
    assert fgsm.split() == ["FGSM", "0.900", "0.500", "0.250"]
    assert bim.startswith("BIM ")


def test_an_untrained_classifier_has_no_next_command(tmp_path: Path) -> None:
    assert "next" not in finished(tmp_path, ("data",), gcc=True)
    text = finished(tmp_path, ALL_STAGES["gcc"][:2])
    assert text.endswith(f"next         iciclegcn assign --out {tmp_path}")


def test_images_left_unassigned_are_told_with_what_counting_them_gives(tmp_path: Path) -> None:
    heads = dict.fromkeys(("output", "all_images"), FIGURES)
    text = finished(tmp_path, STAGES, abstained=90, num_images=1797, heads=heads)
    assert "unassigned   90 of 1,797, the least certain; the figures are of the others\n" in text
    assert "none unassigned       0.950" in text
    assert "\nunassigned" not in finished(tmp_path, STAGES, abstained=0, num_images=1797)


def test_outliers_and_duplicates_are_pointed_at(tmp_path: Path) -> None:
    text = finished(tmp_path, STAGES, outliers=23, near_duplicates=5, near_duplicate_groups=2)
    assert "outliers     23 (outliers.csv)\n" in text
    assert "look alike   5 in 2 groups (near_duplicates.csv)\n" in text
    text = finished(tmp_path, STAGES, outliers=0, near_duplicates=0, near_duplicate_groups=0)
    assert ".csv)" not in text
