"""The report's colours: few, quiet, and the same in the page and in the figures' files."""

import colorsys
import re

# "cell" is a full cell of a matrix: paler than the accent, so that "ink" can be read on it and on
# every shade between it and the card.
LIGHT = {
    "page": "#fafaf8",
    "card": "#ffffff",
    "ink": "#1d2127",
    "muted": "#5c6470",
    "line": "#e3e4e6",
    "cell": "#5f90c0",
    "accent": "#2f6cab",
    "on-accent": "#ffffff",
    "warm": "#b4541a",
    "good": "#2c7a4b",
    "bad": "#b3372f",
}
DARK = {
    "page": "#14171b",
    "card": "#1c2026",
    "ink": "#e7e9ec",
    "muted": "#9ba4af",
    "line": "#2e343c",
    "cell": "#4a6684",
    "accent": "#7fb2ea",
    "on-accent": "#10141a",
    "warm": "#e79a63",
    "good": "#74c795",
    "bad": "#f08a80",
}

# Told apart on light and on dark ground; more clusters take hues between them.
_FEW = (
    *("#4269d0", "#e3a008", "#e4572e", "#2aa198", "#3f9b3f"),
    *("#e56b9f", "#9656d6", "#6aa9ec", "#9c6b4e", "#7d8a1f"),
)
_GOLDEN_ANGLE = 0.381966  # of a turn: neighbours in number are far apart in hue
UNASSIGNED = "#8a9199"


def cluster_colours(num_clusters: int) -> list[str]:
    """A colour for each cluster, as ``#rrggbb``.

    Args:
        num_clusters: K, at least 0.
    """
    if num_clusters <= len(_FEW):
        return list(_FEW[:num_clusters])
    colours = []
    for cluster in range(num_clusters):
        hue = (0.6 + cluster * _GOLDEN_ANGLE) % 1.0
        lightness = (0.45, 0.58, 0.68)[cluster % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.55)
        colours.append(f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}")
    return colours


def variables() -> str:
    """The colours as CSS: by the reader's system, or as ``data-theme`` says; light on paper."""
    light, dark = _declarations(LIGHT), _declarations(DARK)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        "@media screen and (prefers-color-scheme: dark) { :root:not([data-theme='light']) "
        f"{{ color-scheme: dark; {dark} }} }}\n"
        f"@media screen {{ :root[data-theme='dark'] {{ color-scheme: dark; {dark} }} }}\n"
    )


def with_light_colours(css: str) -> str:
    """The same CSS with every variable replaced: not every reader of SVG knows variables."""
    return re.sub(r"var\(--([a-z-]+)\)", lambda found: LIGHT[found[1]], css)


def _declarations(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
