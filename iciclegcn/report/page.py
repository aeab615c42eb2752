"""The whole page: one file that asks nothing of the network."""

from collections.abc import Sequence
from datetime import datetime
from importlib import resources

import iciclegcn
from iciclegcn.report.contents import Contents
from iciclegcn.report.html import text
from iciclegcn.report.part import Part
from iciclegcn.report.summary_part import METHODS, title
from iciclegcn.report.svg import STYLE
from iciclegcn.report.theme import variables

# The browser itself refuses whatever would leave the page.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_SCRIPTS = ("page.js", "map.js", "map_input.js")


def page(contents: Contents, parts: Sequence[Part]) -> str:
    """Put the parts together.

    Args:
        contents: The run.
        parts: In order.
    """
    name = text(title(contents))
    links = "".join(f"<li><a href='#{part.name}'>{text(part.title)}</a></li>" for part in parts)
    method = METHODS.get(contents.config.method, contents.config.method)
    created = contents.manifest.created
    day = f" · {_day(datetime.fromisoformat(created))}" if created else ""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<meta name='generator' content='iciclegcn {iciclegcn.__version__}'>"
        "<link rel='icon' href='data:,'>"
        f"<title>{name}</title><style>{variables()}{STYLE}{_asset('style.css')}</style></head><body>"
        "<a class='skip' href='#summary'>Skip to the summary</a>"
        f"<header><div><p class='kicker'>{text(method)} · seed {contents.config.seed}{day}</p>"
        f"<h1>{name}</h1></div><button type='button' id='theme'></button></header>"
        f"<nav aria-label='Parts of the report'><ul>{links}</ul></nav>"
        f"<main>{''.join(part.html for part in parts)}</main>"
        f"<footer><p>Made by iciclegcn {iciclegcn.__version__}. This file is complete in itself "
        "and asks nothing of the network.</p></footer>"
        f"<script>{''.join(map(_asset, _SCRIPTS))}</script></body></html>\n"
    )


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
