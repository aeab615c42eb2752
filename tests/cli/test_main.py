import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import iciclegcn
from iciclegcn.cli.configuration import resolve_config
from iciclegcn.cli.main import main
from iciclegcn.cli.parser import parse
from iciclegcn.config import Config
from iciclegcn.config.values import build_config, read_config_file
from iciclegcn.distributed.launch import Job, Processes
from tests.tiny_run import TINY_GCC, TINY_ON_A_RUN, tiny_options, write_images, write_labels

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a cache of the test's own."""
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def resolved(words: str) -> Config:
    return resolve_config(parse(words.split()))


def process(*words: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "iciclegcn"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *start, *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_help_answers_within_a_second_and_loads_no_torch() -> None:
    code = (
        "import sys; from iciclegcn.cli.main import main\n"
        "try: main(['run', '--help'])\n"
        "finally: print(sorted({'torch', 'sklearn', 'rich', 'numpy'} & set(sys.modules)))"
    )
    best = 10.0
    for _ in range(3):  # the machine may be busy: the quickest counts
        start = time.perf_counter()
        done = process(code=code)
        best = min(best, time.perf_counter() - start)
    assert done.returncode == 0
    assert done.stdout.endswith("\n[]\n")
    assert best < 1.0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"iciclegcn {iciclegcn.__version__}\n"


def test_without_words_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: iciclegcn COMMAND")


def test_the_printed_configuration_is_the_one_that_runs(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "run cifar10 --preset paper --graph.k 1,5,10 --mgcn.sigma 0.3 --seed 4 --strict"
    assert main([*words.split(), "--print-config"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["graph"]["k"] == [1, 5, 10]
    (home / "c.yaml").write_text(text, encoding="utf-8")
    assert build_config(Config(), read_config_file(home / "c.yaml")) == resolved(words)
    assert resolved("run --config c.yaml") == resolved(words)
    assert list(home.iterdir()) == [home / "c.yaml"]


MISTAKES = [
    ("run --sed 3", "did you mean '--seed'?"),
    ("run --seed x", "'seed' must be a whole number (got 'x')"),
    ("run --pretrain.epochs 0", "'pretrain.epochs' must be at least 1"),
    ("run --graph.k 1,a", "'graph.k' must be whole numbers"),
    ("run --num-clusters 1", "'--num-clusters' must be at least 2 (got 1)"),
    ("run --preset fast", "'--preset' must be one of quick, paper, official"),
    ("run --precision fp8", "'precision' must be one of auto, fp32, bf16, fp16"),
    ("run --backbone.name vgg", "'backbone.name' must be one of resnet18"),
    ("run --mgcn.output stream_7", "names stream_7 and 'graph.k' has 2 scale(s)"),
    ("run --config none.yaml", "cannot read 'none.yaml': No such file"),
    ("run --config bad.yaml", "'bad.yaml' is not valid YAML"),
    ("run --config key.yaml", "unknown field 'pretrain.epoch' in 'key.yaml'"),
    ("run --config .", "cannot read '.'"),
    ("run digist", "did you mean 'digits'?"),
    ("run images.npy", "give it with --num-clusters"),
    ("run images.npy --num-clusters 500", "at most the number of images, 120"),
    ("run images.npy --num-clusters 4 --graph.k 1,120", "'graph.k' must be below"),
    ("run images.npy --num-clusters 4 --labels none.csv", "'none.csv' does not exist"),
    ("run images.npy --num-clusters 4 --labels-from-folders", "'--labels-from-folders' needs"),
    ("run empty --num-clusters 4", "'empty'"),
    ("run digits --data.source stl10", "give one"),
    ("run --device tpu --pretrain.epochs 1", "'--device' must be auto, cpu or cuda[:N]"),
    ("run --precision fp16 --device cpu", "'--precision fp16' needs a GPU"),
    ("run --out bad.yaml", "'bad.yaml' is a file; give a folder"),
    ("run --out full", "holds other files and no run; give another --out"),
    ("embed --out nothing", "'nothing' is not a run folder"),
    ("evaluate --out full --labels y.csv", "'full' is not a run folder"),
    ("run --method gcc --preset official", "'--preset official' is IcicleGCN's alone"),
    ("run --method ruc", "use 'iciclegcn refine --run DIR'"),
    ("run --gcc.epochs 3", "changes nothing with the method icicle; add --method gcc"),
    ("run --method gcc --gcc.extra_source digist", "did you mean 'digits'?"),
    ("pretrain --method gcc", "unknown option '--method'"),
    ("refine", "required: --run"),
    ("refine --run nothing", "'nothing' is not a run folder; give that of a finished run"),
    ("self-label --run full --self_label.epochs 0", "'full' is not a run folder"),
    ("unknown", "unknown command 'unknown'"),
]


@pytest.mark.parametrize(("words", "fragment"), MISTAKES)
def test_mistakes_are_one_sentence_and_exit_2(
    words: str, fragment: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "bad.yaml").write_text("a: [\n", encoding="utf-8")
    (home / "key.yaml").write_text("pretrain: {epoch: 3}\n", encoding="utf-8")
    (home / "empty").mkdir()
    (home / "full").mkdir()
    (home / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    write_images(home / "images.npy")
    command = words.split()
    if command[0] == "run" and "--out" not in command:
        command += ["--out", "out"]
    assert main(command) == 2
    output = capsys.readouterr()
    assert output.out == ""
    said = [line for line in output.err.splitlines() if not line.startswith("data: ")]
    assert len(said) == 1, output.err
    assert said[0].startswith("iciclegcn: error: ")
    assert fragment in said[0]
    assert [file.name for file in (home / "full").iterdir()] == ["mine.txt"]


def test_a_mistake_in_a_process_exits_2_without_traceback() -> None:
    done = process("run", "digist")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_run_prints_results_on_stdout_and_a_line_a_stage_on_stderr(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(home / "images.npy")
    labels = write_labels(home / "labels.csv")
    words = ["run", "images.npy", "--labels", str(labels), *tiny_options()]
    assert main(words) == 0
    output = capsys.readouterr()
    out = "runs/images-quick-0"
    stages = [line.partition(":")[0] for line in output.err.splitlines() if "warning" not in line]
    notes = ("run folder", "exact search", "k = 1", "k = 3")
    assert set(notes) <= set(stages)
    stages = [stage for stage in stages if stage not in notes]
    assert stages == ["data", "pretrain", "embed", "graph", "cluster", "evaluate", "report"]
    assert f"run folder: {out} (--out chooses another)" in output.err
    assert f"{out}/assignments.csv" in output.out
    assert f"{out}/report.html" in output.out
    assert "without GCNs" in output.out
    assert (home / out / "metrics.json").is_file()

    assert main(words) == 0
    again = capsys.readouterr()
    assert again.out == output.out
    assert again.err == f"run folder: {out} (--out chooses another)\n"

    assert main([*words, "--pretrain.epochs", "5"]) == 2
    assert "pretrain.epochs: 2 -> 5" in capsys.readouterr().err


def test_stages_have_commands(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(home / "images.npy")
    out = ["--out", "run"]
    assert main(["pretrain", "images.npy", *out, *tiny_options()]) == 0
    assert "iciclegcn embed --out run" in capsys.readouterr().out
    assert main(["cluster", *out]) == 2
    assert "'iciclegcn embed --out run' first" in capsys.readouterr().err
    for command in ("embed", "graph", "cluster", "evaluate"):
        assert main([command, *out]) == 0
    capsys.readouterr()
    labels = str(write_labels(home / "labels.csv"))
    assert main(["evaluate", *out, "--labels", labels]) == 0
    assert "without GCNs" in capsys.readouterr().out


def test_every_method_has_a_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(home / "images.npy")
    labels = str(write_labels(home / "labels.csv"))
    words = ["run", "images.npy", "--method", "gcc", "--self-label", "--labels", labels]
    words += [*tiny_options(TINY_GCC), *tiny_options(TINY_ON_A_RUN["self-label"])]
    assert main(words) == 0
    output = capsys.readouterr()
    out = "runs/images-gcc-quick-0"
    assert f"run folder   {out}/self-label\n" in output.out
    assert "the run before" in output.out
    assert "ECE" in output.out
    assert output.err.count("train: ") == 2
    assert main(words) == 0
    assert capsys.readouterr().out == output.out

    refine = ["refine", "--run", f"{out}/self-label", *tiny_options(TINY_ON_A_RUN["ruc"])]
    assert main(refine) == 0
    output = capsys.readouterr()
    assert f"{out}/self-label/ruc/assignments.csv" in output.out
    assert "network 1" in output.out
    assert main([*refine, "--ruc.epochs", "3"]) == 2
    assert "ruc.epochs: 2 -> 3" in capsys.readouterr().err
    assert main([*refine, "--out", f"{out}/self-label"]) == 2
    assert "is the run to begin with; give another --out" in capsys.readouterr().err
    assert main(["evaluate", "--out", out, "--robustness"]) == 0
    assert "ACC under attack" in capsys.readouterr().out


def test_an_interruption_says_that_the_same_command_goes_on(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iciclegcn.pipeline.run", interrupted)
    assert main(["run", "--out", "run"]) == 130
    assert (
        capsys.readouterr().err == "interrupted: the same command goes on from where it stopped\n"
    )


def test_an_interruption_of_what_keeps_no_state_says_that_it_begins_anew(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iciclegcn.commands.report.run", interrupted)
    assert main(["report", "run"]) == 130
    assert capsys.readouterr().err == "interrupted: the same command begins anew\n"


def test_a_tilde_that_the_shell_left_is_the_home_folder(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert main(["evaluate", "--out=~/absent"]) == 2
    assert f"'{tmp_path}/user/absent' is not a run folder" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_exits_1_with_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: object, **__: object) -> None:
        raise FloatingPointError("the pretraining loss is not finite at step 3: loss nan")

    monkeypatch.setattr("iciclegcn.pipeline.run", diverge)
    assert main(["run", "--out", "run"]) == 1
    assert "at step 3: loss nan; try a lower learning rate" in capsys.readouterr().err


def test_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("iciclegcn.pipeline.run", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["run", "--out", "run"])


def test_conflicting_labels_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(home / "images.npy", np.zeros((9, 8, 8), np.uint8))
    write_labels(home / "y.csv")
    words = "run images.npy --num-clusters 2 --labels y.csv --labels-from-folders --out run"
    assert main(words.split()) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("run images.npy --num-clusters 2 --devices 3", 3),
        ("pretrain images.npy --num-clusters 2 --devices 2 --num-nodes 2", 4),
        ("cluster --out run --devices 2", 2),
        ("embed --out run --num-nodes 5", 5),
    ],
)
def test_several_processes_are_launched(
    words: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[tuple[Job, Processes, str]] = []

    def record(job: Job, wanted: Processes, device: str) -> int:
        launched.append((job, wanted, device))
        return 7

    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")  # put back afterwards
    monkeypatch.setattr("iciclegcn.cli.main.launch", record)
    assert main(words.split()) == 7
    [(job, wanted, device)] = launched
    assert (wanted.size, device) == (size, "auto")
    assert pickle.loads(pickle.dumps(job)).tell is job.tell  # spawned processes get it so


def test_one_process_launches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise ValueError("launched")

    monkeypatch.setattr("iciclegcn.cli.main.launch", refuse)
    assert main(["graph", "--out", "nowhere", "--devices", "1"]) == 2


def test_of_torchruns_processes_one_tells_a_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rank, lines in (("0", 1), ("1", 0)):
        monkeypatch.setenv("RANK", rank)
        assert main(["run", "--sed", "3"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == lines
