import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import method_runs
from benchmarks.measured_process import Measured
from benchmarks.method_data import BenchmarkData
from benchmarks.method_parts import BY_NAME
from benchmarks.method_runs import Runner, outputs, schedule_words, scheduled_epochs, stage_seconds
from iciclegcn.config import Config, GCCConfig

# Seconds once and an epoch of every program; GCC's epochs before and after the first graph.
ONCE, EPOCH, GCC_EPOCHS = 2.0, 0.5, (1.0, 3.0)


class Programs:
    """Stands in for `measured`: writes what a program would leave, after times known before."""

    def __init__(self) -> None:
        self.started: list[list[str]] = []
        self.late = 0.0  # seconds that an epoch after the tenth takes besides

    def __call__(self, module: str, arguments: Sequence[str], log: Path) -> Measured:
        words = list(arguments)
        self.started.append([module, *words])
        out = Path(words[words.index("--out") + 1])
        out.mkdir(parents=True, exist_ok=True)
        if module == "iciclegcn":
            stages = {name: {"seconds": 0.0} for name in ("pretrain", "embed", "graph", "cluster")}
            stages |= {name: {"seconds": 0.0} for name in ("train", "assign")}
            trained = "pretrain" if "--pretrain.epochs" in words else "train"
            stages[trained]["seconds"] = self._seconds(words)
            if not (out / "manifest.json").exists():
                (out / "manifest.json").write_text(json.dumps({"stages": stages}))
        else:
            (out / "facts.json").write_text(json.dumps({"seconds": 4.0, "epochs": 7}))
        return Measured(9.0, 100.0)

    def _seconds(self, words: list[str]) -> float:
        options = dict(pairwise(words))
        if "--gcc.epochs" in options:
            before = int(options["--gcc.first_graph_epoch"])
            after = int(options["--gcc.epochs"]) - before
            return ONCE + before * GCC_EPOCHS[0] + after * GCC_EPOCHS[1]
        epochs = int(next((v for k, v in options.items() if k.endswith(".epochs")), "0"))
        return ONCE + EPOCH * epochs + self.late * max(0, epochs - 10)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    found = Programs()
    monkeypatch.setattr(method_runs, "measured", found)
    return found


def make_runner(folder: Path) -> Runner:
    images = np.zeros((6, 1, 8, 8), dtype=np.uint8)
    return Runner(BenchmarkData("digits", ("digits",), images, np.arange(6) % 2, 2), folder)


def test_stage_one_trains_as_many_epochs_as_its_trials_say(
    tmp_path: Path, programs: Programs
) -> None:
    found = make_runner(tmp_path).run(BY_NAME["contrastive"], 3, 12.0)
    trials, final = programs.started[:-2], programs.started[-2]
    assert [words[words.index("--pretrain.epochs") + 1] for words in trials[::2]] == ["1", "4"]
    assert final[:5] == ["iciclegcn", "pretrain", "digits", "--seed", "3"]
    assert final[final.index("--pretrain.epochs") + 1] == "20"
    assert programs.started[-1][:2] == ["iciclegcn", "embed"]
    assert found.seconds == 12.0
    assert found.facts["costs"] == {"once": pytest.approx(2), "per_epoch": (pytest.approx(0.5),)}


def test_trials_are_shared_and_a_schedule_once_begun_is_kept(
    tmp_path: Path, programs: Programs
) -> None:
    make_runner(tmp_path).run(BY_NAME["contrastive"], 0, 12.0)
    before = len(programs.started)
    make_runner(tmp_path).run(BY_NAME["icicle"], 0, 9.0)  # the same stage 1: no trials
    assert len(programs.started) == before + 1
    # The budget changed, but the run has begun.
    make_runner(tmp_path).run(BY_NAME["icicle"], 0, 8.5)
    final = programs.started[-1]
    assert final[final.index("--pretrain.epochs") + 1] == "14"
    assert make_runner(tmp_path).schedule(BY_NAME["icicle"], 0) == ["--pretrain.epochs", "14"]


def test_a_training_that_misses_its_budget_is_made_again_with_what_it_told(
    tmp_path: Path, programs: Programs
) -> None:
    programs.late = 0.25
    # The trials promise 20 epochs in 12 s. They take 14.5, and the fit to all three says .64 s an
    # epoch and 1.7 s once.
    found = make_runner(tmp_path).run(BY_NAME["contrastive"], 0, 12.0)
    finals = [words for words in programs.started if str(tmp_path / "seed-0/contrastive") in words]
    epochs = [words[words.index("--pretrain.epochs") + 1] for words in finals[::2]]
    assert epochs == ["20", "16"]
    assert found.seconds == 2 + 0.5 * 16 + 0.25 * 6
    assert found.facts["schedule"] == ["--pretrain.epochs", "16"]
    assert not (tmp_path / "seed-0" / "contrastive-discarded").exists()
    # Later seeds know.
    make_runner(tmp_path).run(BY_NAME["contrastive"], 1, 12.0)
    later = programs.started[-2]
    assert later[later.index("--pretrain.epochs") + 1] == "16"


def test_a_budget_that_no_other_number_of_epochs_fits_better_is_left_missed(
    tmp_path: Path, programs: Programs
) -> None:
    found = make_runner(tmp_path).run(BY_NAME["contrastive"], 0, 0.1)
    assert found.seconds == 2.5  # one epoch, the fewest
    assert len(json.loads((tmp_path / "trials/pretrain.json").read_text())) == 2


