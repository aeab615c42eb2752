"""Clusters of images, or rows, that a finished run has not seen."""
