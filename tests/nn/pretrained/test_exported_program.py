import io
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from torch._export.serde.schema import SCHEMA_VERSION

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.exported_program import refuse_code
from iciclegcn.nn.pretrained.loading import load_backbone
from tests.tiny_networks import tiny_network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "net.pt2"
    shapes = {"images": {0: torch.export.Dim("n")}}
    example = (torch.zeros(2, 3, 8, 8),)
    torch.export.save(torch.export.export(tiny_network(), example, dynamic_shapes=shapes), file)
    return file


def test_an_exported_network_gives_its_features_at_its_size(exported: Path) -> None:
    network = load_backbone(BackboneConfig(str(exported), crop=1.0))
    assert network.preprocess.shown.image_size == 8
    views = torch.randn(3, 3, 12, 12)
    shown = network.preprocess(views)
    torch.testing.assert_close(network.eval()(views), tiny_network()(shown))


def test_a_network_exported_for_two_images_takes_any_number(tmp_path: Path) -> None:
    program = torch.export.export(tiny_network(), (torch.zeros(2, 3, 8, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    network = load_backbone(BackboneConfig(str(tmp_path / "net.pt2"), crop=1.0))
    views = torch.randn(3, 3, 8, 8)
    torch.testing.assert_close(network(views), tiny_network()(network.preprocess(views)))


@pytest.mark.parametrize(
    "part", ["data/constants/opaque_obj_0", "data/weights/model.pt", "data/aotinductor/model/x.so"]
)
def test_parts_that_loading_would_execute_are_refused(
    exported: Path, tmp_path: Path, part: str
) -> None:
    file = shutil.copy(exported, tmp_path / "net.pt2")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/{part}", b"")
    with pytest.raises(UserError, match=f"holds '{part}', and loading that could execute code"):
        load_backbone(BackboneConfig(str(file)))


def test_pickled_tensors_are_refused(exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.pt2"
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("weights_config.json"):
                table = json.loads(content)
                next(iter(table["config"].values()))["use_pickle"] = True
                content = json.dumps(table).encode()
            new.writestr(name, content)
    with pytest.raises(UserError, match=r"weights_config.json', and loading that could execute"):
        load_backbone(BackboneConfig(str(file)))


class Harmful:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def pickled(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".pt", ".PT"])
def test_sample_inputs_that_execute_code_are_refused(
    exported: Path, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / "net.pt2"
    harmful = pickled(((Harmful(tmp_path / "made"),), {}))
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            samples = "sample_inputs" in name
            renamed = name.replace(".pt", suffix) if samples else name
            new.writestr(renamed, harmful if samples else old.read(name))
    with pytest.raises(UserError, match=r"holds 'data/sample_inputs/model.pt', and loading that"):
        load_backbone(BackboneConfig(str(file)))
    assert not (tmp_path / "made").exists()


def test_the_layout_of_earlier_versions_is_refused(exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.pt2"
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(file, "w") as new:
        graph = next(name for name in old.namelist() if name.endswith("models/model.json"))
        new.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
        new.writestr("serialized_exported_program.json", old.read(graph))
        for part in ("state_dict", "constants", "example_inputs"):
            harmful = pickled({"harmful": Harmful(tmp_path / "made")})
            new.writestr(f"serialized_{part}.pt", harmful)
    with pytest.raises(UserError, match="laid out as none of today's ExportedPrograms"):
        load_backbone(BackboneConfig(str(file)))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "size",
    [
        "__import__('os').mkdir('{}')",
        "Add(\"__import__('os').mkdir('{}')\", 1)",
        "eval(chr(49))",
        "Matrix(1, 1, print)",
        "[s0 for s0 in 1, 2]",
    ],
)
def test_sizes_that_execute_code_are_refused(exported: Path, tmp_path: Path, size: str) -> None:
    file = tmp_path / "net.pt2"
    harmful = json.dumps(size.format(tmp_path / "made"))
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if "/models/" in name:
                content = re.sub(
                    r'("expr_str": )"[^"]*"', lambda found: found[1] + harmful, content.decode()
                ).encode()
                assert harmful.encode() in content
            new.writestr(name, content)
    with pytest.raises(UserError, match=r"holds 'models/model.json', and loading that could"):
        load_backbone(BackboneConfig(str(file)))
    assert not (tmp_path / "made").exists()


def test_sizes_that_pytorch_computes_pass(tmp_path: Path) -> None:
    any_size = (torch.export.Dim("n"), torch.export.Dim.AUTO, torch.export.Dim.AUTO)
    shapes = {"images": dict(zip((0, 2, 3), any_size, strict=True))}
    example = (torch.zeros(2, 3, 8, 8),)
    program = torch.export.export(tiny_network(), example, dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    with zipfile.ZipFile(tmp_path / "net.pt2") as archive:
        assert b"FloorDiv(" in archive.read("net/models/model.json")
    refuse_code(tmp_path / "net.pt2")


def test_two_parts_of_one_name_are_refused(exported: Path, tmp_path: Path) -> None:
    file = shutil.copy(exported, tmp_path / "net.pt2")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("net/data/weights/MODEL_WEIGHTS_CONFIG.json", b"{}")
    with pytest.raises(UserError, match="laid out as none of today's ExportedPrograms"):
        refuse_code(Path(file))


def test_a_network_of_two_inputs_is_refused(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return one + other

    example = (torch.zeros(2, 3, 8, 8),) * 2
    torch.export.save(torch.export.export(Two(), example), tmp_path / "net.pt2")
    with pytest.raises(UserError, match=r"must take one batch of images \[N, 3, S, S\]"):
        load_backbone(BackboneConfig(str(tmp_path / "net.pt2")))
