"""Configurations from text: the fields of `Config`, YAML files, and values given as words."""

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from iciclegcn.config import Config
from iciclegcn.errors import UserError


class ConfigField(NamedTuple):
    """One field of the configuration.

    Attributes:
        name: Dotted name, such as ``pretrain.epochs``.
        hint: Its type.
        text: What its docstring says.
        group: First line of its section's docstring.
    """

    name: str
    hint: Any
    text: str
    group: str


@cache
def config_fields() -> dict[str, ConfigField]:
    """Every field of `Config` that holds a value, by dotted name, in order."""
    return {field.name: field for field in _fields_of(Config, "")}


def build_config(base: Config, changes: Mapping[str, object]) -> Config:
    """A configuration with some fields changed.

    Args:
        base: Gives every other field.
        changes: Values by dotted name; text is understood as on the command line.

    Raises:
        UserError: If a name is unknown, or a value has the wrong type or range.
    """
    nested: dict[str, dict[str, object]] = {}
    top: dict[str, object] = {}
    for name, value in changes.items():
        section, _, leaf = name.rpartition(".")
        converted = convert(name, value)
        if section:
            nested.setdefault(section, {})[leaf] = converted
        else:
            top[leaf] = converted
    for section, values in nested.items():
        top[section] = dataclasses.replace(getattr(base, section), **values)
    return dataclasses.replace(base, **typing.cast(Any, top))


def convert(name: str, value: object) -> object:
    """A value of the type that a field has.

    Args:
        name: Dotted name of the field.
        value: Text from the command line, or a value read from YAML.

    Raises:
        UserError: If the field is unknown or the value is not of its type.
    """
    fields = config_fields()
    if name not in fields:
        raise UserError(f"unknown option '{name}'{suggestion(name, fields)}")
    hint = fields[name].hint
    try:
        return _converted(hint, value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"'{name}' must be {describe(hint)} (got {value!r})") from error


def read_config_file(file: Path) -> dict[str, object]:
    """The fields that a YAML file sets, by dotted name; their values as YAML gives them.

    Raises:
        UserError: If the file cannot be read, is not YAML, or names an unknown field.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read '{file}': {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise UserError(f"'{file}' is not valid YAML: {problem}{place}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"'{file}' must hold fields such as 'seed: 0' (got {content!r:.40})")
    values = dict(_flat(content, str(file), ""))
    fields = config_fields()
    for name in values:
        if name not in fields:
            raise UserError(f"unknown field '{name}' in '{file}'{suggestion(name, fields)}")
    return values


def flatten(config: Config) -> dict[str, object]:
    """Every field's value by dotted name, as plain values (tuples become lists)."""
    return {
        name: value
        for section, content in config.to_dict().items()
        for name, value in (
            ((f"{section}.{leaf}", item) for leaf, item in content.items())
            if isinstance(content, dict)
            else [(section, content)]
        )
    }


def to_yaml(config: Config) -> str:
    """The configuration as YAML text that `read_config_file` understands."""
    return yaml.safe_dump(config.to_dict(), sort_keys=False)


def describe(hint: Any) -> str:
    """A type in words, for messages and help: ``a whole number``."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        inner, *_ = (part for part in typing.get_args(hint) if part is not type(None))
        return f"{describe(inner)} or null"
    if typing.get_origin(hint) is tuple:
        kind, last = typing.get_args(hint)
        noun = "whole numbers" if kind is int else "numbers"
        return f"{noun} such as 1,10" if last is Ellipsis else f"two {noun} such as 0.2,1"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[hint]


def example(hint: Any) -> str:
    """What stands for a value of a type in help: ``N``."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint, *_ = (part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return "A,B" if typing.get_args(hint)[1] is not Ellipsis else "A,B,..."
    return {int: "N", float: "X", bool: "true|false", str: "NAME"}[hint]


def suggestion(name: str, known: typing.Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known name closest to a wrong one, or nothing."""
    known = list(known)
    # A field typed without its section: 'epochs' for 'pretrain.epochs'.
    close = [field for field in known if field.endswith(f".{name.replace('-', '_')}")]
    close = close or difflib.get_close_matches(name.replace("-", "_"), known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _fields_of(owner: Any, prefix: str) -> Iterator[ConfigField]:
    hints = typing.get_type_hints(owner)
    documentation = owner.__doc__ or ""
    group = documentation.strip().partition("\n")[0]
    texts = _attribute_texts(documentation)
    for field in dataclasses.fields(owner):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from _fields_of(hint, f"{field.name}.")
        else:
            yield ConfigField(f"{prefix}{field.name}", hint, texts.get(field.name, ""), group)


def _attribute_texts(documentation: str) -> dict[str, str]:
    """The entries of a docstring's ``Attributes:`` section, each on one line."""
    _, _, section = documentation.partition("Attributes:\n")
    entries = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).replace("``", "'") for name, text in entries}


def _flat(content: dict[Any, Any], file: str, prefix: str) -> Iterator[tuple[str, object]]:
    sections = {name.partition(".")[0] for name in config_fields() if "." in name}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if not prefix and key in sections:
            if not isinstance(value, dict):
                raise UserError(f"'{name}' in '{file}' must hold fields (got {value!r:.40})")
            yield from _flat(value, file, f"{name}.")
        else:
            yield name, value


def _converted(hint: Any, value: object) -> object:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if value is None or (isinstance(value, str) and value.lower() in ("null", "none")):
            return None
        hint, *_ = (part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return _tuple(hint, value)
    if hint is bool:
        return _bool(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"not a single value: {value!r}")
    if hint is int and isinstance(value, float):
        raise TypeError("not a whole number")
    converted = hint(value)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError("not finite")
    return converted


def _bool(value: object) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    word = str(value).lower()  # YAML gives True itself, the command line its name
    if word not in words:
        raise ValueError(f"neither true nor false: {value!r}")
    return words[word]


def _tuple(hint: Any, value: object) -> tuple[object, ...]:
    kind, last = typing.get_args(hint)
    if isinstance(value, str):
        value = [part.strip() for part in value.strip("[]() ").split(",") if part.strip()]
    items = list(value) if isinstance(value, list | tuple) else [value]
    if last is not Ellipsis and len(items) != 2:
        raise ValueError(f"not two values: {value!r}")
    return tuple(_converted(kind, item) for item in items)
