"""Cluster a folder of images through the Python API.

    python examples/own_photographs.py [FOLDER K]

Without arguments it paints 160 small pictures of four kinds first, each kind in a folder of its
own, and uses the folders' names at the end to say how good the clusters are.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from iciclegcn import RunArtefacts, build_config, preset_config, run

SIDE = 40
KINDS = ("discs", "rings", "stripes", "tiles")


def paint(kind: str, rng: np.random.Generator) -> Image.Image:
    """One picture: a pattern at a random place and scale in two random colours."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    top, left = rng.uniform(0.35, 0.65, 2)
    distance = np.hypot(rows - top, columns - left)
    scale = rng.uniform(0.8, 1.2)
    pattern = {
        "discs": distance < 0.28 * scale,
        "rings": np.sin(50 * distance / scale) > 0,
        "stripes": np.sin(40 * (columns + top) / scale) > 0,
        "tiles": (np.sin(25 * (rows + top) / scale) > 0) ^ (np.sin(25 * (columns + left)) > 0),
    }[kind]
    dark, light = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    pixels = np.where(pattern[..., None], light, dark) + rng.normal(0, 12, (SIDE, SIDE, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def paint_folder(folder: Path, each: int = 40) -> None:
    """Write ``each`` pictures of every kind."""
    rng = np.random.default_rng(0)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for number in range(each):
            paint(kind, rng).save(folder / kind / f"{number:03}.png")


def main() -> None:
    """Run everything, then read the clusters from the run folder."""
    with tempfile.TemporaryDirectory() as scratch:
        given = len(sys.argv) > 1
        folder = Path(sys.argv[1]) if given else Path(scratch) / "pictures"
        changes: dict[str, object] = {"num_clusters": int(sys.argv[2]) if given else len(KINDS)}
        if not given:
            paint_folder(folder)
            # Little to see and little time: small batches, few epochs.
            changes |= {"pretrain.batch_size": 40, "pretrain.epochs": 25, "mgcn.iterations": 10}
            changes["data.labels_from_folders"] = True  # for the figures only
        config = build_config(preset_config("quick", str(folder)), changes)
        out = Path("runs/own_photographs") if given else Path(scratch) / "run"
        artefacts = RunArtefacts(run(config, out))
        assignments, metrics = artefacts.read_assignments(), artefacts.read_metrics()
        for cluster in range(metrics["num_clusters"]):
            members = np.flatnonzero(assignments.clusters == cluster)
            names = ", ".join(assignments.paths[row] for row in members[:3])
            print(f"cluster {cluster}: {len(members)} images, such as {names}")
        if metrics["heads"] is not None:
            print(f"accuracy against the folders' names: {metrics['heads']['output']['acc']:.3f}")


if __name__ == "__main__":
    main()
