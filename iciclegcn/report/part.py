"""One part of the report: HTML for the page, and its figures for the folder."""

from typing import NamedTuple

from iciclegcn.report.svg import Figure


class Part(NamedTuple):
    """A section of the page.

    Attributes:
        name: Its anchor; empty: it has no place in the navigation.
        title: Its place in the navigation.
        html: The section.
        figures: What it shows, to be written as files too.
    """

    name: str
    title: str
    html: str
    figures: tuple[Figure, ...] = ()
