"""A Griffe extension of the documentation site: equations of docstrings in the pages' own form.

Docstrings of layers have them as PyTorch Geometric's do, as reStructuredText's ``math``; the pages
have them between dollar signs.
"""

import re
from textwrap import dedent
from typing import Any

import griffe

_INLINE = re.compile(r":math:`([^`]+)`")
_DISPLAYED = re.compile(r"^( *)\.\. math::\s*\n((?:\1 +\S.*\n?)+)", re.MULTILINE)


class DocstringMath(griffe.Extension):
    """Puts dollar signs around the equations of every docstring that is shown."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = between_dollars(obj.docstring.value)


def between_dollars(text: str) -> str:
    """The text with its ``math`` directives and roles as Markdown knows them."""

    def displayed(match: re.Match[str]) -> str:
        tex = " ".join(dedent(match[2]).split())
        return f"{match[1]}$${tex}$$\n"

    return _INLINE.sub(r"$\1$", _DISPLAYED.sub(displayed, text))
