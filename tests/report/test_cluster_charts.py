import re

import numpy as np

from iciclegcn.report.cluster_charts import confidence_chart, size_chart


def widths(content: str) -> list[float]:
    return [
        float(width) for width in re.findall(r"<rect fill='[^']*' .*? width='([\d.]+)'", content)
    ]


def test_bars_are_as_long_as_clusters_are_large() -> None:
    figure = size_chart([10, 20, 0], [0.5, 0.75, None])
    first, second, empty = widths(figure.drawing.content())
    assert second == 2 * first
    assert empty == 0
    assert "the smallest holds 0 images, the largest 20, the median one 10" in figure.text
    assert "cluster 1: 20 images, mean confidence 0.750" in figure.drawing.content()


def test_of_very_many_clusters_the_largest_are_drawn() -> None:
    figure = size_chart(list(range(100)), [None] * 100, "rows")
    content = figure.drawing.content()
    assert len(widths(content)) == 40
    assert ">cluster 99</text>" in content
    assert ">cluster 59</text>" not in content
    assert "The 40 largest are drawn." in figure.text


def test_confidence_is_counted_in_bins() -> None:
    figure = confidence_chart(np.array([0.42, 0.952, 1.0, 0.96]))
    content = figure.drawing.content()
    assert "confidence 0.40 to 0.45: 1<" in content
    assert "confidence 0.95 to 1.00: 3<" in content
    assert (
        "0.833 on average; 75.0% of the images have .9 or more, 25.0% less than .5" in figure.text
    )