def test_a_stop_between_a_missed_budget_and_the_next_training_costs_nothing(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.late = 0.25
    with monkeypatch.context() as stopped:
        stopped.setattr(Runner, "_discard", _stop)
        with pytest.raises(KeyboardInterrupt):
            make_runner(tmp_path).run(BY_NAME["contrastive"], 0, 12.0)
    found = make_runner(tmp_path).run(BY_NAME["contrastive"], 0, 12.0)
    assert found.seconds == 11.5


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_gcc_keeps_its_presets_share_of_epochs_before_the_first_graph(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = Config(gcc=GCCConfig(epochs=80, first_graph_epoch=30))
    monkeypatch.setattr(method_runs, "preset_config", lambda *_: preset)
    # 30 of 80 epochs at 1 s and 50 at 3 s are 2.25 s an epoch: 90 - 2 s pay for 39, of which
    # 3/8 are 14.6.
    make_runner(tmp_path).run(BY_NAME["gcc_base"], 0, 90.0)
    final = programs.started[-1]
    assert final[final.index("--gcc.epochs") + 1] == "39"
    assert final[final.index("--gcc.first_graph_epoch") + 1] == "15"
    assert final[final.index("--method") + 1] == "gcc"


def test_gcc_has_a_graph_however_short_the_budget(tmp_path: Path, programs: Programs) -> None:
    make_runner(tmp_path).run(BY_NAME["gcc"], 0, 0.0)
    final = programs.started[-1]
    assert final[final.index("--gcc.epochs") + 1] == "2"
    assert final[final.index("--gcc.first_graph_epoch") + 1] == "1"


def test_a_part_on_a_base_goes_on_from_the_run_of_the_same_seed(
    tmp_path: Path, programs: Programs
) -> None:
    found = make_runner(tmp_path).run(BY_NAME["ruc_gcc"], 2, 12.0)
    base = str(tmp_path / "seed-2" / "gcc_base")
    assert all(words[1:4] == ["refine", "--run", base] for words in programs.started)
    schedule = ["--ruc.epochs", "20", "--ruc.ramp_epochs", "20", "--ruc.refurbish_interval", "4"]
    assert programs.started[-1][-6:] == schedule
    assert found.seconds == 12.0


def test_scripts_get_their_budget_and_tell_their_seconds(
    tmp_path: Path, programs: Programs
) -> None:
    found = make_runner(tmp_path).run(BY_NAME["autoencoder"], 1, 30.0)
    assert programs.started[0][0] == "benchmarks.baselines"
    assert programs.started[0][1:4] == ["autoencoder", "--seconds", "30.0"]
    assert np.load(tmp_path / "images.npy").shape == (6, 1, 8, 8)
    assert (found.seconds, found.facts, found.process.peak_mib) == (4.0, {"epochs": 7}, 100.0)
    make_runner(tmp_path).run(BY_NAME["sdcn"], 1, 30.0)
    run = ["--run", str(tmp_path / "seed-1" / "icicle")]
    assert programs.started[1][-2:] == run


def test_the_attack_reads_what_evaluate_found(tmp_path: Path, programs: Programs) -> None:
    out = tmp_path / "seed-0" / "ruc_gcc"
    out.mkdir(parents=True)
    (out / "metrics.json").write_text(json.dumps({"robustness": {"fgsm": {"clean": 1.0}}}))
    found = make_runner(tmp_path).attack(BY_NAME["ruc_gcc"], 0)
    assert found == {"fgsm": {"clean": 1.0}}
    assert programs.started[0][1:] == ["evaluate", "--out", str(out), "--robustness"]


@pytest.mark.parametrize(
    ("kind", "epochs"),
    [("pretrain", (7,)), ("gcc", (3, 9)), ("refine", (20,)), ("self-label", (4,))],
)
def test_a_schedule_tells_its_epochs(kind: str, epochs: tuple[int, ...]) -> None:
    assert scheduled_epochs(kind, schedule_words(kind, epochs)) == epochs


def test_self_labelling_is_told_its_epochs() -> None:
    assert schedule_words("self-label", (9,)) == ["--self_label.epochs", "9"]
    # Fifths of a short schedule are whole epochs.
    assert schedule_words("refine", (3,))[-1] == "1"


def test_seconds_are_those_of_the_named_stages(tmp_path: Path) -> None:
    stages = {"data": {"seconds": 50.0}, "train": {"seconds": 1.25}, "assign": {"seconds": 2.5}}
    (tmp_path / "manifest.json").write_text(json.dumps({"stages": stages}))
    assert stage_seconds(tmp_path, ("train", "assign")) == 3.75


def test_outputs_come_from_what_each_kind_leaves(tmp_path: Path) -> None:
    soft = np.array([[0.9, 0.1], [0.2, 0.8]])
    np.save(tmp_path / "pretrained_code.npy", soft)
    np.savez(tmp_path / "assignments_soft.npz", output=soft[::-1])
    np.savez(tmp_path / "found.npz", assignments=np.array([1, 1]))
    hard, probabilities = outputs(BY_NAME["contrastive"], tmp_path)
    assert hard.tolist() == [0, 1]
    assert np.array_equal(probabilities, soft)  # type: ignore[arg-type]
    assert outputs(BY_NAME["gcc"], tmp_path)[0].tolist() == [1, 0]
    hard, probabilities = outputs(BY_NAME["kmeans"], tmp_path)
    assert (hard.tolist(), probabilities) == ([1, 1], None)
