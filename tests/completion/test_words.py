import argparse

import pytest

from iciclegcn.cli.parser import COMMANDS, make_parser
from iciclegcn.completion.words import CommandWords, OptionWords, command_words
from iciclegcn.config.values import config_fields


@pytest.fixture(scope="module")
def commands() -> dict[str, CommandWords]:
    return {command.name: command for command in command_words(make_parser())}


def small_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    command = parser.add_subparsers().add_parser("cut", help="cut it")
    command.add_argument("PLACE", choices=("left", "right"))
    command.add_argument("--deep", action="store_true", help="to 100 %%")
    command.add_argument("--knife.size", dest="knife.size", help=argparse.SUPPRESS)
    command.add_argument("--knife", "-k", choices=("blunt", "sharp"))
    return parser


def test_a_parser_is_read_as_it_is() -> None:
    [cut] = command_words(small_parser())
    assert (cut.name, cut.text) == ("cut", "cut it")
    assert cut.arguments == ("left", "right")
    assert not cut.takes_paths
    assert cut.sections == ["--knife."]
    assert cut.options[1:] == (
        OptionWords("--deep", "to 100 %", takes_value=False, values=()),
        OptionWords("--knife.size", "", takes_value=True, values=()),
        OptionWords("--knife", "", takes_value=True, values=("blunt", "sharp")),
    )


def test_every_command_is_there_with_its_help(commands: dict[str, CommandWords]) -> None:
    assert {name: command.text for name, command in commands.items()} == COMMANDS


def test_run_offers_every_field_and_data_set(commands: dict[str, CommandWords]) -> None:
    run = commands["run"]
    flags = [option.flag for option in run.options]
    assert len(set(flags)) == len(flags)
    fields = {f"--{name.replace('_', '-')}" for name in config_fields().keys() - {"base"}}
    assert fields <= set(flags)
    assert "cifar10" in run.arguments
    assert run.takes_paths
    by_flag = {option.flag: option for option in run.options}
    assert by_flag["--preset"].values == ("quick", "paper", "official")
    assert not by_flag["--strict"].takes_value
    assert by_flag["--graph.k"].is_field
    assert not by_flag["--graph.k"].text
