"""A folder with everything that the documentation's commands speak of, as small as it can be."""

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from iciclegcn.cli.main import main
from tests.docs.shell_commands import cut_short
from tests.tiny_networks import write_torchscript

# Runs that pages go on from, and how they are made.
RUNS = {
    "runs/photos": "run photos --num-clusters 4 --out runs/photos",
    "runs/features": "cluster --features features.npy --num-clusters 4 --out runs/features",
    "runs/known": "run photos --num-clusters 4 --labels-from-folders --out runs/known",
    "runs/gcc": "run photos --num-clusters 4 --method gcc --out runs/gcc",
}
_CLASSES = ("apples", "boats", "cats", "doors")
_EACH = 30


def make_workplace(folder: Path) -> None:
    """Write photographs in four folders, their labels, new ones, features, a zip and a set."""
    digits = load_digits()
    for label, name in enumerate(_CLASSES):
        images = digits.images[digits.target == label]
        _write(folder / "photos" / name, images[:_EACH])
        _write(folder / "new", images[_EACH : _EACH + 3], prefix=name)
    rows = [f"{name}/{i}.png,{name}" for name in _CLASSES for i in range(_EACH)]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows, ""]), encoding="utf-8")
    rng = np.random.default_rng(0)
    features = np.repeat(np.eye(4, 16), _EACH, axis=0) + rng.normal(0, 0.2, (4 * _EACH, 16))
    np.save(folder / "features.npy", features.astype(np.float32))
    np.save(folder / "classes.npy", np.repeat(np.arange(4), _EACH))
    rows = [f"{row},{_CLASSES[row // _EACH]}" for row in range(4 * _EACH)]
    (folder / "row_labels.csv").write_text("\n".join(["path,label", *rows, ""]), encoding="utf-8")
    write_torchscript(folder / "network.pt")
    (folder / "sets" / "cifar-10-batches-py").mkdir(parents=True)
    with zipfile.ZipFile(folder / "cifar10.zip", "w") as archive:
        for split in ("train", "test"):
            for file in (folder / "photos").rglob("*.png"):
                archive.write(file, f"{split}/{file.relative_to(folder / 'photos').as_posix()}")


def add_run(folder: Path, name: str) -> None:
    """Make a run that a command begins with; the working folder is ``folder``."""
    if not (folder / name).exists():
        code = main(cut_short(RUNS[name].split()))
        if code:
            raise RuntimeError(f"the run '{name}' ended with {code}")


def _write(
    folder: Path, images: np.ndarray[tuple[int, ...], np.dtype[np.float64]], prefix: str = ""
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        pixels = np.rint(image * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{prefix}{i}.png")
