import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
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


def test_a_network_of_two_inputs_is_refused(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return one + other

    example = (torch.zeros(2, 3, 8, 8),) * 2
    torch.export.save(torch.export.export(Two(), example), tmp_path / "net.pt2")
    with pytest.raises(UserError, match=r"must take one batch of images \[N, 3, S, S\]"):
        load_backbone(BackboneConfig(str(tmp_path / "net.pt2")))
