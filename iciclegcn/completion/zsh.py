"""Completion for zsh."""

from collections.abc import Iterator, Sequence

from iciclegcn.completion.words import CommandWords, OptionWords

_SCRIPT = """\
#compdef iciclegcn
# Completes iciclegcn in zsh; made by: iciclegcn completion zsh
{arguments}
_iciclegcn() {{
    local -a commands options
    if (( CURRENT == 2 )); then
        commands=(
{commands}
        )
        _describe command commands
        return
    fi
    case ${{words[2]}} in
{cases}
    esac
    shift words
    (( CURRENT-- ))
    _arguments -S : $options
}}
compdef _iciclegcn iciclegcn
"""


def zsh_script(commands: Sequence[CommandWords]) -> str:
    """The script for zsh.

    Args:
        commands: From `iciclegcn.completion.words.command_words`.
    """
    return _SCRIPT.format(
        commands="\n".join(
            f"            {_quoted(f'{command.name}:{_escaped(command.text)}')}"
            for command in commands
        ),
        arguments="\n".join(_argument(command) for command in commands if _takes_any(command)),
        cases="\n".join(line for command in commands for line in _case(command)),
    )


def _case(command: CommandWords) -> Iterator[str]:
    yield f"        {command.name})"
    yield "            options=("
    for option in command.options:
        yield f"                {_quoted(_option(option))}"
    if _takes_any(command):
        yield f"                {_quoted(f'*:argument:{_argument_function(command)}')}"
    yield "            )"
    yield "            ;;"


def _argument(command: CommandWords) -> str:
    """A function that offers the words of an argument, and files where they fit."""
    offers = [f"words:word:({' '.join(command.arguments)})"] if command.arguments else []
    offers += ["files:file:_files"] if command.takes_paths else []
    return f"{_argument_function(command)}() {{ _alternative {' '.join(map(_quoted, offers))} }}"


def _takes_any(command: CommandWords) -> bool:
    return bool(command.arguments) or command.takes_paths


def _argument_function(command: CommandWords) -> str:
    return f"_iciclegcn_{command.name.replace('-', '_')}"


def _option(option: OptionWords) -> str:
    """What ``_arguments`` calls a specification: --flag[text]:message:action."""
    text = f"[{_escaped(option.text)}]" if option.text else ""
    if not option.takes_value:
        return f"{option.flag}{text}"
    action = f"({' '.join(option.values)})" if option.values else "_files"
    return f"{option.flag}{text}:value:{action}"


def _escaped(text: str) -> str:
    """Help with its colons and brackets as plain characters."""
    return "".join(f"\\{letter}" if letter in "\\:[]" else letter for letter in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
