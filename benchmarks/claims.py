"""What the papers claim, held against the rows that were measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.paired_test import UNKNOWN, Paired, paired_test

Record = Mapping[str, Any]
Records = Mapping[tuple[str, int], Record]  # by row and seed
_EPSILON = 8 / 255  # a perturbation that an eye hardly sees


class Claim(NamedTuple):
    """One row is better than another in one figure.

    Attributes:
        text: What is claimed.
        figure: Which figure, by the name of its reader.
        better: The row that is claimed to be better.
        worse: The other; its figure is read by ``against`` where that is given.
        against: Another figure of the other row.
    """

    text: str
    figure: str
    better: str
    worse: str
    against: str | None = None


class Finding(NamedTuple):
    """What the rows say of a claim.

    Attributes:
        claim: Which.
        better: Mean of the row that is claimed to be better; None without a pair.
        worse: Mean of the other.
        test: Of the gains, positive where the claim is right; None without a pair.
        verdict: ``holds``, ``does not hold`` or ``cannot be told``.
    """

    claim: Claim
    better: float | None
    worse: float | None
    test: Paired | None
    verdict: str

    def figures(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        test = None if self.test is None else self.test._asdict()
        return {**self._asdict(), "claim": self.claim._asdict(), "test": test}


CLAIMS = (
    Claim(
        "GCNs beat the cluster head of the same stage 1", "acc", "icicle", "icicle", "acc_no_gcn"
    ),
    Claim("GCNs beat stage 1 alone in equal time", "acc", "icicle", "contrastive"),
    Claim("Two scales (`paper`) beat one (SDCN) on the same features", "acc", "paper", "sdcn"),
    Claim("Self-labelling gains accuracy over its own start", "acc", "gcc_self_label", "gcc_base"),
    Claim("Self-labelling beats GCC in equal time", "acc", "gcc_self_label", "gcc"),
    Claim("RUC gains accuracy over its own start, IcicleGCN", "acc", "ruc_icicle", "icicle_base"),
    Claim("RUC beats IcicleGCN in equal time", "acc", "ruc_icicle", "icicle"),
    Claim("RUC gains accuracy over its own start, GCC", "acc", "ruc_gcc", "gcc_base"),
    Claim("RUC beats GCC in equal time", "acc", "ruc_gcc", "gcc"),
    Claim(
        "RUC is better calibrated than its own start, IcicleGCN", "ece", "ruc_icicle", "icicle_base"
    ),
    Claim("RUC is better calibrated than its own start, GCC", "ece", "ruc_gcc", "gcc_base"),
    Claim(
        "RUC loses less to FGSM than its own start, IcicleGCN",
        "lost_fgsm",
        "ruc_icicle",
        "icicle_base",
    ),
    Claim("RUC loses less to FGSM than its own start, GCC", "lost_fgsm", "ruc_gcc", "gcc_base"),
    Claim(
        "RUC loses less to BIM than its own start, IcicleGCN",
        "lost_bim",
        "ruc_icicle",
        "icicle_base",
    ),
    Claim("RUC loses less to BIM than its own start, GCC", "lost_bim", "ruc_gcc", "gcc_base"),
)


def _lost(record: Record, attack: str) -> float:
    found = record["robustness"][attack]
    distances = [abs(epsilon - _EPSILON) for epsilon in found["epsilons"]]
    return float(found["clean"] - found["accuracies"][distances.index(min(distances))])


# How a figure is read from a row, and whether more of it is better.
FIGURES: dict[str, tuple[Callable[[Record], float], bool]] = {
    "acc": (lambda record: float(record["figures"]["acc"]), True),
    "nmi": (lambda record: float(record["figures"]["nmi"]), True),
    "ari": (lambda record: float(record["figures"]["ari"]), True),
    "acc_no_gcn": (lambda record: float(record["without_gcns"]["acc"]), True),
    "ece": (lambda record: float(record["calibration"]["ece"]), False),
    "lost_fgsm": (lambda record: _lost(record, "fgsm"), False),
    "lost_bim": (lambda record: _lost(record, "bim"), False),
}


def by_row_and_seed(records: Sequence[Record]) -> dict[tuple[str, int], Record]:
    """The rows that were measured, by row and seed."""
    return {(r["part"], r["seed"]): r for r in records if r["status"] == "done"}


def check(claim: Claim, records: Records) -> Finding:
    """Hold a claim against the rows that share a seed.

    Args:
        claim: Which.
        records: Rows that were measured.
    """
    read, more_is_better = FIGURES[claim.figure]
    read_other = FIGURES[claim.against or claim.figure][0]
    pairs = []
    for (part, seed), record in sorted(records.items(), key=lambda item: item[0]):
        other = records.get((claim.worse, seed))
        if part == claim.better and other is not None:
            own, others = _figure(record, read), _figure(other, read_other)
            if own is not None and others is not None:
                pairs.append((own, others))
    sign = 1 if more_is_better else -1
    gains = [sign * (own - others) for own, others in pairs]
    if not gains:
        return Finding(claim, None, None, None, UNKNOWN)
    test = paired_test(gains)
    better, worse = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    return Finding(claim, better, worse, test, test.verdict)


def claims_table(findings: Sequence[Finding]) -> str:
    """The findings in Markdown, every figure in per cent."""
    lines = [
        "| claim | figure | rows | gain in points | p | pairs | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim, better, worse, test, verdict in findings:
        lost, _, name = claim.figure.rpartition("_")
        name = f"lost accuracy, {name.upper()}" if lost else name.upper()
        if better is None or worse is None or test is None:
            cells = [claim.text, name, "not measured", "", "", "0", verdict]
        else:
            p = "" if test.p is None else f"{test.p:.3f}"
            rows = f"{100 * better:.1f} against {100 * worse:.1f}"
            gain = f"{100 * test.mean:+.1f} ± {100 * test.std:.1f}"
            cells = [claim.text, name, rows, gain, p, str(test.pairs), verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _figure(record: Record, read: Callable[[Record], float]) -> float | None:
    """A figure of a row, None where it was not measured."""
    try:
        return read(record)
    except (KeyError, TypeError):  # absent, or null in the file
        return None
