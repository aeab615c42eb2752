import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.weight_files import load_weights, read_weights


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def weights() -> dict[str, Tensor]:
    return {name: value.clone() + 1 for name, value in network().state_dict().items()}


def test_safetensors_and_torch_files_read_alike(tmp_path: Path) -> None:
    saved = weights()
    save_file(saved, tmp_path / "w.safetensors")
    torch.save(saved, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        found = read_weights(tmp_path / name)
        assert found.keys() == saved.keys()
        assert all(torch.equal(found[key], saved[key]) for key in saved)


@pytest.mark.parametrize("nest", ["state_dict", "model_state_dict", "model"])
def test_weights_within_a_training_state_are_found(tmp_path: Path, nest: str) -> None:
    saved = {f"module.{name}": value for name, value in weights().items()}
    torch.save({nest: saved, "epoch": 3}, tmp_path / "w.pth")
    assert read_weights(tmp_path / "w.pth").keys() == weights().keys()


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._folder),)


def test_a_file_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": Harmful(tmp_path / "executed")}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="reading it could execute code; save the network's"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pth", None, "is not there; 'backbone.weights' must name a file of weights"),
        ("w.safetensors", b"nothing", "is no readable file of weights"),
        ("w.pth", b"", "is no readable file of weights"),
    ],
)
def test_what_is_no_file_of_weights_is_told(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / name)


def test_a_tensor_alone_is_no_network(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"holds no weights by name; save the network's state_dict"):
        read_weights(tmp_path / "w.pth")


def test_weights_without_counters_and_with_a_head_fit() -> None:
    target, saved = network(), weights()
    del saved["1.num_batches_tracked"]
    saved["fc.weight"] = torch.zeros(1)
    load_weights(target, saved, ["fc"], "'w.pth'")
    assert torch.equal(target.state_dict()["0.weight"], saved["0.weight"])


class Versioned(nn.Linear):
    """Asks for the version of its weights, as some networks of libraries do."""

    _version = 2

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        if local_metadata.get("version") != 2:
            raise ValueError("version should be set")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


def test_weights_without_a_version_are_of_the_network_s() -> None:
    target, saved = nn.Sequential(Versioned(2, 3)), nn.Sequential(nn.Linear(2, 3)).state_dict()
    load_weights(target, dict(saved), ["fc"], "'w.pth'")
    assert torch.equal(target.state_dict()["0.weight"], saved["0.weight"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"0.weight": None, "0.bias": None}, "it lacks '0.bias' and 1 more"),
        ({"2.weight": torch.zeros(1)}, "it has unknown '2.weight'"),
        ({"0.weight": torch.zeros(3, 4)}, "it has another shape of '0.weight'"),
    ],
)
def test_weights_of_another_network_are_refused(change: dict[str, Any], told: str) -> None:
    saved = {name: value for name, value in {**weights(), **change}.items() if value is not None}
    with pytest.raises(UserError) as caught:
        load_weights(network(), saved, ["fc"], "'w.pth'")
    assert str(caught.value) == (
        f"'w.pth' does not fit the network: {told}; name the network that they were trained in "
        "with --backbone"
    )
