"""A network in a file of the user's own: TorchScript, an ExportedProgram or ONNX."""

import functools
import hashlib
import warnings
import zipfile
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.facts import NetworkFacts, Shown, untold
from iciclegcn.nn.pretrained.onnx_program import OnnxProgram, files_outside


class Program(Protocol):
    """A network as its file gives it.

    Attributes:
        batch: Images that it takes at a time; None: any number.
        image_size: Side in pixels that it takes; None: unknown, or any.
    """

    batch: int | None
    image_size: int | None

    def run(self, images: Tensor) -> object:
        """Images [N, 3, S, S], float32, to what the network gives."""


class FileNetworks:
    """Networks of files; they stay as they are."""

    def facts(self, config: BackboneConfig) -> NetworkFacts:
        """The file tells a size at most; the rest is what ImageNet's networks are shown."""
        file = _file(config)
        if _is_onnx(file):
            _try_once(file, file.stat().st_mtime_ns)
        return NetworkFacts(file.name, untold(file), Shown())

    def build(self, config: BackboneConfig) -> nn.Module:
        """The network with its weights."""
        return FileNetwork(_file(config))

    def load(self, network: nn.Module, config: BackboneConfig) -> None:
        """Nothing: the weights came with the network."""


class FileNetwork(nn.Module):
    """A file's network; it has no parameters of its own, and computes in float32.

    Args:
        file: TorchScript (.pt), ExportedProgram (.pt2) or ONNX (.onnx).

    Raises:
        UserError: If the file is absent, damaged or something else.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._path = file
        self._program = _load(file)
        self.image_size = self._program.image_size

    def forward(self, images: Tensor) -> object:
        """Images [N, 3, S, S] to what the network gives; in the batches that it was saved for."""
        batch = self._program.batch
        if batch is None or batch == len(images):
            return self._program.run(images)
        parts = []
        for chunk in torch.split(images, batch):
            short = batch - len(chunk)
            output = self._program.run(F.pad(chunk, (0, 0) * 3 + (0, short)))
            if not isinstance(output, Tensor):
                raise UserError(
                    f"'{self._path}' takes {batch} images at a time and gives several outputs; "
                    "save it for any number of images, or with one output"
                )
            parts.append(output[: len(chunk)])
        return torch.cat(parts)

    def fingerprint(self) -> str:
        """SHA-256 of the file; with weights in others, of its hash and theirs."""
        others = files_outside(self._path) if _is_onnx(self._path) else []
        digest, *more = map(_digest, (self._path, *others))
        if not more:
            return digest.hex()
        return hashlib.sha256(b"".join((digest, *more))).hexdigest()


class _TorchScript:
    def __init__(self, file: Path) -> None:
        self.batch: int | None = None
        self.image_size: int | None = None
        with warnings.catch_warnings():
            # PyTorch prefers ExportedProgram; the files are there all the same.
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated")
            self._module = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
        self._module.eval()

    def run(self, images: Tensor) -> object:
        return self._module.to(images.device)(images)


def _file(config: BackboneConfig) -> Path:
    file = Path(config.name).expanduser()
    if not file.is_file():
        raise UserError(f"the backbone '{config.name}' is not there; give the file of a network")
    return file


@functools.cache
def _try_once(file: Path, changed: int) -> None:
    """Load a network that may be refused as it is loaded: facts are asked before images are."""
    del changed  # another file of that name is tried again
    _load(file)


def _load(file: Path) -> Program:
    if file.suffix.lower() == ".pt" and not _is_torchscript(file):
        raise UserError(
            f"'{file}' holds no TorchScript network; where it holds weights alone, name their "
            f"network: --backbone torchvision:NAME --backbone.weights {file}"
        )
    try:
        if _is_onnx(file):
            return OnnxProgram(file)
        if file.suffix.lower() == ".pt2":
            from iciclegcn.nn.pretrained.exported_program import ExportedNetwork

            return ExportedNetwork(file)
        return _TorchScript(file)
    except UserError:
        raise
    # The readers of three formats, none of which tells what it raises.
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"'{file}' is no readable network ({reason})") from error


def _is_onnx(file: Path) -> bool:
    return file.suffix.lower() == ".onnx"


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.split("/", 1)[-1].startswith("code/") for name in archive.namelist())
