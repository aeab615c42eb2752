import shutil
import subprocess

import pytest

from iciclegcn.cli.parser import make_parser
from iciclegcn.completion.fish import fish_script
from iciclegcn.completion.words import CommandWords, OptionWords, command_words

SHARP = OptionWords("--knife", "it's sharp", takes_value=True, values=("blunt", "sharp"))
PLAIN = OptionWords("--deep", "", takes_value=False, values=())
SIZE = OptionWords("--knife.size", "", takes_value=True, values=())
SEEN = "complete -c iciclegcn -n '__fish_seen_subcommand_from cut'"


def test_every_option_is_one_line() -> None:
    cut = CommandWords("cut", "cut it", (SHARP, PLAIN, SIZE), ("left", "right"), takes_paths=False)
    assert fish_script([cut]).splitlines()[3:] == [
        "complete -c iciclegcn -n __fish_use_subcommand -f -a cut -d 'cut it'",
        f"{SEEN} -f",
        f"{SEEN} -a 'left right'",
        f"{SEEN} -l knife -x -a 'blunt sharp' -d 'it\\'s sharp'",
        f"{SEEN} -l deep",
        f"{SEEN} -l knife.size -r",
    ]


def test_paths_stay_where_they_fit() -> None:
    assert f"{SEEN} -f" not in fish_script([CommandWords("cut", "", (), (), takes_paths=True)])


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_words() -> None:
    script = fish_script(command_words(make_parser()))
    line = f"{script}\ncomplete -C 'iciclegcn run --pres'"
    done = subprocess.run(["fish", "-c", line], check=True, capture_output=True, text=True)
    assert done.stdout.split("\t")[0] == "--preset"
