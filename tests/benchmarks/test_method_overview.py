from pathlib import Path
from typing import Any

from benchmarks.common import write_result
from benchmarks.method_overview import FILE, overview, read_results, write_overview


def row(
    part: str, acc: float | None, ece: float | None = None, n: int = 3, *, shown: bool = True
) -> dict[str, Any]:
    return {
        **{"part": part, "title": part.upper(), "shown": shown, "n": n},
        **{name: spread(value, n) for name, value in (("acc", acc), ("ece", ece))},
    }


def spread(mean: float | None, n: int) -> dict[str, Any] | None:
    return None if mean is None else {"mean": mean, "std": 0.01, "seeds": [mean] * n}


def finding(text: str, gain: float | None, verdict: str) -> dict[str, Any]:
    test = None if gain is None else {"mean": gain}
    return {"claim": {"text": text}, "test": test, "verdict": verdict}


DIGITS = {
    "minutes": 2.0,
    "rows": [row("kmeans", 0.5), row("gcc", 0.9, 0.1), row("half", 0.8, shown=False)],
    "claims": [finding("GCNs help", 0.015, "holds"), finding("RUC helps", None, "cannot be told")],
}
MNIST = {
    "minutes": 4.0,
    "rows": [row("kmeans", None, n=0), row("gcc", 0.8, 0.2)],
    "claims": [finding("GCNs help", -0.02, "does not hold")],
}


def test_every_data_set_has_its_columns() -> None:
    page = overview({"digits": DIGITS, "mnist5k": MNIST}).splitlines()
    assert "digits 2, MNIST-5k 4." in page[2]
    assert page[4] == "| method | digits, ACC | digits, ECE | MNIST-5k, ACC | MNIST-5k, ECE |"
    assert page[6] == "| KMEANS | 50.0 ± 1.0 (3) | — | — | — |"
    assert page[7] == "| GCC | 90.0 ± 1.0 (3) | 10.0 ± 1.0 | 80.0 ± 1.0 (3) | 20.0 ± 1.0 |"
    assert not any("HALF" in line for line in page)


def test_a_single_seed_has_no_deviation() -> None:
    page = overview({"digits": {**DIGITS, "rows": [row("gcc", 0.9, 0.1, n=1)]}})
    assert "| GCC | 90.0 (1) | 10.0 |\n" in page


def test_every_claim_has_its_line() -> None:
    page = overview({"digits": DIGITS, "mnist5k": MNIST})
    assert "| claim | digits | MNIST-5k |\n" in page
    assert "| GCNs help | holds (+1.5) | does not hold (-2.0) |\n" in page
    assert "| RUC helps | not measured | not measured |\n" in page


def test_the_page_is_made_of_the_results_that_are_there(tmp_path: Path) -> None:
    for name, result in (("mnist5k", MNIST), ("digits", DIGITS)):
        write_result(f"methods_{name}", result, tmp_path / f"methods_{name}.json")
    assert list(read_results(tmp_path)) == ["digits", "mnist5k"]
    write_overview(tmp_path)
    known = {"digits": DIGITS, "mnist5k": MNIST}
    assert (tmp_path / FILE).read_text(encoding="utf-8") == overview(known)
