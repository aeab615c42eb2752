import shutil
import subprocess
from pathlib import Path

import pytest

from iciclegcn.cli.parser import make_parser
from iciclegcn.completion.words import CommandWords, OptionWords, command_words
from iciclegcn.completion.zsh import zsh_script

SHARP = OptionWords("--knife", "how [sharp]: 'very'", takes_value=True, values=("blunt", "sharp"))
PLAIN = OptionWords("--deep", "", takes_value=False, values=())
SIZE = OptionWords("--knife.size", "", takes_value=True, values=())
CUT = CommandWords("cut-it", "cut: now", (SHARP, PLAIN, SIZE), ("left", "right"), takes_paths=True)


def test_help_is_quoted_for_zsh() -> None:
    script = zsh_script([CUT])
    assert "            'cut-it:cut\\: now'\n" in script
    assert "'--knife[how \\[sharp\\]\\: '\\''very'\\'']:value:(blunt sharp)'\n" in script
    assert "                '--deep'\n" in script
    assert "                '--knife.size:value:_files'\n" in script
    assert "                '*:argument:_iciclegcn_cut_it'\n" in script
    offers = "'words:word:(left right)' 'files:file:_files'"
    assert f"_iciclegcn_cut_it() {{ _alternative {offers} }}\n" in script


def test_an_argument_without_words_is_a_file() -> None:
    script = zsh_script([CommandWords("open", "open", (), (), takes_paths=True)])
    assert "_iciclegcn_open() { _alternative 'files:file:_files' }\n" in script
    assert "_iciclegcn_shut" not in zsh_script([CommandWords("shut", "shut", (), (), False)])


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_understands_the_script(tmp_path: Path) -> None:
    file = tmp_path / "_iciclegcn"
    file.write_text(zsh_script(command_words(make_parser())), encoding="utf-8")
    subprocess.run(["zsh", "-n", str(file)], check=True, capture_output=True)
