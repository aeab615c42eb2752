import pytest

from iciclegcn.config import Config
from iciclegcn.config.values import flatten
from iciclegcn.errors import UserError
from iciclegcn.presets import on_features, preset_config


@pytest.mark.parametrize("name", ["quick", "paper", "official"])
def test_features_get_their_stages_and_nothing_of_images(name: str) -> None:
    config = preset_config(name, "digits", kind="features")
    assert config.stages == "features"
    assert config.preset == name
    assert config.num_clusters is None  # a file's name is not a data set's
    assert (config.data.source, config.data.scaling) == ("digits", "unit")
    assert (config.views, config.backbone, config.pretrain) == (
        Config().views,
        Config().backbone,
        Config().pretrain,
    )


def test_quick_starts_from_the_graph_and_the_paper_from_the_code() -> None:
    assert preset_config("quick", "x.npy", kind="features").mgcn.centers == "graph"
    assert preset_config("paper", "x.npy", kind="features").mgcn.centers == "code"
    assert preset_config("official", "x.npy", kind="features").graph.k == (1, 15)


def test_suiting_features_changes_the_start_of_stage_2_alone() -> None:
    before, after = flatten(Config()), flatten(on_features(Config()))
    assert {name for name in after if after[name] != before[name]} == {"mgcn.centers"}


def test_other_methods_need_images() -> None:
    with pytest.raises(UserError, match="'--method gcc' trains on images"):
        preset_config("quick", "x.npy", "gcc", "features")
