"""Arrays of images: ``.npy`` and ``.npz`` files, and what packages carry in memory."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iciclegcn.data.base import ImageSource, hash_rows
from iciclegcn.data.decode import Pixels, UnreadableImageError, decode_array, to_uint8
from iciclegcn.data.named import NamedDataset
from iciclegcn.data.numpy_files import DAMAGE, opened_npz
from iciclegcn.errors import UserError

Array = npt.NDArray[np.generic]
# Looked for in this order when a .npz holds several arrays.
_IMAGE_KEYS = ("images", "x", "data", "x_train", "arr_0")


class ArraySource(ImageSource):
    """An array of images.

    Args:
        name: What the user typed.
        images: [N, H, W] or [N, H, W, C], C = 1, 3 or 4; bool, uint8, uint16 or floating point
            within 0 and 1.
        file: Where it is stored; its size and time then stand for its content.
        dataset: The named data set it is.

    Raises:
        UserError: If it is not an array of images.
    """

    def __init__(
        self,
        name: str,
        images: Array,
        *,
        file: Path | None = None,
        dataset: NamedDataset | None = None,
    ) -> None:
        _check_images(name, images)
        self.name = name
        self.dataset = dataset
        self.native_size = int(min(images.shape[1:3]))
        self.native_channels = 1 if images.ndim == 3 or images.shape[3] == 1 else 3
        self._images = images
        self._file = file
        self._paths = [str(index) for index in range(len(images))]

    @property
    def paths(self) -> Sequence[str]:
        return self._paths

    def fingerprint(self) -> str:
        shape = (self._images.shape, self._images.dtype)
        if self._file is not None:
            place = self._file.resolve()
            info = place.stat()
            return hash_rows("array", [(place, info.st_size, info.st_mtime_ns, *shape)])
        content = hashlib.sha256(np.ascontiguousarray(self._images).tobytes()).hexdigest()
        return hash_rows("array", [(content, *shape)])

    def read(self, index: int, size: int, channels: int) -> Pixels:
        return decode_array(self._images[index], size, channels)


def open_array(name: str, file: Path) -> ArraySource:
    """Open a ``.npy`` (memory-mapped) or ``.npz`` file of images.

    Of several arrays in a ``.npz`` the one named images, x, data, x_train or arr_0 is taken, else
    the only one with three or four dimensions.

    Raises:
        UserError: If the file is damaged, holds Python objects, or no array of images.
    """
    try:
        is_archive = file.suffix.lower() == ".npz"
        images = _load_npz(file) if is_archive else np.lib.format.open_memmap(file, mode="r")
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(
            f"'{file}' is not a readable NumPy array file ({error}); write it again with numpy.save"
        ) from error
    return ArraySource(name, images, file=file)


def _load_npz(file: Path) -> Array:
    with opened_npz(file) as archive:
        for key in _IMAGE_KEYS:
            if key in archive.files:
                return np.asarray(archive[key])
        arrays = {key: np.asarray(archive[key]) for key in archive.files}
    candidates = [key for key, value in arrays.items() if value.ndim in (3, 4)]
    if len(candidates) != 1:
        raise UserError(
            f"'{file}' holds the arrays {', '.join(arrays) or '(none)'}; name the images' one "
            "'images'"
        )
    return arrays[candidates[0]]


def _check_images(name: str, images: Array) -> None:
    shape = "x".join(map(str, images.shape))
    channels_last = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3, 4))
    if not channels_last:
        hint = "; move the channels last" if images.ndim == 4 and images.shape[1] in (1, 3) else ""
        raise UserError(
            f"'{name}' must hold images [N, H, W] or [N, H, W, C] with C = 1, 3 or 4 "
            f"(got shape {shape}){hint}"
        )
    if images.size == 0:
        raise UserError(f"'{name}' holds no images (its shape is {shape})")
    kind, width = images.dtype.kind, images.dtype.itemsize
    if not (kind in "bf" or (kind == "u" and width <= 2)):
        raise UserError(
            f"'{name}' must be uint8, uint16, or floating point within 0 and 1 "
            f"(got {images.dtype}); convert it, for 0-255 with .astype(numpy.uint8)"
        )
    _check_range(name, images)


def _check_range(name: str, images: Array) -> None:
    # A wrong scale shows in any few images; each one is checked again when it is read.
    sample = images[np.linspace(0, len(images) - 1, num=min(64, len(images)), dtype=np.int64)]
    finite = sample[np.isfinite(sample)] if images.dtype.kind == "f" else sample
    try:
        to_uint8(finite if finite.size else np.zeros(1, np.uint8))
    except UnreadableImageError as error:
        raise UserError(f"'{name}' holds {error}; scale them so, or use uint8") from error
