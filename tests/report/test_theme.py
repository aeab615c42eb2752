import re

import pytest

from iciclegcn.report.theme import (
    DARK,
    LIGHT,
    UNASSIGNED,
    cluster_colours,
    variables,
    with_light_colours,
)


def luminance(colour: str) -> float:
    """Relative luminance as the accessibility guidelines (WCAG 2) define it."""
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("name", ["ink", "muted", "accent", "warm", "bad"])
def test_text_is_readable_on_every_ground(colours: dict[str, str], ground: str, name: str) -> None:
    assert contrast(colours[name], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_text_is_readable_on_the_accent(colours: dict[str, str]) -> None:
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


@pytest.mark.parametrize("num_clusters", [0, 2, 10, 11, 100])
def test_every_cluster_has_a_colour_of_its_own(num_clusters: int) -> None:
    colours = cluster_colours(num_clusters)
    assert len({*colours, UNASSIGNED}) == num_clusters + 1
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)


@pytest.mark.parametrize("ground", [LIGHT["card"], DARK["card"]])
def test_clusters_stand_out_from_both_grounds(ground: str) -> None:
    assert min(contrast(colour, ground) for colour in cluster_colours(10)) >= 1.9


def test_both_themes_name_the_same_colours() -> None:
    assert LIGHT.keys() == DARK.keys()
    css = variables()
    assert all(css.count(f"--{name}:") == 3 for name in LIGHT)  # light, by system, by choice


def test_files_have_colours_instead_of_variables() -> None:
    assert with_light_colours("a { fill: var(--ink); }") == f"a {{ fill: {LIGHT['ink']}; }}"
    with pytest.raises(KeyError):
        with_light_colours("var(--unknown)")
