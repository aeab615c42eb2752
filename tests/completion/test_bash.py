import shutil
import subprocess
from pathlib import Path

import pytest

from iciclegcn.cli.parser import make_parser
from iciclegcn.completion.bash import bash_script
from iciclegcn.completion.words import command_words

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not installed")


@pytest.fixture(scope="module")
def script() -> str:
    return bash_script(command_words(make_parser()))


def completed(script: str, folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    line = (
        f'{script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _iciclegcn\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [str(BASH), "-c", line, "bash", "iciclegcn", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("se", ["self-label"]),
        ("run --pre", ["--preset", "--precision", "--pretrain."]),
        ("run --graph.i", ["--graph.index"]),
        ("run --method ''", ["icicle", "gcc"]),
        ("run cifar", ["cifar10", "cifar100"]),
        ("run photos --precision b", ["bf16"]),
        ("completion ''", ["bash", "zsh", "fish"]),
        ("self-label --ru", ["--run"]),
        ("doctor x", []),
        ("run --strict cifar", ["cifar10", "cifar100"]),  # no value follows
    ],
)
def test_words_are_offered(words: str, expected: list[str], script: str, tmp_path: Path) -> None:
    given = [word.replace("''", "") for word in words.split()]
    assert completed(script, tmp_path, *given) == expected


def test_paths_are_offered_where_they_fit(script: str, tmp_path: Path) -> None:
    (tmp_path / "my photos").mkdir()
    assert completed(script, tmp_path, "run", "my") == ["my photos"]
    assert completed(script, tmp_path, "evaluate", "--out", "my") == ["my photos"]
    assert completed(script, tmp_path, "run", "--data.source", "my") == ["my photos"]
    assert completed(script, tmp_path, "run", "--strict", "my") == ["my photos"]


def test_the_script_registers_itself(script: str) -> None:
    done = subprocess.run(
        [str(BASH), "-c", f"{script}\ncomplete -p iciclegcn"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "complete -F _iciclegcn iciclegcn\n"
