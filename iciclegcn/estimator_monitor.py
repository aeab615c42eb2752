"""What the estimator tells of its training."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from iciclegcn.monitor import NullMonitor

_LINES = 10  # a stage


class EstimatorMonitor(NullMonitor):
    """Warnings as scikit-learn gives them; the progress on the standard output, if wanted.

    Args:
        verbose: Print a line whenever another tenth is done.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._told = 0

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        """Print how far a stage is."""
        tenth = done * _LINES // total
        if self._verbose and tenth != self._told:
            figures = "".join(f", {name} {value:.4g}" for name, value in values.items())
            print(f"[IcicleGCN] {unit} {done:,} of {total:,}{figures}")
        self._told = tenth

    def warn(self, message: str) -> None:
        """Warn of what does not stop the training."""
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
