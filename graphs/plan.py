"""Which index, how large, in how much memory: decided before anything is searched."""

import math
import os
from pathlib import Path
from typing import NamedTuple

INDEXES = ("exact", "ivf_flat", "ivf_sq8", "ivf_pq", "hnsw")

# Exact search costs N * N * D multiply-adds. This many take two CPU cores about two minutes
# (140,000 rows of 512), a GPU about as long at a hundred times as many.
EXACT_WORK = 1e13
GPU_GAIN = 100
# Of an inverted file: fewer rows leave cells and codes without anything to learn from.
FEWEST_ROWS = 64
# Codes are ranked roughly: up to this many candidates for each neighbour wanted are measured.
MOST_CANDIDATES = 16
HNSW_LINKS = 32
TRAINING_ROWS = 40  # of a cell
MOST_TRAINING_ROWS = 2**20

_BLOCK_BYTES = 2**27
_LEAST_BLOCK_BYTES = 2**22
_BLOCKS = 4  # queries, their frame, what FAISS and the measuring make of them
_GIB = 2**30


class SearchPlan(NamedTuple):
    """How a search will be done.

    Attributes:
        kind: One of `INDEXES`.
        num_cells: Cells of an inverted file; 0 for the others.
        training_rows: Rows that its cells and codes are learned from.
        resident: Whether an exact search keeps all rows in memory, in its own frame.
        block_bytes: Size of the blocks that queries and rows are worked through in.
        index_bytes: Size of the index.
        peak_bytes: Most that is allocated at any time: index, blocks, training sample, result.
    """

    kind: str
    num_cells: int
    training_rows: int
    resident: bool
    block_bytes: int
    index_bytes: int
    peak_bytes: int


def plan_search(
    num_rows: int,
    dim: int,
    k: int,
    *,
    index: str = "auto",
    memory_gib: float | None = None,
    gpu: bool = False,
) -> SearchPlan:
    """Choose an index that fits the time and the memory.

    Args:
        num_rows: N.
        dim: D.
        k: Neighbours of each row.
        index: One of `INDEXES`; ``auto``: ``exact`` while N * N * D is affordable, ``ivf_pq`` with
            exactly measured candidates beyond.
        memory_gib: What may be allocated besides the features; None: half of what is free.
        gpu: Whether a GPU does the exact search.

    Raises:
        ValueError: If the index is unknown or too large for the rows or the memory; says what
            would fit.
    """
    if index not in ("auto", *INDEXES):
        raise ValueError(f"'index' must be auto or one of {', '.join(INDEXES)} (got {index!r})")
    if memory_gib is not None and not memory_gib > 0:
        raise ValueError(f"'memory_gib' must be positive (got {memory_gib})")
    available = free_bytes() // 2 if memory_gib is None else int(memory_gib * _GIB)
    if index == "auto":
        affordable = exact_work(num_rows, dim) <= EXACT_WORK * (GPU_GAIN if gpu else 1)
        index = "exact" if affordable or num_rows < FEWEST_ROWS else "ivf_pq"
    elif index != "exact" and num_rows < FEWEST_ROWS:
        raise ValueError(
            f"'index' {index} needs {FEWEST_ROWS} rows or more (got {num_rows}); use exact"
        )
    plan = _fitted(index, num_rows, dim, k, available)
    if plan is None:
        raise ValueError(_what_would_fit(index, num_rows, dim, k, available))
    return plan


def exact_work(num_rows: int, dim: int) -> float:
    """Multiply-adds of an exact search of all rows."""
    return float(num_rows) * num_rows * dim


def free_bytes() -> int:
    """Memory that can be had without swapping; all there is where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(text.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, LookupError, ValueError):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def num_cells(num_rows: int) -> int:
    """Cells of an inverted file: the power of two nearest 4 sqrt(N), each with rows to learn from.

    Finding the nearest cells of a row costs as much as reading a few cells then.
    """
    wanted: int = 2 ** round(math.log2(4 * math.sqrt(num_rows)))
    return max(1, min(wanted, num_rows // TRAINING_ROWS))


def code_subspaces(dim: int) -> int:
    """Pieces of a row that get a 4-bit code each: of two entries, of one where rows are short."""
    return dim // 2 if dim % 2 == 0 and dim > 64 else dim


def index_bytes(index: str, num_rows: int, dim: int) -> int:
    """Size of an index of so many rows."""
    cells = num_cells(num_rows)
    # 32 rows are interleaved: every cell is filled up to a multiple.
    coded = (num_rows + 32 * cells) * -(-code_subspaces(dim) // 2)
    sizes: dict[str, int] = {
        "exact": 0,
        # Twice what they hold: FAISS lets its lists grow by doubling.
        "ivf_flat": 8 * num_rows * dim,
        "ivf_sq8": 2 * num_rows * dim,
        # FAISS keeps a table of the distances between every cell and every code.
        "ivf_pq": 2 * coded + 64 * cells * code_subspaces(dim),
        "hnsw": num_rows * (4 * dim + 4 * (2 * HNSW_LINKS + 4) + 8),
    }
    return sizes[index] + (16 * num_rows + 4 * cells * dim if index.startswith("ivf") else 0)


def _fitted(index: str, num_rows: int, dim: int, k: int, available: int) -> SearchPlan | None:
    """The plan with the largest blocks that fit, or None."""
    cells = num_cells(num_rows) if index.startswith("ivf") else 0
    for resident in [True, False] if index == "exact" else [False]:
        block = _BLOCK_BYTES
        while block > _LEAST_BLOCK_BYTES and block // 2 >= 4 * num_rows * dim:
            block //= 2  # no larger than few rows can fill
        while block >= _LEAST_BLOCK_BYTES:
            peak = _peak(index, num_rows, dim, k, block, resident)
            if peak <= available:
                size = index_bytes(index, num_rows, dim)
                training = _training_rows(num_rows, cells)
                return SearchPlan(index, cells, training, resident, block, size, peak)
            block //= 2
    return None


def _peak(index: str, num_rows: int, dim: int, k: int, block: int, resident: bool) -> int:
    """Most that is allocated at any time: while cells are learned, or while rows are searched."""
    cells = num_cells(num_rows) if index.startswith("ivf") else 0
    sample = 8 * _training_rows(num_rows, cells) * dim  # twice: less the cells' centres, for codes
    result = num_rows * (12 * k + 16)
    all_rows = 4 * num_rows * dim if resident else 0
    return max(sample, index_bytes(index, num_rows, dim) + result + _BLOCKS * block + all_rows)


def _training_rows(num_rows: int, cells: int) -> int:
    return min(num_rows, TRAINING_ROWS * cells, MOST_TRAINING_ROWS)


def _what_would_fit(index: str, num_rows: int, dim: int, k: int, available: int) -> str:
    possible = INDEXES if num_rows >= FEWEST_ROWS else ("exact",)
    needs = {name: _peak(name, num_rows, dim, k, _LEAST_BLOCK_BYTES, False) for name in possible}
    fitting = [f"{name} ({need / _GIB:.2f})" for name, need in needs.items() if need <= available]
    remedy = f"what fits: {', '.join(fitting)}" if fitting else "nothing fits in less"
    return (
        f"'memory_gib' must be at least {needs[index] / _GIB:.2f} to search {num_rows:,} x {dim} "
        f"rows with index {index} (got {available / _GIB:.2f}); {remedy}"
    )
