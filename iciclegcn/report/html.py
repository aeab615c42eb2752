"""Pieces of the page. Everything that comes from a run is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape

from iciclegcn.report.svg import Figure

Cells = Sequence[str]


def text(value: object) -> str:
    """Text of a run, safe inside an element or a quoted attribute."""
    # Lone surrogates, from file names that are no UTF-8, cannot be written.
    return escape(str(value).encode("utf-8", "replace").decode("utf-8"), quote=True)


def section(name: str, title: str, intro: str, *content: str) -> str:
    """A part of the page with a heading; ``intro`` and ``content`` are HTML."""
    lead = f"<p class='lead'>{intro}</p>" if intro else ""
    return (
        f"<section id='{name}' aria-labelledby='{name}-h'>"
        f"<h2 id='{name}-h'>{text(title)}</h2>{lead}{''.join(content)}</section>"
    )


def table(header: Cells, rows: Iterable[Cells], caption: str, *, names: int = 1) -> str:
    """A table of text; it scrolls sideways by itself where the screen is narrow.

    Args:
        header: Titles of the columns.
        rows: Their cells.
        caption: What the table shows.
        names: So many columns from the left hold words, the others numbers.
    """
    head = "".join(
        f"<th scope='col'{_words(column, names)}>{text(cell)}</th>"
        for column, cell in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<th scope='row'>{text(cell)}</th>"
            if column == 0
            else f"<td{_words(column, names)}>{text(cell)}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{text(caption)}'><table>"
        f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def figure(drawn: Figure) -> str:
    """A figure with its title and what it says."""
    return (
        f"<figure id='figure-{drawn.name}'><h3>{text(drawn.title)}</h3>"
        f"<div class='drawing'>{drawn.inline()}</div>"
        f"<figcaption>{text(drawn.text)}</figcaption></figure>"
    )


def details(summary: str, content: str) -> str:
    """Something that opens when asked for; ``content`` is HTML."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>"


def _words(column: int, names: int) -> str:
    return " class='words'" if column < names else ""
