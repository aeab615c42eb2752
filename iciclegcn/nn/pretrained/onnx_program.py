"""ONNX files, computed by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iciclegcn.errors import UserError

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


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
        fits = len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _TYPES
        if not fits:
            raise UserError(f"'{file}' must take one batch of images [N, 3, S, S], of floats")
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        count, _, *sides = inputs[0].shape
        self.batch = count if isinstance(count, int) else None
        self.image_size = sides[0] if isinstance(sides[0], int) else None

    def run(self, images: Tensor) -> object:
        """Images [N, 3, S, S] to the first output that is a row or a map an image."""
        pixels = images.detach().cpu().contiguous().numpy().astype(self._type, copy=False)
        first, *_ = self._session.run(None, {self._input: pixels})
        return torch.from_numpy(np.asarray(first, np.float32)).to(images.device)
