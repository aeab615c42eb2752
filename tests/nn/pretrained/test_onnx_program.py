import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import load_backbone
from tests.tiny_networks import tiny_network

onnx = pytest.importorskip("onnx", reason="the package onnx, which writes such files, is absent")
pytest.importorskip("onnxruntime", reason="the extra 'onnx' is absent")


def write_onnx(file: Path, shape: list[int | str], kind: str = "FLOAT") -> Path:
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
    onnx.save(make.make_model(graph, opset_imports=[opset], ir_version=8), file)
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
