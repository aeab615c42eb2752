"""How much memory stage 2 will take, said before it starts.

The formula counts what one step keeps for every node, from the widths alone; `docs/scaling.md`
derives it and shows it beside measurements.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch

from iciclegcn.config import MGCNConfig

FIXED_BYTES = 256 * 2**20  # buffers of the products and one block of rows, whatever N is
AUTO_SHARE = 0.5  # of the memory that is free: the features' owner needs some too
_FLOAT = 4
_EDGE = 8  # column and weight
_MOMENTS = 4  # a parameter, its gradient and Adam's two moments
_SOFT = 8  # matrices [N, K] in float32 of every head: its softmax, targets, terms and gradients


def step_bytes(
    num_nodes: int, num_edges: Sequence[int], widths: Sequence[int], entry_bytes: int
) -> int:
    """Highest memory of a step of training that sees so many nodes.

    Args:
        num_nodes: Nodes of the step, N for a full batch.
        num_edges: Edges of every stream's graph within the step, self-loops counted.
        widths: Widths of the auto-encoder: D, the hidden ones and K.
        entry_bytes: Of a state: 4, or 2 in half precision.

    Returns:
        Bytes: features and A·X, what the forward pass keeps, the gradients on their way back
        through the widest layer, graphs, parameters, and a fixed part.
    """
    channels, *hidden, num_clusters = widths
    streams = len(num_edges)
    propagated = propagated_widths(widths)
    mapped = [hidden[0], *(out for w, out in pairwise(widths[1:]) if w < out)]
    kept = sum(hidden) + streams * (sum(mapped) + sum(propagated))
    returning = max(hidden) + streams * max(propagated)
    copied = channels if entry_bytes < _FLOAT else 0
    node = _FLOAT * (channels * (1 + streams) + _SOFT * (streams + 2) * num_clusters)
    node += entry_bytes * (kept + returning + copied)
    edges = sum(num_edges) * _EDGE
    return FIXED_BYTES + num_nodes * node + edges + _parameter_bytes(widths, streams)


def inference_bytes(
    num_nodes: int, num_edges: Sequence[int], widths: Sequence[int], entry_bytes: int
) -> int:
    """Highest memory of `iciclegcn.nn.layerwise.assign_by_layers`; arguments as in `step_bytes`.

    One state of every stream and one more, of the widest layer at the moment it propagates.
    """
    streams = len(num_edges)
    states = entry_bytes * (streams + 1) * max(propagated_widths(widths))
    heads = _FLOAT * 2 * (streams + 2) * widths[-1]
    return FIXED_BYTES + num_nodes * (states + heads) + sum(num_edges) * _EDGE


def propagated_widths(widths: Sequence[int]) -> list[int]:
    """Widths at which the layers after the first propagate: the narrower side of each."""
    return [min(pair) for pair in pairwise([*widths[1:], widths[-1]])]


def budget_bytes(options: MGCNConfig, device: torch.device) -> int:
    """What ``mgcn.memory_gib`` allows; without one, half of what is free on the device."""
    if options.memory_gib is not None:
        return int(options.memory_gib * 2**30)
    return int(AUTO_SHARE * available_bytes(device))


def available_bytes(device: torch.device) -> int:
    """Memory that this process could still get, with the limit of its control group."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = (Path("/sys/fs/cgroup") / f"memory.{name}" for name in ("max", "current"))
    if limit.exists() and used.exists() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return max(free, 0)


def give_back_freed_memory() -> None:
    """Return memory that is freed, but kept by the allocator, to the system.

    Steps in cells differ in size. glibc keeps their freed pieces below 32 MB, which fit the next
    step badly, so a process grows from step to step; other allocators are left alone.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _parameter_bytes(widths: Sequence[int], streams: int) -> int:
    products = sum(a * b for a, b in pairwise(widths))
    return _FLOAT * _MOMENTS * (2 + streams) * products
