"""How many assignments change from one look at them to the next: a training that settles."""

import torch
from torch import Tensor

UNSEEN = -1


class AssignmentChanges:
    """Remembers the last cluster of every node, and tells which share of them changed.

    Only looks: neither a gradient nor a random draw comes from here.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._values: dict[str, float] = {}

    def look(self, clusters: Tensor, rows: Tensor | None = None, *, total: int = 0) -> None:
        """Compare clusters with those of the last look, and remember them.

        Args:
            clusters: Clusters of some nodes [n] or [n, H], one column a head.
            rows: Which nodes, without repetition [n]; None: all of them, in order.
            total: Number of all nodes; needed with ``rows``.
        """
        clusters = clusters.detach()
        if self._last is None:
            shape = (len(clusters) if rows is None else total, *clusters.shape[1:])
            self._last = torch.full(shape, UNSEEN, dtype=torch.int32)
        self._last = self._last.to(clusters.device)
        where = slice(None) if rows is None else rows.to(clusters.device)
        before = self._last[where]
        known = before != UNSEEN
        # Both at once: every number that is read waits for the device.
        counts = torch.stack([known.sum(), (known & (before != clusters)).sum()])
        seen, moved = counts.tolist()
        if seen:
            self._values = {"changed": moved / seen}
        self._last[where] = clusters.to(torch.int32)

    def take(self) -> dict[str, float]:
        """``changed``, the share of the last look, once; empty before there is any."""
        values, self._values = self._values, {}
        return values

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs to go on comparing."""
        return {} if self._last is None else {"last": self._last.cpu().clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what `state_dict` gave."""
        self._last = state["last"].clone() if "last" in state else None
