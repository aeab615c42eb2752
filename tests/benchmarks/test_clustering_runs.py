import pytest

from benchmarks.clustering_runs import Scores, markdown_table, print_table, summarize

NAMES = {"kmeans": "k-means", "icicle": "IcicleGCN"}


def scores(kmeans: float, icicle: float) -> Scores:
    return {
        row: {"acc": acc, "nmi": acc - 0.1, "ari": acc - 0.2}
        for row, acc in (("kmeans", kmeans), ("icicle", icicle))
    }


def test_a_summary_has_mean_spread_and_every_seed() -> None:
    found = summarize([scores(0.5, 0.9), scores(0.7, 0.9)], ["kmeans"])
    assert list(found) == ["kmeans"]
    assert found["kmeans"]["acc"] == {"mean": 0.6, "std": 0.1414, "seeds": [0.5, 0.7]}
    assert found["kmeans"]["ari"]["mean"] == pytest.approx(0.4)


def test_a_table_is_in_per_cent_with_the_spread_of_several_seeds() -> None:
    found = summarize([scores(0.5, 0.91), scores(0.7, 0.91)], list(NAMES))
    assert markdown_table(found, NAMES).splitlines() == [
        "| | ACC | NMI | ARI |",
        "|---|---|---|---|",
        "| k-means | 60.0 ± 14.1 | 50.0 ± 14.1 | 40.0 ± 14.1 |",
        "| IcicleGCN | 91.0 ± 0.0 | 81.0 ± 0.0 | 71.0 ± 0.0 |",
    ]


def test_one_seed_has_no_spread(capsys: pytest.CaptureFixture[str]) -> None:
    found = summarize([scores(0.5, 0.91)], list(NAMES))
    assert "| k-means | 50.0 | 40.0 | 30.0 |" in markdown_table(found, NAMES)
    print_table(found, NAMES)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["ACC", "NMI", "ARI"]
    assert printed[2].split() == ["IcicleGCN", "91.0", "81.0", "71.0"]


def test_a_table_has_the_columns_it_is_asked_for() -> None:
    found = {"kmeans": {"acc_matched_before": {"mean": 0.25, "std": 0.0, "seeds": [0.25]}}}
    table = markdown_table(found, {"kmeans": "k-means"}, {"acc_matched_before": "ACC before"})
    assert table.splitlines() == ["| | ACC before |", "|---|---|", "| k-means | 25.0 |"]
