"""Weights from a file, read without executing anything that it holds."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iciclegcn.errors import UserError

# What training scripts call the part with the weights.
_NESTS = ("state_dict", "model_state_dict", "model")
_WRAPPED = "module."  # what torch's data parallelism adds to names


def read_weights(file: Path) -> dict[str, Tensor]:
    """Tensors by name, from a ``.safetensors`` file or one of ``torch.save``.

    Args:
        file: Read as data: a file that would execute code is refused.

    Raises:
        UserError: If there is no such file, it is damaged, or holds something else.
    """
    if not file.is_file():
        raise UserError(f"'{file}' is not there; 'backbone.weights' must name a file of weights")
    try:
        content = _read(file)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"'{file}' holds more than weights, or none, and reading it could execute code; save "
            "the network's state_dict() alone, best as .safetensors"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"'{file}' is no readable file of weights ({reason})") from error
    for nest in _NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
            break
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"'{file}' holds no weights by name; save the network's state_dict()")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if all(name.startswith(_WRAPPED) for name in tensors):
        tensors = {name.removeprefix(_WRAPPED): value for name, value in tensors.items()}
    return tensors


def load_weights(
    network: nn.Module, weights: Mapping[str, Tensor], heads: Sequence[str], origin: str
) -> None:
    """Put weights into a network without its classifier.

    Args:
        network: Has no parameters under ``heads`` any more.
        weights: By name; those under ``heads`` are not needed.
        heads: Where the classifier was.
        origin: Where the weights come from, for the message.

    Raises:
        UserError: If they are not those of this network.
    """
    own, unneeded = network.state_dict(), tuple(f"{head}." for head in heads)
    # Counters of batches that files from before 2018 do not have; nothing reads them here.
    absent = [
        name for name in own if name not in weights and not name.endswith("num_batches_tracked")
    ]
    foreign = [name for name in weights if name not in own and not name.startswith(unneeded)]
    odd = [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    for names, what in ((absent, "lacks"), (foreign, "has unknown"), (odd, "has another shape of")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise UserError(
                f"{origin} does not fit the network: it {what} '{sorted(names)[0]}'{more}; name "
                "the network that they were trained in with --backbone"
            )
    # Its own mapping: the versions that layers ask for come with it.
    own.update({name: weights[name] for name in own if name in weights})
    network.load_state_dict(own)


def _read(file: Path) -> Any:
    if file.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
