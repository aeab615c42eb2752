"""ONNX files, computed by onnxruntime."""

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iciclegcn.errors import UserError

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
# Where a tensor is kept outside, as protobuf writes it: the key, then the length of the value.
_OUTSIDE = re.compile(rb"\x0a\x08location\x12([\x80-\xff]{0,4}[\x00-\x7f])")


class OnnxProgram:
    """An ONNX network; it computes on the CPU, or on the GPU that onnxruntime has.

    Args:
        file: The ``.onnx`` file; weights that it keeps in others are found beside it.

    Attributes:
        batch: Images that it takes at a time; None: any number.
        image_size: Side in pixels that it takes; None: any.

    Raises:
        UserError: If onnxruntime is absent, or the network takes no images.
    """

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(
                "an .onnx backbone needs the package onnxruntime: pip install 'iciclegcn[onnx]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        self._session: Any = onnxruntime.InferenceSession(file, options, providers=providers)
        inputs = self._session.get_inputs()
        shapes = [taken.shape for taken in inputs]
        if [_takes_images(shape) for shape in shapes] != [True] or inputs[0].type not in _TYPES:
            got = ", ".join(f"{list(taken.shape)} of {taken.type}" for taken in inputs)
            raise UserError(
                f"'{file}' must take one batch of images [N, 3, S, S], of floats (got "
                f"{got or 'nothing'}); export it for those"
            )
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        count, _, *sides = shapes[0]
        self.batch = count if isinstance(count, int) else None
        self.image_size = next((side for side in sides if isinstance(side, int)), None)

    def run(self, images: Tensor) -> object:
        """Images [N, 3, S, S] to the first output that is a row or a map an image.

        Raises:
            RuntimeError: If the network does not take them.
        """
        pixels = images.detach().cpu().contiguous().numpy().astype(self._type, copy=False)
        try:
            first, *_ = self._session.run(None, {self._input: pixels})
        except Exception as error:  # onnxruntime's errors share no other base
            raise RuntimeError(str(error)) from error
        return torch.from_numpy(np.asarray(first, np.float32)).to(images.device)


def files_outside(file: Path) -> list[Path]:
    """The files beside an ONNX network that hold weights of it, by name.

    Args:
        file: The ``.onnx`` file.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        ends = [(found.end(), _number(found[1])) for found in _OUTSIDE.finditer(data)]
        names = {data[end : end + length] for end, length in ends}
    # What only looks like such a place, among the weights, names no file.
    paths = {file.parent / name.decode("utf-8", "replace") for name in names}
    return sorted(filter(_is_there, paths))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a name
        return False


def _takes_images(shape: list[Any]) -> bool:
    """Whether an input's shape, of numbers where it is fixed, may be [N, 3, S, S]."""
    if len(shape) != 4:
        return False
    channels, *sides = shape[1:]
    fixed = {side for side in sides if isinstance(side, int)}
    return (channels == 3 or not isinstance(channels, int)) and len(fixed) <= 1


def _number(varint: bytes) -> int:
    """An integer as protobuf writes it: seven bits a byte, the lowest first."""
    return sum((byte & 127) << 7 * place for place, byte in enumerate(varint))
