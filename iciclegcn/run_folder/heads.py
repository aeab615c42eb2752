"""What the parts of a finished run say of every image, whatever its method."""

from collections.abc import Mapping

import numpy as np

from iciclegcn.config import Config
from iciclegcn.evaluation.per_image import UNASSIGNED
from iciclegcn.run_folder.artefacts import RunArtefacts

Arrays = Mapping[str, np.ndarray]

# The stages that write assignments.csv.
NAMES_CLUSTERS = ("cluster", "assign")


def name_clusters(artefacts: RunArtefacts, soft: Arrays, abstain: float) -> None:
    """Write ``assignments.csv``.

    Args:
        artefacts: Of a run whose images are listed.
        soft: What its ``assignments_soft.npz`` holds.
        abstain: Share of the images left unassigned: the least certain.
    """
    heads = [soft[name] for kind in ("stream", "network") for name in numbered(soft, kind)]
    paths = artefacts.read_listing().paths
    artefacts.write_assignments(paths, soft["output"], heads, abstain=abstain)


def soft_heads(artefacts: RunArtefacts, config: Config) -> dict[str, np.ndarray]:
    """Soft assignments [N, K] of every output head of a finished run, by name.

    ``output`` is what assignments.csv holds. IcicleGCN's others are ``streams``, their mean, each
    stream, ``q``, ``code``, and ``pretrained_code``, the code of stage 1, that is without GCNs. A
    classifier's are each of its networks where there are several, and ``base``, what the run it
    began with had said (of a K of its own).

    Args:
        artefacts: Of a run whose clusters are there.
        config: Its configuration.
    """
    soft = artefacts.read_arrays("assignments_soft")
    if config.method != "icicle":
        return soft
    streams = numbered(soft, "stream")
    heads = {"output": soft["output"], "streams": np.mean([soft[name] for name in streams], axis=0)}
    heads |= {name: soft[name] for name in (*streams, "q", "code")}
    heads["pretrained_code"] = artefacts.read_array("pretrained_code")
    return heads


def head_clusters(artefacts: RunArtefacts, config: Config) -> dict[str, np.ndarray]:
    """Clusters [N] of every output head of a finished run, by name; see `soft_heads`.

    ``output`` is -1 where an image was left unassigned; if one was, ``all_images`` has what it
    would have been.
    """
    found = {"output": artefacts.read_assignments().clusters}
    if (found["output"] == UNASSIGNED).any():
        found["all_images"] = artefacts.read_every_cluster()
    heads = {name: soft.argmax(axis=1) for name, soft in soft_heads(artefacts, config).items()}
    return found | {name: heads[name] for name in heads if name != "output"}


def numbered(soft: Arrays, kind: str) -> list[str]:
    """The names ``kind_0``, ``kind_1``, ... that are there, in order."""
    return [f"{kind}_{u}" for u in range(len(soft)) if f"{kind}_{u}" in soft]
