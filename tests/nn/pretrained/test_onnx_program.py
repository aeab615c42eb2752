import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import load_backbone, network_facts
from iciclegcn.nn.pretrained.onnx_program import files_outside
from tests.tiny_networks import tiny_network

onnx = pytest.importorskip("onnx", reason="the package onnx, which writes such files, is absent")
pytest.importorskip("onnxruntime", reason="the extra 'onnx' is absent")


def write_onnx(file: Path, shape: list[int | str], kind: str = "FLOAT", **options: Any) -> Path:
    """The tiny network, node by node."""
    make, own = onnx.helper, tiny_network()
    number = getattr(onnx.TensorProto, kind)
    dtype = np.float16 if kind == "FLOAT16" else np.float32
    values = [value.numpy().astype(dtype) for value in own.state_dict().values()]
    nodes = [
        make.make_node("Conv", ["x", "w", "b"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        make.make_node("Relu", ["c"], ["r"]),
        make.make_node("GlobalMaxPool", ["r"], ["m"]),
        make.make_node("Flatten", ["m"], ["y"]),
    ]
    graph = make.make_graph(
        nodes,
        "tiny",
        [make.make_tensor_value_info("x", number, shape)],
        [make.make_tensor_value_info("y", number, [shape[0], 4])],
        [onnx.numpy_helper.from_array(v, n) for v, n in zip(values, "wb", strict=True)],
    )
    opset = make.make_opsetid("", 17)
    onnx.save(make.make_model(graph, opset_imports=[opset], ir_version=8), file, **options)
    return file


@pytest.mark.parametrize(
    ("shape", "kind", "tolerance"),
    [
        (["n", 3, 8, 8], "FLOAT", 1e-5),
        ([2, 3, 8, 8], "FLOAT", 1e-5),
        (["n", 3, 8, 8], "FLOAT16", 1e-2),
    ],
)
def test_onnx_gives_the_features_of_its_network(
    tmp_path: Path, shape: list[Any], kind: str, tolerance: float
) -> None:
    file = write_onnx(tmp_path / "net.onnx", shape, kind)
    network = load_backbone(BackboneConfig(str(file), crop=1.0))
    assert network.preprocess.shown.image_size == 8
    views = torch.randn(3, 3, 12, 12)
    with torch.inference_mode():
        expected = tiny_network()(network.preprocess(views))
        torch.testing.assert_close(network(views), expected, atol=tolerance, rtol=0)


def test_a_network_of_any_size_is_shown_224_pixels(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "net.onnx", ["n", 3, "h", "w"])
    assert load_backbone(BackboneConfig(str(file))).preprocess.shown.image_size == 224


def test_a_network_of_something_else_is_refused(tmp_path: Path) -> None:
    make, number = onnx.helper, onnx.TensorProto.FLOAT
    info = make.make_tensor_value_info
    graph = make.make_graph(
        [make.make_node("Relu", ["x"], ["y"])],
        "rows",
        [info("x", number, ["n", 5])],
        [info("y", number, ["n", 5])],
    )
    opset = make.make_opsetid("", 17)
    onnx.save(make.make_model(graph, opset_imports=[opset], ir_version=8), tmp_path / "net.onnx")
    with pytest.raises(UserError, match=r"must take one batch of images \[N, 3, S, S\], of floats"):
        load_backbone(BackboneConfig(str(tmp_path / "net.onnx")))


def test_an_absent_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_onnx(tmp_path / "net.onnx", ["n", 3, 8, 8])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'iciclegcn\[onnx\]'"):
        load_backbone(BackboneConfig(str(file)))


@pytest.mark.parametrize(
    ("shape", "got"),
    [
        (["n", 1, 8, 8], "['n', 1, 8, 8]"),
        (["n", 8, 8, 3], "['n', 8, 8, 3]"),
        ([2, 3, 8, 6], "[2, 3, 8, 6]"),
    ],
)
def test_images_of_other_channels_or_sides_are_refused_before_any_is_read(
    tmp_path: Path, shape: list[Any], got: str
) -> None:
    config = BackboneConfig(str(write_onnx(tmp_path / "net.onnx", shape)))
    for ask in (network_facts, load_backbone):
        with pytest.raises(UserError) as caught:
            ask(config)
        assert str(caught.value) == (
            f"'{config.name}' must take one batch of images [N, 3, S, S], of floats (got {got} of "
            "tensor(float)); export it for those"
        )


@pytest.mark.parametrize("shape", [["n", 3, 8, "w"], ["n", 3, "h", 8], ["n", "c", 8, 8]])
def test_one_fixed_side_tells_the_size(tmp_path: Path, shape: list[Any]) -> None:
    network = load_backbone(BackboneConfig(str(write_onnx(tmp_path / "net.onnx", shape))))
    assert (network.preprocess.shown.image_size, network.num_features) == (8, 4)


def test_a_size_that_it_does_not_take_is_told(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "net.onnx", ["n", 3, 8, 8])
    with pytest.raises(
        UserError, match=r"does not take images of 16 pixels \(.*; give a size that"
    ):
        load_backbone(BackboneConfig(str(file), image_size=16))
    network = load_backbone(BackboneConfig(str(file)))
    with pytest.raises(RuntimeError, match="invalid dimensions"):
        network.network(torch.zeros(1, 3, 16, 16))


OUTSIDE: dict[str, Any] = {"save_as_external_data": True, "size_threshold": 0}


@pytest.mark.parametrize("together", [True, False])
def test_weights_in_files_beside_it_count(tmp_path: Path, together: bool) -> None:
    place = "net.weights" if together else None
    options = {**OUTSIDE, "all_tensors_to_one_file": together, "location": place}
    file = write_onnx(tmp_path / "net.onnx", ["n", 3, 8, 8], **options)
    (tmp_path / "other").write_bytes(b"of another network")
    others = sorted(path for path in tmp_path.iterdir() if path.name not in ("net.onnx", "other"))
    assert len(others) == (1 if together else 2)
    assert files_outside(file) == others
    config = BackboneConfig(str(file))
    first = load_backbone(config).fingerprint()
    assert load_backbone(config).fingerprint() == first
    (tmp_path / "other").write_bytes(b"changed")
    assert load_backbone(config).fingerprint() == first
    content = bytearray(others[-1].read_bytes())
    content[-1] ^= 1
    others[-1].write_bytes(content)
    assert load_backbone(config).fingerprint() != first


def test_one_file_is_hashed_as_it_is(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "net.onnx", ["n", 3, 8, 8])
    assert files_outside(file) == []
    found = load_backbone(BackboneConfig(str(file))).fingerprint()
    assert found == hashlib.sha256(file.read_bytes()).hexdigest()


def test_long_names_are_found_and_what_only_looks_like_one_is_not(tmp_path: Path) -> None:
    long, mark = "w" * 200, b"\x0a\x08location\x12"
    (tmp_path / long).touch()
    endless = mark + b"\xff\x7f" + b"x" * 16383
    content = b"more" + endless + mark + b"\xc8\x01" + long.encode() + mark + b"\x04gone" + mark
    (tmp_path / "net.onnx").write_bytes(content)
    assert files_outside(tmp_path / "net.onnx") == [tmp_path / long]
