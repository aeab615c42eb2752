"""Completion for fish."""

from collections.abc import Iterator, Sequence

from iciclegcn.completion.words import CommandWords, OptionWords

_HEADER = """\
# Completes iciclegcn in fish; made by: iciclegcn completion fish
complete -c iciclegcn -n __fish_use_subcommand -f -l help -d 'show what there is'
complete -c iciclegcn -n __fish_use_subcommand -f -l version -d 'show the version'
"""


def fish_script(commands: Sequence[CommandWords]) -> str:
    """The script for fish.

    Args:
        commands: From `iciclegcn.completion.words.command_words`.
    """
    lines = [line for command in commands for line in _command(command)]
    return _HEADER + "".join(f"{line}\n" for line in lines)


def _command(command: CommandWords) -> Iterator[str]:
    text = _quoted(command.text)
    yield f"complete -c iciclegcn -n __fish_use_subcommand -f -a {command.name} -d {text}"
    seen = f"-n {_quoted(f'__fish_seen_subcommand_from {command.name}')}"
    if not command.takes_paths:
        yield f"complete -c iciclegcn {seen} -f"
    if command.arguments:
        yield f"complete -c iciclegcn {seen} -a {_quoted(' '.join(command.arguments))}"
    for option in command.options:
        yield f"complete -c iciclegcn {seen} {_option(option)}"


def _option(option: OptionWords) -> str:
    words = [f"-l {option.flag.removeprefix('--')}"]
    if option.values:  # -x: a value follows, and it is no file
        words.append(f"-x -a {_quoted(' '.join(option.values))}")
    elif option.takes_value:
        words.append("-r")
    if option.text:
        words.append(f"-d {_quoted(option.text)}")
    return " ".join(words)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
