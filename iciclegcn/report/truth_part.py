"""What the truth says: scores, confusion, cases and calibration."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.data.labels import Labels
from iciclegcn.evaluation.matching import UNMATCHED, matched_clusters
from iciclegcn.report.clusters_part import shot
from iciclegcn.report.contents import Contents
from iciclegcn.report.html import details, figure, section, table, text
from iciclegcn.report.part import Part
from iciclegcn.report.pictures import thumbnails
from iciclegcn.report.selection import Certainty
from iciclegcn.report.truth_charts import confusion_chart, reliability_chart, risk_chart

_SCORES = ("acc", "nmi", "ari", "f1", "purity")
_HEADS = {
    "output": "assignments.csv",
    "streams": "mean of the streams",
    "q": "q, from the code and the centres",
    "code": "code of the auto-encoder",
    "pretrained_code": "code before the graphs",
    "kmeans_features": "k-means on the features",
    "base": "the run before",
    "all_images": "the same, none left unassigned",
}
_KINDS = ("success", "false negative", "false positive")
_MOST_CLASSES = 20
_MOST_CELLS = 10_000  # of the table of the matrix, about 150 kB
_CASES = 6
_BUDGET = 900_000  # bytes of text
_SIDE = 64

Rows = npt.NDArray[np.int64]


class Match(NamedTuple):
    """Clusters against classes.

    Attributes:
        right: Whether each item is in the cluster that stands for its class, bool [N].
        cluster_of_class: That cluster [C]; -1: none is left for the class.
    """

    right: npt.NDArray[np.bool_]
    cluster_of_class: Rows


def match(clusters: Rows, truth: Labels) -> Match:
    """Match clusters one to one to classes as the accuracy does; the unassigned are not right.

    Args:
        clusters: Clusters [N] from -1.
        truth: Of the same items.
    """
    assigned = clusters >= 0
    cluster_of_class = np.full(len(truth.class_names), UNMATCHED, dtype=np.int64)
    if assigned.any():
        own = matched_clusters(truth.y[assigned], clusters[assigned])
        cluster_of_class[truth.y[assigned]] = own
    right = assigned & (cluster_of_class[truth.y] == clusters)
    return Match(right, cluster_of_class)


def cluster_classes(contents: Contents) -> list[str] | None:
    """The most frequent class of each cluster, as ``cat (83%)``; None: no truth."""
    truth = contents.truth
    if truth is None:
        return None
    words = []
    for cluster in range(contents.num_clusters):
        counts = np.bincount(truth.y[contents.clusters == cluster])
        share = counts.max() / counts.sum() if counts.sum() else 0
        words.append(f"{truth.class_names[counts.argmax()]} ({share:.0%})" if share else "")
    return words


def truth_part(contents: Contents, sure: Certainty, found: Match | None) -> Part | None:
    """Everything that needs labels; None: the run was evaluated without.

    Args:
        contents: The run.
        sure: As `iciclegcn.report.selection.certainty` gives it.
        found: As `match` gives it; None: the truth cannot be read again.
    """
    if not contents.metrics.get("heads"):
        return None
    figures, matrix, cases = [], "", ""
    calibration = (contents.metrics.get("calibration") or {}).get("output")
    if contents.truth is not None and found is not None:
        confusion = _confusion(contents, contents.truth, found)
        figures.append(confusion_chart(*confusion))
        matrix = _matrix(*confusion, contents.noun)
        cases = _cases(contents, contents.truth, sure, found)
    if calibration is not None:
        some = contents.num_unassigned > 0
        figures.append(reliability_chart(calibration, contents.noun, some_unassigned=some))
        figures.append(risk_chart(calibration, some_unassigned=some))
    intro = "Labels were read after the training, for these figures alone."
    drawn = f"<div class='figures'>{''.join(map(figure, figures))}</div>"
    html = section("truth", "Against the truth", intro, _scores(contents), drawn, matrix, cases)
    return Part("truth", "Truth", html, tuple(figures))


def _scores(contents: Contents) -> str:
    calibration = contents.metrics.get("calibration") or {}
    rows = []
    for name, scores in contents.metrics["heads"].items():
        if name == contents.metrics.get("output"):
            continue  # the first row has it
        ece = calibration.get(name, {}).get("ece")
        kind, _, number = name.partition("_")
        title = f"{kind} {number}" if number.isdecimal() else _HEADS.get(name, name)
        values = [f"{scores[score]:.3f}" for score in _SCORES]
        rows.append([title, *values, "" if ece is None else f"{ece:.3f}"])
    header = ["output", *map(str.upper, _SCORES[:4]), "purity"]
    if calibration:
        caption = "Scores of every output; ECE: expected calibration error"
        if contents.num_unassigned:
            caption += f", of all {contents.noun}"
        return table([*header, "ECE"], rows, caption)
    return table(header, [row[:-1] for row in rows], "Scores of every output")


def _confusion(
    contents: Contents, truth: Labels, found: Match
) -> tuple[Rows, list[str], list[int]]:
    assigned = contents.clusters >= 0
    num_classes = len(truth.class_names)
    table = np.zeros((num_classes, contents.num_clusters), dtype=np.int64)
    np.add.at(table, (truth.y[assigned], contents.clusters[assigned]), 1)
    first = [int(cluster) for cluster in found.cluster_of_class if cluster != UNMATCHED]
    rest = [cluster for cluster in range(contents.num_clusters) if cluster not in first]
    matched = found.cluster_of_class != UNMATCHED
    # Classes that no cluster is left for come last: the others then lie on the diagonal.
    order = [*np.flatnonzero(matched), *np.flatnonzero(~matched)]
    columns = first + rest
    return table[np.ix_(order, columns)], [truth.class_names[c] for c in order], columns


def _matrix(counts: Rows, class_names: Sequence[str], clusters: Sequence[int], noun: str) -> str:
    """The confusion matrix as a table; nothing where that would be too large to be read."""
    if counts.size > _MOST_CELLS:
        return ""
    header = ["class", *(f"cluster {cluster}" for cluster in clusters)]
    rows = (
        [name, *(f"{count:,}" for count in own)]
        for name, own in zip(class_names, counts.tolist(), strict=True)
    )
    caption = f"{noun.capitalize()} of each class in each cluster"
    return details("Classes against clusters as a table", table(header, rows, caption))


def _cases(contents: Contents, truth: Labels, sure: Certainty, found: Match) -> str:
    """Successes, false negatives and false positives of each class (Figure 4)."""
    sizes = np.bincount(truth.y, minlength=len(truth.class_names))
    shown = np.sort(np.argsort(-sizes, kind="stable")[:_MOST_CLASSES])
    cases = {int(number): _cases_of(int(number), contents, truth, sure, found) for number in shown}
    rows = [int(row) for kinds in cases.values() for kind in kinds for row in kind]
    pictures = None
    if contents.images is not None and rows:
        pictures = thumbnails(contents.images, rows, side=_SIDE, budget=_BUDGET)

    def cells(kinds: Sequence[Rows]) -> str:
        html = ""
        for kind, rows in zip(_KINDS, kinds, strict=True):
            items = "".join(
                shot(int(row), contents, sure, pictures, _caption(kind, int(row), contents, truth))
                for row in rows
            )
            style = "shots" if pictures else "shots names"
            html += f"<td data-kind='{kind}'><ul class='{style}'>{items}</ul></td>"
        return html

    body = "".join(
        f"<tr><th scope='row'>{text(truth.class_names[number])}<small>"
        f"{_stands(found.cluster_of_class[number])}</small></th>{cells(kinds)}</tr>"
        for number, kinds in cases.items()
    )
    more = "" if len(shown) == len(sizes) else f", the {len(shown)} largest of {len(sizes)} classes"
    caption = f"Cases by class{more}: the most confident {contents.noun} of each kind"
    return (
        f"<h3 class='group'>Success, false negatives, false positives</h3><div class='scroll' "
        f"tabindex='0' role='region' aria-label='{text(caption)}'><table class='cases'>"
        f"<caption>{text(caption)}</caption><thead><tr><th scope='col' class='words'>class</th>"
        "<th scope='col' class='words'>success</th>"
        "<th scope='col' class='words'>false negative: in another cluster</th>"
        "<th scope='col' class='words'>false positive: of another class</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cases_of(
    number: int, contents: Contents, truth: Labels, sure: Certainty, found: Match
) -> tuple[Rows, Rows, Rows]:
    own, inside = truth.y == number, contents.clusters == found.cluster_of_class[number]
    if found.cluster_of_class[number] == UNMATCHED:
        inside = np.zeros(len(own), dtype=bool)

    def best(mask: npt.NDArray[np.bool_]) -> Rows:
        rows = np.flatnonzero(mask)
        return rows[np.argsort(-sure.confidence[rows], kind="stable")[:_CASES]]

    return best(own & inside), best(own & ~inside), best(~own & inside)


def _caption(kind: str, row: int, contents: Contents, truth: Labels) -> str:
    """Where a missed item went, or what class an intruder is of."""
    if kind == "success":
        return ""
    if kind == "false positive":
        return str(truth.class_names[truth.y[row]])
    cluster = contents.clusters[row]
    return "unassigned" if cluster < 0 else f"→ {cluster}"


def _stands(cluster: np.int64) -> str:
    return "no cluster is left" if cluster < 0 else f"cluster {cluster}"
