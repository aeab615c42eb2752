"""The map that one can zoom, hover and walk through."""

from iciclegcn.report.contents import Contents
from iciclegcn.report.html import section, text
from iciclegcn.report.map_data import Map, map_chart, map_json
from iciclegcn.report.part import Part
from iciclegcn.report.selection import Certainty

_KEYS = (
    ("Arrow keys", "move"),
    ("+ −", "zoom"),
    ("0", "see everything"),
    ("N P", "next, previous one"),
    ("Escape", "let go"),
)


def map_part(contents: Contents, laid_out: Map, sure: Certainty, right: object | None) -> Part:
    """A canvas, its controls, and the data that its script reads.

    Args:
        contents: The run.
        laid_out: Its map.
        sure: As `iciclegcn.report.selection.certainty` gives it.
        right: Whether each item is in its class's cluster, bool [N]; None: no truth.
    """
    shown, noun = len(laid_out.rows), contents.noun
    count = (
        f"All {shown:,} {noun}"
        if shown == contents.num_items
        else (f"{shown:,} of {contents.num_items:,} {noun}, drawn at random,")
    )
    intro = (
        f"{count} laid out by {laid_out.method} of their features. Near means alike; far apart "
        "means little."
    )
    if contents.images is not None:
        intro += " Point at one to see it; zoom in until the pictures appear."
    if laid_out.note:
        intro += f" {laid_out.note}"
    colourings = [("cluster", "cluster"), ("confidence", "confidence")]
    if right is not None:
        colourings += [("class", "class (truth)"), ("right", "right or wrong")]
    choices = "".join(f"<option value='{value}'>{label}</option>" for value, label in colourings)
    keys = "".join(f"<li><kbd>{keys}</kbd> {text(does)}</li>" for keys, does in _KEYS)
    html = section(
        "map",
        "Map",
        text(intro),
        "<div class='map' id='map-root'><div class='map-bar'>"
        # A browser that restores an earlier choice would not tell the script.
        f"<label>Colour <select id='map-colour' autocomplete='off'>{choices}</select></label>"
        "<span class='zoom' role='group' aria-label='Zoom'>"
        "<button type='button' id='map-in' aria-label='Zoom in'>+</button>"
        "<button type='button' id='map-out' aria-label='Zoom out'>−</button>"
        "<button type='button' id='map-reset'>See everything</button></span></div>"
        "<div class='map-stage' id='map-stage'><canvas id='map-canvas' tabindex='0' "
        "role='application' aria-label='Map of the features; keys are listed below it' "
        "aria-describedby='map-keys'></canvas>"
        "<div class='tip' id='map-tip' hidden></div>"
        "<p class='scroll-hint' id='map-hint' hidden>Click the map to zoom with the wheel</p></div>"
        "<div class='legend' id='map-legend' role='group' aria-label='Clusters shown'></div>"
        "<div class='visually-hidden' id='map-live' aria-live='polite'></div>"
        f"<ul class='keys' id='map-keys' aria-label='Keys of the map'>{keys}</ul></div>"
        "<noscript><p>The map needs JavaScript; figures/map.svg shows it without.</p></noscript>"
        f"<script type='application/json' id='map-data'>"
        f"{map_json(contents, laid_out, sure, right)}</script>",
    )
    return Part("map", "Map", html, (map_chart(contents, laid_out),))
