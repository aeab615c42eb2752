import numpy as np

from iciclegcn.report.graph_charts import Scale, degree_chart, degree_table

SCALE = Scale(2, np.array([1, 2, 2, 3, 0]), 4, 1, 2, 0.75)


def test_bars_count_the_nodes_of_each_degree() -> None:
    content = degree_chart(SCALE).drawing.content()
    assert "neighbours 0: 1<" in content
    assert "neighbours 2: 2<" in content
    assert "neighbours 3 or more: 1<" in content


def test_hubs_share_the_last_bar() -> None:
    degrees = np.concatenate([np.full(999, 3), [5000]])
    figure = degree_chart(SCALE._replace(degrees=degrees), "rows")
    assert "neighbours 3 or more: 1,000<" in figure.drawing.content()
    assert "5,000 at most" in figure.text


def test_the_table_has_a_row_a_scale() -> None:
    assert degree_table([SCALE, SCALE._replace(homophily=None)]) == [
        ["2", "4", "1.6", "0 to 3", "2", "1", "75.0%"],
        ["2", "4", "1.6", "0 to 3", "2", "1", ""],
    ]
