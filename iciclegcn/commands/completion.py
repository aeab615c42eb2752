"""``iciclegcn completion``: a script that lets a shell complete commands and options."""

import argparse

SHELLS = ("bash", "zsh", "fish")

_EPILOG = """\
bash   add to ~/.bashrc:  eval "$(iciclegcn completion bash)"
zsh    add to ~/.zshrc, after compinit:  eval "$(iciclegcn completion zsh)"
fish   iciclegcn completion fish > ~/.config/fish/completions/iciclegcn.fish
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.usage = f"{parser.prog} SHELL"
    parser.epilog = _EPILOG
    parser.add_argument("SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> int:
    """Print the script.

    Args:
        options: ``SHELL``.
    """
    from iciclegcn.cli.parser import make_parser
    from iciclegcn.completion.bash import bash_script
    from iciclegcn.completion.fish import fish_script
    from iciclegcn.completion.words import command_words
    from iciclegcn.completion.zsh import zsh_script

    scripts = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
    print(scripts[options.SHELL](command_words(make_parser())), end="")
    return 0
