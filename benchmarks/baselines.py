"""Methods that see the pixels alone: scikit-learn's, an auto-encoder, and DEC and IDEC of clustpy.

Command: python -m benchmarks.baselines NAME --images FILE.npy --clusters K --seed N
         --seconds BUDGET --out FOLDER
One process a row; `benchmarks.methods` starts it. FOLDER gets found.npz and facts.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks.method_data import pixel_rows
from benchmarks.schedules import Trial, costs, longer_trial

FIRST_SHARE = 0.75  # of DEC's time is for its auto-encoder
_CODE = 10
_BATCH = 256


class Found(NamedTuple):
    """What a baseline found.

    Attributes:
        assignments: Clusters [N].
        probabilities: Soft assignments [N, K] that they come from; None where there are none.
        facts: Epochs and trials, for the record.
        aside: Seconds of trials and warming up, which the method is not charged.
    """

    assignments: np.ndarray
    probabilities: np.ndarray | None = None
    facts: dict[str, Any] = {}  # noqa: RUF012  never altered
    aside: float = 0.0


def kmeans(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """The best of ten k-means."""
    from sklearn.cluster import KMeans

    del seconds
    return Found(KMeans(num_clusters, n_init=10, random_state=seed).fit_predict(x))


def spectral(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """Spectral clustering of the 10-nearest-neighbour graph."""
    from sklearn.cluster import SpectralClustering

    del seconds
    model = SpectralClustering(
        num_clusters, affinity="nearest_neighbors", n_neighbors=10, random_state=seed
    )
    return Found(model.fit_predict(x))


def agglomerative(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """Ward's linkage; the same for every seed."""
    from sklearn.cluster import AgglomerativeClustering

    del seed, seconds
    return Found(AgglomerativeClustering(num_clusters).fit_predict(x))


def nmf(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """K-means on the coefficients of a non-negative factorisation of rank K."""
    from sklearn.decomposition import NMF

    model = NMF(num_clusters, init="nndsvda", max_iter=1000, tol=1e-3, random_state=seed)
    return kmeans(model.fit_transform(x), num_clusters, seed, seconds)


def autoencoder(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """K-means on the code of DEC's auto-encoder, 500-500-2000-10, trained for the whole budget."""
    started = time.perf_counter()
    _train(x, seed, 0)  # to warm up
    aside = time.perf_counter() - started
    encoder, epochs = _train(x, seed, seconds)
    with torch.inference_mode():
        code = encoder(torch.from_numpy(x)).numpy()
    found = kmeans(code, num_clusters, seed, seconds)
    return found._replace(facts={"epochs": epochs}, aside=aside)


def dec(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """Deep embedded clustering (Xie et al., 2016)."""
    return _clustpy("DEC", x, num_clusters, seed, seconds)


def idec(x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """Improved deep embedded clustering (Guo et al., 2017)."""
    return _clustpy("IDEC", x, num_clusters, seed, seconds)


Baseline = Callable[[np.ndarray, int, int, float], Found]
BASELINES: dict[str, Baseline] = {
    each.__name__: each for each in (kmeans, spectral, agglomerative, nmf, autoencoder, dec, idec)
}


def soft_assignments(code: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Student-t similarity of a code [N, d] to centres [K, d], rows sum to 1 (DEC, Eq. 1)."""
    squared = ((code[:, None] - centers[None]) ** 2).sum(axis=2)
    similarity = 1 / (1 + squared)
    soft: np.ndarray = similarity / similarity.sum(axis=1, keepdims=True)
    return soft


def _train(x: np.ndarray, seed: int, seconds: float) -> tuple[nn.Module, int]:
    """The encoder after as many epochs of reconstruction as fit, at least one; and their number.

    No schedule depends on their number, so a clock tells: late epochs take longer than early ones,
    whose trials would promise too many.
    """
    torch.manual_seed(seed)
    started = time.perf_counter()
    widths = (x.shape[1], 500, 500, 2000, _CODE)
    encoder, decoder = _layers(widths), _layers(widths[::-1])
    weights = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(weights, 1e-3, fused=True)
    rows = torch.from_numpy(x)
    epochs = 0
    while True:
        began = time.perf_counter()
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), _BATCH):
            batch = rows[order[start : start + _BATCH]]
            loss = nn.functional.mse_loss(decoder(encoder(batch)), batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        epochs += 1
        now = time.perf_counter()
        if now - started + (now - began) > seconds:
            return encoder, epochs


def _layers(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _clustpy(name: str, x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    try:
        from clustpy import deep
    except ImportError as error:
        message = f"clustpy is not installed: pip install 'iciclegcn[clustpy]' ({error})"
        raise SystemExit(message) from error
    # Adam's moments of idle weights become denormal late in a training, and computing with those
    # takes up to one and a half times as long: the trials would promise too many epochs.
    torch.set_flush_denormal(True)
    try:
        return _timed(getattr(deep, name), x, num_clusters, seed, seconds)
    finally:
        torch.set_flush_denormal(False)


def _timed(method: Any, x: np.ndarray, num_clusters: int, seed: int, seconds: float) -> Found:
    """A method of clustpy with as many epochs of its two phases as its trials promise."""

    def fitted(pretraining: int, clustering: int) -> tuple[Any, float]:
        started = time.perf_counter()
        model = method(
            n_clusters=num_clusters,
            batch_size=_BATCH,
            pretrain_epochs=pretraining,
            clustering_epochs=clustering,
            embedding_size=_CODE,
            device=torch.device("cpu"),
            random_state=seed,
        )
        return model.fit(x), time.perf_counter() - started

    begun = time.perf_counter()
    _, first = [Trial((1, 1), fitted(1, 1)[1]) for _ in range(2)]  # one to warm up
    more = longer_trial(first)
    trials = [first, *(Trial(each, fitted(*each)[1]) for each in ((more, 1), (1, more)))]
    aside = time.perf_counter() - begun
    cost = costs(trials)
    pretraining = max(1, int(FIRST_SHARE * (seconds - cost.once) / cost.per_epoch[0]))
    left = seconds - cost.once - pretraining * cost.per_epoch[0]
    clustering = max(1, int(left / cost.per_epoch[1]))
    model, _ = fitted(pretraining, clustering)
    # The library's labels_ come from another k-means; these are the method's own.
    soft = soft_assignments(model.transform(x), model.dec_cluster_centers_)
    facts = {"epochs": [pretraining, clustering], "trials": trials}
    return Found(soft.argmax(axis=1), soft, facts, aside)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=BASELINES)
    parser.add_argument("--images", type=Path, required=True, help="uint8 [N, C, S, S]")
    parser.add_argument("--clusters", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    x = pixel_rows(np.load(options.images))
    started = time.perf_counter()
    found = BASELINES[options.name](x, options.clusters, options.seed, options.seconds)
    spent = time.perf_counter() - started - found.aside
    options.out.mkdir(parents=True, exist_ok=True)
    arrays = {"assignments": found.assignments}
    if found.probabilities is not None:
        arrays["probabilities"] = found.probabilities
    np.savez(options.out / "found.npz", **arrays)  # type: ignore[arg-type]
    facts = found.facts | {"seconds": round(spent, 2)}
    (options.out / "facts.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
