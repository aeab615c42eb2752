"""What a search for neighbours says, in the words of a run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from graphs import RecallWarning
from iciclegcn.errors import UserError
from iciclegcn.monitor import StageMonitor


@contextmanager
def telling(monitor: StageMonitor) -> Iterator[None]:
    """Tell of a search that falls short, and refuse one that cannot be done as a user's choice.

    Args:
        monitor: Warned, with the options that help.

    Raises:
        UserError: In place of a ``ValueError`` of the search.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecallWarning)
        try:
            yield
        except ValueError as error:
            raise UserError(f"{error} (--graph.index, --graph.memory_gib)") from error
    for warning in caught:
        if issubclass(warning.category, RecallWarning):
            monitor.warn(f"{warning.message} (--graph.index, --graph.target_recall)")
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
