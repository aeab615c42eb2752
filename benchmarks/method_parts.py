"""The methods that are compared: what each trains, on what, and for what part of the time."""

from typing import NamedTuple

STAGE_ONE_SHARE = 0.75  # of IcicleGCN's time is for its stage 1, which other rows share
START_SHARE = 0.5  # of a row's time is for the run that is retrained in the other half


class Part(NamedTuple):
    """One training, in a process of its own.

    Attributes:
        name: Of its files and folders.
        title: Of its row.
        kind: ``baseline`` (`benchmarks.baselines`), ``stage_two`` (`benchmarks.stage_two`),
            ``pretrain``, ``icicle``, ``gcc``, ``self-label`` or ``refine`` (the command line).
        base: The part it goes on from, and whose seconds it is charged.
        share: Part of the row's time that is for its training; with a base: what that leaves.
            0: a method that has no use for time.
        shown: Whether it is a row of the table, or only a first stage of other rows.
        attacked: Whether its classifier's robustness is measured.
    """

    name: str
    title: str
    kind: str
    base: str | None = None
    share: float = 1.0
    shown: bool = True
    attacked: bool = False


# A part comes after its base.
PARTS = (
    Part("kmeans", "k-means on pixels", "baseline", share=0),
    Part("spectral", "spectral clustering", "baseline", share=0),
    Part("agglomerative", "agglomerative (Ward)", "baseline", share=0),
    Part("nmf", "NMF + k-means", "baseline", share=0),
    Part("autoencoder", "auto-encoder + k-means", "baseline"),
    Part("dec", "DEC", "baseline"),
    Part("idec", "IDEC", "baseline"),
    Part("contrastive", "contrastive clustering (stage 1 alone)", "pretrain"),
    Part("icicle", "IcicleGCN `quick`", "icicle", share=STAGE_ONE_SHARE),
    Part("sdcn", "SDCN on its features", "stage_two", "icicle"),
    Part("paper", "IcicleGCN, stage 2 of `paper`", "stage_two", "icicle"),
    Part("official", "IcicleGCN, stage 2 of `official`", "stage_two", "icicle"),
    Part("gcc", "GCC", "gcc"),
    Part("gcc_base", "GCC, half", "gcc", None, START_SHARE, shown=False, attacked=True),
    Part("gcc_self_label", "GCC + self-labelling", "self-label", "gcc_base"),
    Part("icicle_base", "IcicleGCN, half", "icicle", None, START_SHARE, shown=False, attacked=True),
    Part("ruc_icicle", "RUC on IcicleGCN", "refine", "icicle_base", attacked=True),
    Part("ruc_gcc", "RUC on GCC", "refine", "gcc_base", attacked=True),
)
BY_NAME = {part.name: part for part in PARTS}

# Stages of a run folder whose seconds are a method's: not reading images, not evaluation.
STAGES_OF_KIND = {
    "pretrain": ("pretrain", "embed"),
    "icicle": ("pretrain", "embed", "graph", "cluster"),
    # The graph of these is made for their evaluation only.
    "gcc": ("train", "assign"),
    "self-label": ("train", "assign"),
    "refine": ("train", "assign"),
}
# What a second stage is charged of IcicleGCN's run.
FIRST_STAGES = ("pretrain", "embed", "graph")


def charged_stages(base: Part, part: Part) -> tuple[str, ...]:
    """Stages of the base's run that a part goes on from, and is charged."""
    return FIRST_STAGES if part.kind == "stage_two" else STAGES_OF_KIND[base.kind]


def budget(part: Part, seconds: float, charged: float) -> float:
    """Seconds that a part may train.

    Args:
        part: Which.
        seconds: Of a whole row.
        charged: What its base took already.
    """
    return max(0.0, part.share * seconds - charged)
