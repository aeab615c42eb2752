"""Presets, and what suits each kind of data. Imports nothing heavy: the command line reads it."""

import dataclasses

from iciclegcn.config import Config
from iciclegcn.data.named import find_named
from iciclegcn.errors import UserError
from iciclegcn.presets.features import features_preset, on_features
from iciclegcn.presets.gcc import gcc_preset
from iciclegcn.presets.icicle import icicle_preset
from iciclegcn.presets.on_a_run import ruc_schedule, self_label_schedule

__all__ = [
    "PRESETS",
    "on_features",
    "preset_config",
    "preset_on_a_run",
    "ruc_schedule",
    "self_label_schedule",
]

PRESETS = ("quick", "paper", "official")


def preset_config(name: str, source: str, method: str = "icicle", kind: str = "images") -> Config:
    """The configuration a preset gives for some data.

    Args:
        name: ``quick`` (finishes on two cores), ``paper`` (to the letter) or ``official`` (as the
            published code computes; IcicleGCN's alone).
        source: What the user calls DATA; named sets bring their number of clusters, and every
            set the views that suit it.
        method: ``icicle`` or ``gcc``.
        kind: ``images``, or ``features`` where the source is a matrix of them (IcicleGCN's alone).

    Returns:
        A complete configuration; ``num_clusters`` is None for data without a name.

    Raises:
        UserError: If there is no such preset, or not for the method.
    """
    if name not in PRESETS:
        raise UserError(f"'--preset' must be one of {', '.join(PRESETS)} (got {name!r})")
    if method == "gcc" and name == "official":
        raise UserError("'--preset official' is IcicleGCN's alone; use paper or quick for gcc")
    if method not in ("icicle", "gcc"):
        raise UserError(f"'--method' must be icicle or gcc to begin with images (got {method!r})")
    if kind == "features":
        if method != "icicle":
            raise UserError(f"'--method {method}' trains on images, and features are given")
        return dataclasses.replace(features_preset(name, source), preset=name)
    dataset = find_named(source)
    preset = gcc_preset(name, source) if method == "gcc" else icicle_preset(name, source)
    return dataclasses.replace(
        preset, preset=name, method=method, num_clusters=dataset.num_clusters if dataset else None
    )


def preset_on_a_run(base: Config, method: str) -> Config:
    """The configuration of a method that begins with a finished run.

    Args:
        base: That run's configuration, which decides all that the method does not.
        method: ``self-label`` or ``ruc``.

    Returns:
        The base's configuration with the method's schedule; ``base`` is still to be set.

    Raises:
        UserError: If the method begins with images.
    """
    if method == "self-label":
        schedule = self_label_schedule(base)
        return dataclasses.replace(base, method=method, self_label=schedule)
    if method == "ruc":
        return dataclasses.replace(base, method=method, ruc=ruc_schedule(base))
    raise UserError(f"'--method' must be self-label or ruc to begin with a run (got {method!r})")
