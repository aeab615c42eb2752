"""Completion for bash."""

from collections.abc import Iterator, Sequence

from iciclegcn.completion.words import CommandWords

_SCRIPT = """\
# Completes iciclegcn in bash; made by: iciclegcn completion bash
_iciclegcn_files() {{
    local IFS=$'\\n'
    COMPREPLY+=($(compgen -f -- "$1"))
    compopt -o filenames 2>/dev/null
}}
_iciclegcn() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local options="" fields="" valued="" arguments="" paths="" values=""
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    if [[ -n $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$word"))
    elif [[ $before == --* && ( $before == *.* || " $valued " == *" $before "* ) ]]; then
        _iciclegcn_files "$word"
    elif [[ $word == --*.* ]]; then
        COMPREPLY=($(compgen -W "$fields" -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        [[ ${{#COMPREPLY[@]}} == 1 && ${{COMPREPLY[0]}} == *. ]] && compopt -o nospace 2>/dev/null
    else
        COMPREPLY=($(compgen -W "$arguments" -- "$word"))
        if [[ -n $paths ]]; then _iciclegcn_files "$word"; fi
    fi
}}
complete -F _iciclegcn iciclegcn
"""


def bash_script(commands: Sequence[CommandWords]) -> str:
    """The script for bash.

    Fields of the configuration are offered by section first: ``--graph.``, then ``--graph.k``.

    Args:
        commands: From `iciclegcn.completion.words.command_words`.
    """
    return _SCRIPT.format(
        commands=" ".join(command.name for command in commands),
        cases="\n".join(line for command in commands for line in _case(command)),
        values="\n".join(line for command in commands for line in _values(command)),
    )


def _case(command: CommandWords) -> Iterator[str]:
    short = [option for option in command.options if not option.is_field]
    words = {
        "options": [*(option.flag for option in short), *command.sections],
        "fields": [option.flag for option in command.options if option.is_field],
        "valued": [option.flag for option in short if option.takes_value],
        "arguments": command.arguments,
        "paths": ["yes"] if command.takes_paths else [],
    }
    yield f"        {command.name})"
    for name, values in words.items():
        if values:
            yield f'            {name}="{" ".join(values)}"'
    yield "            ;;"


def _values(command: CommandWords) -> Iterator[str]:
    for option in command.options:
        if option.values:
            words = " ".join(option.values)
            yield f'        "{command.name} {option.flag}") values="{words}" ;;'
