"""What a search returns: neighbour lists, and how well they were found."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RecallWarning(UserWarning):
    """An approximate search finds fewer of the true neighbours than was asked for."""


class SearchReport(NamedTuple):
    """How neighbours were searched. Plain values, ready for JSON.

    Attributes:
        kind: ``exact``, ``ivf_flat``, ``ivf_sq8``, ``ivf_pq`` or ``hnsw``.
        recall: Share of the true k nearest rows found, on a sample; 1 for ``exact``.
        recall_error: Standard error of that share.
        sample_size: Rows of the sample; 0 for ``exact``.
        target_recall: The recall asked for.
        num_cells: Cells that the rows are sorted into; 0 without cells.
        effort: Cells searched for each row (``ivf_*``), or ``efSearch`` (``hnsw``).
        candidates: Rows found by the index for each row, to be measured exactly.
        index_bytes: Size of the index in memory.
        peak_bytes: Most that the search was expected to allocate, index and result included.
    """

    kind: str
    recall: float = 1.0
    recall_error: float = 0.0
    sample_size: int = 0
    target_recall: float = 1.0
    num_cells: int = 0
    effort: int = 0
    candidates: int = 0
    index_bytes: int = 0
    peak_bytes: int = 0

    def __str__(self) -> str:
        """One line for people, such as ``ivf_pq search, recall 0.971 ± 0.003 of 1,000 rows``."""
        if self.sample_size == 0:
            return f"{self.kind} search"
        return (
            f"{self.kind} search, recall {self.recall:.3f} ± {self.recall_error:.3f} of "
            f"{self.sample_size:,} rows"
        )


class Neighbors(NamedTuple):
    """The k nearest rows of each row, itself excluded.

    Attributes:
        indices: Row numbers int64 [N, k], nearest first; ties go to the lower number.
        squared_distances: Squared distances float32 [N, k]; 2 - 2cos for the cosine metric.
        report: How they were found; None where they come from elsewhere, such as a file.
    """

    indices: NDArray[np.int64]
    squared_distances: NDArray[np.float32]
    report: SearchReport | None = None
