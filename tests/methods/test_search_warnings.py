import warnings

import pytest

from graphs import RecallWarning
from iciclegcn.errors import UserError
from iciclegcn.methods.search_warnings import telling
from iciclegcn.monitor import NullMonitor
from tests.memory_monitor import MemoryMonitor


def test_a_search_that_falls_short_is_told_with_the_options() -> None:
    monitor = MemoryMonitor()
    with telling(monitor):
        warnings.warn("recall is low", RecallWarning, stacklevel=1)
    assert monitor.warnings == ["recall is low (--graph.index, --graph.target_recall)"]


def test_other_warnings_stay_warnings() -> None:
    monitor = MemoryMonitor()
    with pytest.warns(DeprecationWarning, match="old"), telling(monitor):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert monitor.warnings == []


def test_what_cannot_be_searched_is_a_users_mistake() -> None:
    remedy = r"too large \(--graph.index, --graph.memory_gib\)"
    with pytest.raises(UserError, match=remedy), telling(NullMonitor()):
        raise ValueError("too large")
