import json

import numpy as np

from graphs import Neighbors, SearchReport


def test_neighbors_from_a_file_need_no_report() -> None:
    found = Neighbors(indices=np.array([[1], [0]]), squared_distances=np.ones((2, 1), np.float32))
    assert found.report is None


def test_a_report_is_one_line_for_people() -> None:
    assert str(SearchReport("exact")) == "exact search"
    report = SearchReport("ivf_pq", recall=0.97123, recall_error=0.0031, sample_size=1000)
    assert str(report) == "ivf_pq search, recall 0.971 ± 0.003 of 1,000 rows"


def test_a_report_is_plain_json() -> None:
    report = SearchReport("hnsw", recall=0.96, effort=64)
    assert SearchReport(**json.loads(json.dumps(report._asdict()))) == report
