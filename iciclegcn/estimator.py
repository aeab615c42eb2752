"""IcicleGCN as a scikit-learn estimator on feature matrices."""

import copy
import dataclasses
import numbers
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.estimator_monitor import EstimatorMonitor
from iciclegcn.methods.feature_clustering import FeatureClustering, cluster_features
from iciclegcn.methods.new_nodes import NewNodes
from iciclegcn.presets import preset_config
from iciclegcn.random_state import kept_random_state
from iciclegcn.runtime import Runtime

_DTYPES = (np.float64, np.float32)


class IcicleGCN(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Deep clustering of feature rows with an auto-encoder and multi-scale graph networks.

    Rows become nodes of one k-NN graph for each entry of ``n_neighbors``. An auto-encoder learns
    codes in which rows agree with their neighbours; graph convolutional networks at every scale,
    fused with the auto-encoder, name the clusters.

    Args:
        n_clusters: Number of clusters.
        n_neighbors: Neighbours of each scale, self excluded; where there are fewer other rows, all
            of them.
        hidden_channels: Widths of the auto-encoder between the features and the code.
        encoder_epochs: Passes over the rows that pretrain the auto-encoder.
        max_iter: Iterations of the graph networks.
        options: Further fields of the configuration by dotted name, such as
            ``{"encode.learning_rate": 1e-3, "graph.metric": "cosine"}``; these win.
        device: ``auto``, ``cpu`` or ``cuda[:N]``.
        precision: Of the training: ``auto``, ``fp32``, ``bf16`` or ``fp16``. Rows that come after
            it are assigned in float64.
        random_state: An int for the same result at every fit.
        verbose: 1 prints the progress.

    Attributes:
        labels_: Cluster of every row of the fit, int64 [n_samples].
        probabilities_: Soft assignments behind them [n_samples, n_clusters].
        cluster_centers_: Mean row of every cluster [n_clusters, n_features_in_].
        n_iter_: Iterations of the graph networks.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where X has any.

    Source:
        IcicleGCN (Xu et al., 2024), stage 2; its start on features is this library's, see
        docs/own_features.md.

    Examples:
        >>> from sklearn.datasets import load_digits
        >>> from iciclegcn import IcicleGCN
        >>> clusters = IcicleGCN(n_clusters=10, random_state=0).fit_predict(load_digits().data)
    """

    def __init__(
        self,
        n_clusters: int = 10,
        n_neighbors: int | tuple[int, ...] = (1, 10),
        *,
        hidden_channels: tuple[int, ...] = (256, 256, 512),
        encoder_epochs: int = 30,
        max_iter: int = 30,
        options: Mapping[str, object] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.hidden_channels = hidden_channels
        self.encoder_epochs = encoder_epochs
        self.max_iter = max_iter
        self.options = options
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Cluster rows.

        Args:
            X: Features [n_samples, n_features], finite.
            y: Ignored.

        Raises:
            ValueError: If X or a parameter does not fit.
        """
        del y
        self._forget()
        rows = validate_data(self, X, dtype=_DTYPES, ensure_min_samples=2)
        _require_whole("n_clusters", self.n_clusters)
        if self.n_clusters > len(rows):
            raise ValueError(
                f"'n_clusters' must be at most the number of rows, n_samples={len(rows)} (got "
                f"{self.n_clusters})"
            )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._nodes: NewNodes | None = None
        self._fitted: FeatureClustering | None = None
        if self.n_clusters == 1:  # nothing to learn
            self.probabilities_ = np.ones((len(rows), 1))
            self.n_iter_ = 0
        else:
            self._fitted = self._cluster(rows, seed)
            self.n_iter_ = self._config.mgcn.iterations
            self._order = _used_first(self._fitted)
            self.probabilities_ = self._fitted.probabilities[:, self._order].astype(np.float64)
            self._nodes = _joinable(self._fitted, self._config)
        labels = self.probabilities_.argmax(axis=1).astype(np.int64)
        self.cluster_centers_ = _centers(rows, labels, self.probabilities_)
        self.labels_ = labels  # the last one: it says that the fit is whole
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Name the clusters of rows that join the graph of the fit; nothing is trained.

        A row of the fit is taken for a new one, whose nearest neighbour it is itself: ``labels_``
        is what the fit says of it, and may differ at the borders.

        Args:
            X: Features [m, n_features].

        Returns:
            Clusters [m].
        """
        labels: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1).astype(np.int64)
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Soft assignments of such rows [m, n_clusters]; rows sum to 1."""
        rows = self._validated(X)
        if self._nodes is None or self._fitted is None:
            return np.ones((len(rows), 1))
        found = self._nodes.probabilities(_scaled(self._fitted, rows))
        probabilities: NDArray[np.float64] = found.numpy()[:, self._order]
        return probabilities

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """The auto-encoder's code of rows [m, n_clusters], which needs no neighbours.

        Args:
            X: Features [m, n_features].

        Returns:
            Softmax code in the dtype of X: entry c says how much a row is like cluster c or one
            of its parts. The graph networks name the clusters, not this code.
        """
        rows = self._validated(X)
        if self._nodes is None or self._fitted is None:
            return np.ones((len(rows), 1), rows.dtype)
        code = self._nodes.code(_scaled(self._fitted, rows)).numpy()
        return code.astype(rows.dtype, copy=False)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_nodes", None)  # a search index, and what comes of the rest
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_fitted" in state:
            fitted = self._fitted
            self._nodes = None if fitted is None else _joinable_here(fitted, self._config)

    def _forget(self) -> None:
        """Leave nothing of an earlier fit, lest one that fails answers with it."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)

    @property
    def _n_features_out(self) -> int:
        return int(self.cluster_centers_.shape[0])

    def _cluster(self, rows: NDArray[np.floating], seed: int) -> FeatureClustering:
        monitor = EstimatorMonitor(verbose=bool(self.verbose))
        with kept_random_state():
            self._config = self._built_config(len(rows), seed)
            runtime = Runtime.create(seed, self._config.device, self._config.precision)
            found = cluster_features(rows, self._config, runtime, monitor)
            return found._replace(model=found.model.cpu())  # pickles must load without a GPU

    def _built_config(self, num_rows: int, seed: int) -> Config:
        _require_whole("max_iter", self.max_iter)
        _require_whole("encoder_epochs", self.encoder_epochs)
        scales = (
            self.n_neighbors if isinstance(self.n_neighbors, tuple | list) else [self.n_neighbors]
        )
        for k in scales:
            _require_whole("n_neighbors", k)
        changes: dict[str, object] = {
            "num_clusters": int(self.n_clusters),
            "seed": seed,
            "device": self.device,
            "precision": self.precision,
            "graph.k": [min(int(k), num_rows - 1) for k in scales],
            "autoencoder.hidden_channels": list(self.hidden_channels),
            "encode.epochs": int(self.encoder_epochs),
            "mgcn.iterations": int(self.max_iter),
        }
        start = preset_config("quick", "X", kind="features")
        return build_config(start, changes | dict(self.options or {}))

    def _validated(self, X: ArrayLike) -> NDArray[np.floating]:
        check_is_fitted(self)
        rows: NDArray[np.floating] = validate_data(self, X, dtype=_DTYPES, reset=False)
        return rows


def _joinable(fitted: FeatureClustering, config: Config) -> NewNodes:
    """The graph of a fit, which rows can join, in float64: what a row gets depends on no other."""
    runtime = Runtime.resolve(config.seed, config.device, "fp32")
    model = copy.deepcopy(fitted.model).double()
    return NewNodes(model, fitted.x.astype(np.float64), fitted.neighbors, config, runtime)


def _joinable_here(fitted: FeatureClustering, config: Config) -> NewNodes:
    """The same for an estimator from elsewhere, on the CPU where its device is not there."""
    try:
        return _joinable(fitted, config)
    except UserError as error:
        warnings.warn(f"rows are assigned on the CPU: {error}", stacklevel=2)
        return _joinable(fitted, dataclasses.replace(config, device="cpu"))


def _used_first(fitted: FeatureClustering) -> NDArray[np.int64]:
    """Clusters in order, those without a row last: labels count from 0 without gaps."""
    sizes = np.bincount(fitted.assignments, minlength=fitted.probabilities.shape[1])
    return np.argsort(sizes == 0, kind="stable")


def _scaled(fitted: FeatureClustering, rows: NDArray[np.floating]) -> NDArray[np.float64]:
    center, scale = fitted.scaling
    scaled: NDArray[np.float64] = (rows.astype(np.float64) - center) / scale
    return scaled


def _centers(
    rows: NDArray[np.floating], labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean row of every cluster; of one without rows, the mean weighted by its probabilities."""
    sizes = np.bincount(labels, minlength=probabilities.shape[1])
    weights = np.where(sizes > 0, np.eye(len(sizes))[labels], probabilities)
    centers: NDArray[np.float64] = (weights / weights.sum(axis=0)).T @ rows.astype(np.float64)
    return centers


def _require_whole(name: str, value: object) -> None:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or int(str(value)) < 1:
        raise ValueError(f"'{name}' must be a whole number of 1 or more (got {value!r})")
