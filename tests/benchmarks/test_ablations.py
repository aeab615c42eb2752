import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ablations
from benchmarks.ablations import CLAIMS, LOSSES, RUC, TABLES, Ablation, write_tables
from benchmarks.measured_process import Measured, ProcessError
from benchmarks.method_parts import BY_NAME, Part
from benchmarks.methods import Comparison
from iciclegcn.config import RUCConfig
from iciclegcn.config.values import config_fields
from tests.benchmarks.fake_runner import CODE, FakeRunner


class Starting(FakeRunner):
    """Remembers the variants that are started; each is as good as the code of stage 1."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.started: list[tuple[str, list[str], str]] = []

    def schedule(self, part: Part, seed: int) -> list[str]:
        return ["--epochs-of", part.name]

    def start(self, part: Part, seed: int, schedule: Sequence[str], out: Path) -> Measured:
        self.started.append((part.kind, list(schedule), out.name))
        if "--ruc.mixmatch" in schedule:
            raise ProcessError("no")
        self.run(part, seed, 0.0)
        target = self.path(part.name, seed)
        out.mkdir(parents=True)
        for file in target.iterdir():
            (out / file.name).write_bytes(file.read_bytes())
        np.savez(out / "assignments_soft.npz", output=CODE)
        return Measured(50.0, 700.0)


@pytest.fixture
def runner(tmp_path: Path) -> Starting:
    return Starting(tmp_path / "runs")


@pytest.fixture
def ablation(tmp_path: Path, runner: Starting) -> Ablation:
    comparison = Comparison(runner.data, runner, tmp_path / "methods", 120.0)
    return Ablation(comparison, tmp_path / "ablations")


VARIANTS = {variant.name: variant for variant in (*LOSSES, *RUC)}


def test_the_full_row_is_the_one_of_the_comparison(ablation: Ablation, runner: Starting) -> None:
    assert ablation.row(VARIANTS["full"], 0)["figures"]["acc"] == 0.75
    assert ablation.row(VARIANTS["no_gcns"], 0)["figures"]["acc"] == 0.5
    assert runner.started == []
    assert [name for name, _ in runner.trained] == ["icicle"]


def test_the_full_row_keeps_the_figures_of_the_comparison(
    ablation: Ablation, runner: Starting
) -> None:
    part = BY_NAME["icicle"]
    full = ablation.comparison.row(part, 0)
    np.savez(runner.path(part.name, 0) / "assignments_soft.npz", output=CODE)
    row = ablation.row(VARIANTS["full"], 0)
    assert {name: row[name] for name in ("figures", "calibration", "without_gcns")} == {
        name: full[name] for name in ("figures", "calibration", "without_gcns")
    }
    assert row["figures"]["acc"] == 0.75


def test_a_variant_has_the_epochs_of_the_full_row(ablation: Ablation, runner: Starting) -> None:
    row = ablation.row(VARIANTS["no_cluster"], 0)
    words = ["--epochs-of", "icicle", "--pretrain.cluster_weight", "0"]
    assert runner.started == [("icicle", words, "icicle-no_cluster")]
    assert (row["figures"]["acc"], row["seconds"], row["peak_mib"]) == (0.5, 88.0, 700.0)
    assert ablation.row(VARIANTS["no_cluster"], 0)["figures"] == row["figures"]
    assert len(runner.started) == 1


def test_a_variant_of_stage_one_stops_there(ablation: Ablation, runner: Starting) -> None:
    row = ablation.row(VARIANTS["no_gcns_no_autoencoder"], 0)
    assert runner.started[0][0] == "pretrain"
    assert row["seconds"] == 82.0


def test_a_failing_variant_says_why(ablation: Ablation) -> None:
    row = ablation.row(VARIANTS["ruc_icicle_no_mixmatch"], 0)
    assert (row["status"], row["reason"]) == ("failed", "no")


def test_tables_and_claims_are_made_of_the_rows_that_are_there(
    ablation: Ablation, tmp_path: Path
) -> None:
    for seed in range(2):
        for name in ("full", "no_cluster"):
            ablation.row(VARIANTS[name], seed)
    page = write_tables("digits", "losses", ablation.folder, tmp_path)
    assert "| all losses, GCNs, auto-encoder | 75.0 ± 0.0 |" in page
    assert "| without instance contrast | not run yet |" in page
    assert "| Cluster contrast gains accuracy | ACC | 75.0 against 50.0 | +25.0 ± 0.0 |" in page
    assert (tmp_path / "ablations_losses_digits.json").exists()
    assert "| RUC on GCC: all of it | not run yet |" in write_tables(
        "digits", "ruc", ablation.folder, tmp_path
    )


def test_every_option_of_a_variant_is_one_of_the_configuration() -> None:
    fields = set(config_fields())
    for variant in VARIANTS.values():
        assert variant.of in BY_NAME
        assert {word[2:] for word in variant.words[::2]} <= fields


def test_every_component_of_ruc_is_left_out_once() -> None:
    switches = {
        field.name for field in dataclasses.fields(RUCConfig) if field.type in ("bool", bool)
    }
    varied = {word[6:] for variant in RUC for word in variant.words[::2]}
    assert switches | {"label_smoothing", "sampling"} == varied


def test_claims_are_about_rows_that_exist() -> None:
    for kind, claims in CLAIMS.items():
        names = {variant.name for variant in TABLES[kind]}
        assert all({claim.better, claim.worse} <= names for claim in claims)
    assert len(ablations.CLAIMS["ruc"]) == 2 * 7 * 2
