"""From the words of a command line to the configuration of a run."""

import dataclasses
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iciclegcn.cli.backbone_choice import suit_backbone
from iciclegcn.cli.options import DEFAULT_DATA, DEFAULT_PRESET, SECTIONS, on_a_run_fields
from iciclegcn.config import Config
from iciclegcn.config.values import build_config, config_fields, flatten, read_config_file
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError
from iciclegcn.presets import preset_config, preset_on_a_run

if TYPE_CHECKING:
    from iciclegcn.run_folder.base import BaseRun

# Sections of the configuration that one method alone reads, with its name.
_OWN = {
    "autoencoder": "icicle",
    "pretrain": "icicle",
    "mgcn": "icicle",
    "gcc": "gcc",
    "self_label": "self-label",
    "ruc": "ruc",
}


# What is done with pixels.
_OF_IMAGES = ("data.image_size", "data.cache_size", "data.channels", "data.strict")


def resolve_config(options: Namespace) -> Config:
    """The configuration of ``run``: the preset for the data, then the file, then the flags.

    Args:
        options: What the parser of ``run`` gives; only flags that were given appear in it.

    Raises:
        UserError: If a value, a file or a combination is wrong.
    """
    given = _given(options)
    if options.DATA is not None:
        if given.get("data.source", options.DATA) != options.DATA:
            raise UserError(f"DATA is '{options.DATA}' and --data.source another; give one")
        given["data.source"] = options.DATA
    if vars(options).get("features") is not None:
        given |= {"data.source": options.features, "data.kind": "features"}
    changes = read_config_file(user_path(options.config)) if options.config else {}
    changes |= given
    method = str(changes.get("method", "icicle"))
    if method in SECTIONS.values() or changes.get("base") is not None:
        raise UserError(
            f"the method {method} begins with a finished run; use 'iciclegcn "
            f"{'self-label' if method == 'self-label' else 'refine'} --run DIR'"
        )
    source = str(changes.get("data.source", DEFAULT_DATA))
    preset = str(changes.get("preset", DEFAULT_PRESET))
    then = "self_label" if vars(options).get("self_label") else None
    _refuse_idle(given, method, then)
    if then is not None:  # its options are the second run's
        changes = {name: value for name, value in changes.items() if not _is_in(name, then)}
    kind = str(changes.get("data.kind", "images"))
    start = suit_backbone(preset_config(preset, source, method, kind), changes)
    config = build_config(start, changes)
    _refuse_idle_stages(given, config)
    return config


def resolve_on_a_run(options: Namespace, base: Config, reference: str, method: str) -> Config:
    """The configuration of ``self-label`` and ``refine``: the base's, the schedule, file and flags.

    Args:
        options: What the parser gives; only flags that were given appear in it.
        base: Configuration of the run to begin with.
        reference: How the new run names that run's folder.
        method: ``self-label`` or ``ruc``.

    Raises:
        UserError: If a value or a file is wrong, or asks for what the base has decided.
    """
    changes = read_config_file(user_path(options.config)) if options.config else {}
    changes |= _given(options)
    start = dataclasses.replace(preset_on_a_run(base, method), base=reference)
    config = dataclasses.replace(build_config(start, changes), method=method, base=reference)
    before, after = flatten(start), flatten(config)
    free = {*on_a_run_fields(method), "data.labels", "data.labels_from_folders"}
    for name, value in after.items():
        if value != before[name] and name not in free:
            raise UserError(
                f"'{name}' is {before[name]} in the run to begin with and cannot change here "
                f"(got {value})"
            )
    return config


def resolve_self_label(options: Namespace, base: Config) -> Config:
    """The configuration of the second run of ``run --self-label``, inside the first's folder.

    Args:
        options: What the parser of ``run`` gives.
        base: Configuration of the first run.
    """
    changes = read_config_file(user_path(options.config)) if options.config else {}
    changes |= _given(options)
    own = {name: value for name, value in changes.items() if _is_in(name, "self_label")}
    start = dataclasses.replace(preset_on_a_run(base, "self-label"), base="..")
    return build_config(start, own)


def require_run_folder(options: Namespace) -> None:
    """Refuse ``cluster`` without ``--features`` unless it goes on with a run, and only does that.

    Raises:
        UserError: Naming what is missing or too much.
    """
    if options.out is None:
        raise UserError(
            "'cluster' needs --features FILE to begin a run, or the --out DIR of one to go on with"
        )
    extra = [f"--{name}" for name in _given(options) if name != "abstain"]
    extra += [f"--{name}" for name in ("config", "print_config") if vars(options).get(name)]
    if extra:
        raise UserError(
            f"'{extra[0].replace('_', '-')}' begins a run: give --features FILE too, or leave it "
            "out to go on with the one in --out"
        )


def default_out(config: Config) -> Path:
    """Where a run goes without ``--out``: ``runs/<data>-<preset>-<seed>``.

    With ``-<method>`` before the preset unless that is icicle.
    """
    name = user_path(config.data.source.partition(":")[0]).resolve().stem
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._") or "images"
    method = "" if config.method == "icicle" else f"-{config.method}"
    return Path("runs") / f"{safe}{method}-{config.preset}-{config.seed}"


def open_base_and_out(options: Namespace, method: str) -> "tuple[BaseRun, Path, str]":
    """The run to begin with, the new run's folder, and how the latter names the former.

    Raises:
        UserError: If there is no such run, it is unfinished, or the two are one folder.
    """
    from iciclegcn.run_folder.base import base_reference, open_base  # loads numpy

    path = user_path(options.run)
    base = open_base(path)
    out = user_path(options.out) if options.out else path / method
    return base, out, base_reference(path, out)


def _given(options: Namespace) -> dict[str, object]:
    return {name: value for name, value in vars(options).items() if name in config_fields()}


def _refuse_idle(given: Mapping[str, object], method: str, then: str | None) -> None:
    """Every accepted flag changes something: refuse those of another method."""
    for name in given:
        section = name.partition(".")[0]
        owner = _OWN.get(section, method)
        if owner == method or section == then:
            continue
        remedy = {
            "self-label": "add --self-label",
            "ruc": "give it to 'iciclegcn refine --run DIR'",
        }.get(owner, f"add --method {owner}")
        raise UserError(f"'--{name}' changes nothing with the method {method}; {remedy}")


def _refuse_idle_stages(given: Mapping[str, object], config: Config) -> None:
    """Likewise those of a stage that the run does not have."""
    idle: tuple[str, ...] = ("pretrain.", "views.") if config.stages == "features" else ("encode.",)
    if config.data.kind == "features":
        idle += ("backbone.", *_OF_IMAGES)
    elif config.stages != "features":
        idle += ("data.scaling",)
    for name in given:
        if not name.startswith(idle):
            continue
        if config.data.kind == "features":
            why = "where features are given"
        elif name == "data.scaling":
            why = "where the backbone is trained"
        elif config.stages == "features":
            why = f"with the frozen backbone {config.backbone.name}; add --backbone.frozen false"
        else:
            why = "where the backbone is trained; a frozen one is --backbone efficientnet-lite0"
        raise UserError(f"'--{name}' changes nothing {why}")


def _is_in(name: str, section: str) -> bool:
    return name.startswith(f"{section}.")
