"""What can follow ``iciclegcn``, read from its parser."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from iciclegcn.data.named import NAMED
from iciclegcn.presets import PRESETS

# Words for the values of options and arguments that do not list them themselves.
_VALUES: dict[str, tuple[str, ...]] = {
    "DATA": tuple(NAMED),
    "method": ("icicle", "gcc"),
    "preset": tuple(PRESETS),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
}


@dataclass(frozen=True)
class OptionWords:
    """One option of a command.

    Attributes:
        flag: As it is typed, with its dashes.
        text: Its help; empty for a field that the short help leaves out.
        takes_value: Whether a value follows.
        values: The values to choose from; empty: anything, such as a path.
    """

    flag: str
    text: str
    takes_value: bool
    values: tuple[str, ...]

    @property
    def is_field(self) -> bool:
        """Whether it is a field of a section of the configuration, such as --graph.k."""
        return "." in self.flag


@dataclass(frozen=True)
class CommandWords:
    """One command.

    Attributes:
        name: The word after ``iciclegcn``.
        text: Its line in the help.
        options: Its options, in the help's order.
        arguments: Words that its argument may be.
        takes_paths: Whether its argument may be a path as well.
    """

    name: str
    text: str
    options: tuple[OptionWords, ...]
    arguments: tuple[str, ...]
    takes_paths: bool

    @property
    def sections(self) -> list[str]:
        """Beginnings of its fields, such as ``--graph.``."""
        fields = [option.flag for option in self.options if option.is_field]
        return list(dict.fromkeys(f"{flag.partition('.')[0]}." for flag in fields))


def command_words(parser: argparse.ArgumentParser) -> list[CommandWords]:
    """Every command of the parser with its options.

    Args:
        parser: From `iciclegcn.cli.parser.make_parser`.
    """
    # argparse has no public way to ask what a parser understands.
    [commands] = [
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    texts = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    return [_command(name, texts[name], command) for name, command in commands.choices.items()]


def _command(name: str, text: str, parser: argparse.ArgumentParser) -> CommandWords:
    positional = [action for action in parser._actions if not action.option_strings]
    return CommandWords(
        name,
        text,
        options=tuple(_options(parser)),
        arguments=tuple(word for action in positional for word in _values(action)),
        takes_paths=any(action.choices is None for action in positional),
    )


def _options(parser: argparse.ArgumentParser) -> Iterator[OptionWords]:
    seen = set()
    for action in parser._actions:
        flags = [flag for flag in action.option_strings if flag.startswith("--")]
        # A field may be an option twice, by a short name too: --labels and --data.labels.
        for flag in flags:
            spelled = flag.replace("_", "-")
            if spelled not in seen:
                seen.add(spelled)
                yield OptionWords(spelled, _text(action), action.nargs != 0, _values(action))


def _values(action: argparse.Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    return _VALUES.get(action.dest, ())


def _text(action: argparse.Action) -> str:
    if action.help is None or action.help is argparse.SUPPRESS:
        return ""
    return action.help.replace("%%", "%")
