"""What a training step of M-GCN must compute, what the machine could, and where the time goes."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch.profiler import ProfilerActivity, profile

# By the operator's name; the first group that fits. The rest is "other".
_GROUPS = {
    "matrix products": ("mm", "linear", "matmul", "mkldnn"),
    "sparse products": ("embedding_bag",),
    "optimiser": ("adam",),
    "casts and copies": ("copy", "to_copy", "contiguous", "clone"),
    "element-wise": (
        *("relu", "threshold", "add", "mul", "sub", "div", "mse", "log", "exp", "softmax"),
        *("sum", "clamp", "xlogy", "zero", "fill", "where"),
    ),
}


def dense_flop(num_nodes: int, widths: Sequence[int], num_streams: int) -> int:
    """Floating-point operations of the matrix products of one step.

    Every layer of encoder, decoder and streams is one product forward and two backward (towards
    weights and states); the first layers of encoder and streams send nothing back to the features.

    Args:
        num_nodes: Nodes of the step.
        widths: D, the hidden widths and K.
        num_streams: Number of graphs S.
    """
    chain = sum(a * b for a, b in pairwise(widths))
    first, last = widths[0] * widths[1], widths[-1] ** 2
    per_node = (3 * chain - first) + 3 * chain + num_streams * (3 * (chain + last) - first)
    return 2 * num_nodes * per_node


def matrix_peak(dtype: torch.dtype, size: int = 4096, repeats: int = 5) -> float:
    """Operations a second of the fastest of some large square products, in this process."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    torch.mm(a, b)
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def time_shares(step: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    """Share of the time that each kind of operator takes, by torch's profiler on the CPU."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(repeats):
            step()
    spent = dict.fromkeys([*_GROUPS, "other"], 0.0)
    for event in recorded.key_averages():
        spent[_group(event.key)] += event.self_cpu_time_total
    total = sum(spent.values())
    return {name: round(value / total, 4) for name, value in spent.items()}


def _group(operator: str) -> str:
    name = operator.rpartition("::")[2].lower()
    for group, parts in _GROUPS.items():
        if any(part in name for part in parts):
            return group
    return "other"
