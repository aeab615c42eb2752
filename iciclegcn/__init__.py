"""Deep image clustering on PyTorch Geometric."""

__version__ = "0.1.0"
