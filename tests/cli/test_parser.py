import pytest

from iciclegcn.cli.parser import COMMANDS, parse
from iciclegcn.commands import BESIDE
from iciclegcn.config.values import config_fields
from iciclegcn.data.named import NAMED
from iciclegcn.errors import UserError


def given(words: str) -> dict[str, object]:
    fields = vars(parse(words.split()))
    return {name: value for name, value in fields.items() if name in config_fields()}


def test_only_given_options_appear() -> None:
    assert given("run") == {}
    assert given("run photos --num-clusters 5 --seed=3") == {"num_clusters": "5", "seed": "3"}
    assert parse(["run", "photos"]).DATA == "photos"
    assert parse(["run"]).DATA is None


@pytest.mark.parametrize(
    "words", ["run photos --seed 3", "run --seed 3 photos", "run --strict photos"]
)
def test_the_data_may_stand_anywhere(words: str) -> None:
    assert parse(words.split()).DATA == "photos"


def test_short_flags_are_fields() -> None:
    assert given("run --labels y.csv --strict") == {"data.labels": "y.csv", "data.strict": True}
    assert given("run --labels-from-folders") == {"data.labels_from_folders": True}
    assert given("evaluate --out a --labels y.csv") == {"data.labels": "y.csv"}


def test_dashes_and_underscores_are_the_same() -> None:
    expected = {"pretrain.batch_size": "8", "num_clusters": "3"}
    assert given("run --pretrain.batch-size 8 --num_clusters 3") == expected
    assert given("run --pretrain.batch_size=8 --num-clusters=3") == expected


@pytest.mark.parametrize("field", sorted(config_fields().keys() - {"base"}))
def test_every_field_is_an_option(field: str) -> None:
    assert given(f"run --{field} 1") == {field: "1"}
    if field != "method":  # 'pretrain' is a stage of one
        assert given(f"pretrain --{field} 1") == {field: "1"}


@pytest.mark.parametrize(
    ("command", "section", "others"),
    [("self-label", "self_label", "ruc"), ("refine", "ruc", "gcc")],
)
def test_what_begins_with_a_run_takes_its_methods_fields(
    command: str, section: str, others: str
) -> None:
    assert given(f"{command} --run a --{section}.epochs 3 --seed 1 --graph.k 2") == {
        f"{section}.epochs": "3",
        "seed": "1",
        "graph.k": "2",
    }
    for field in (f"{others}.epochs", "data.source", "num-clusters"):
        with pytest.raises(UserError, match=f"unknown option '--{field}'"):
            parse(f"{command} --run a --{field} 1".split())


def test_self_labelling_may_follow_a_run() -> None:
    assert parse(["run", "--self-label"]).self_label is True
    assert parse(["run"]).self_label is False
    assert given("run --self-label --self-label.epochs 3") == {"self_label.epochs": "3"}


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ("rnu", "unknown command 'rnu'; did you mean 'run'?"),
        ("photos", "commands are run, pretrain"),
        ("run --sed 3", "unknown option '--sed'; did you mean '--seed'?"),
        ("run --epochs 3", "did you mean '--pretrain.epochs'?"),
        ("--verbose", "unknown option '--verbose'; see 'iciclegcn --help'"),
        ("run --bogus-thing 3", "unknown option '--bogus-thing'; see 'iciclegcn run --help'"),
        ("run --seed", "argument --seed: expected one argument"),
        ("run a b", "unexpected 'b'"),
        ("embed", "required: --out"),
        ("refine", "required: --run"),
        ("self-label --out a", "required: --run"),
        ("refine --run a --epochs 3", "did you mean '--ruc.epochs'?"),
        ("embed --out a --self-label", "unknown option '--self-label'"),
        ("embed --out a --seed 3", "unknown option '--seed'"),
        ("run --strict=1", "--strict"),
    ],
)
def test_wrong_words_are_told_in_one_line(words: str, fragment: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(words.split())
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def help_of(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(words.split())
    assert caught.value.code == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of("--help", capsys)
    for command in COMMANDS:
        assert f"\n    {command} " in text
    assert parse([]).command is None
    assert capsys.readouterr().out == text


def test_the_help_of_run_is_short_and_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of("run --help", capsys)
    assert text.startswith("usage: iciclegcn run [DATA]")
    assert len(text.splitlines()) < 45
    assert max(map(len, text.splitlines())) < 80
    for name in NAMED:
        assert name in text
    assert "--pretrain.batch_size" not in text


def test_all_fields_are_listed_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of("run --help-all", capsys)
    for name in config_fields().keys() - {"base"}:
        assert f"--{name} " in text or f"--{name.replace('_', '-')} " in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = f"usage: iciclegcn {command}" if command in BESIDE else "--out"
    assert expected in help_of(f"{command} --help", capsys)
