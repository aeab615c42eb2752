import pytest

pytest.importorskip("griffe", reason="the extra docs is not installed")

import griffe

from docs.site.docstring_math import DocstringMath, between_dollars


def test_directives_and_roles_become_dollar_signs() -> None:
    text = "First.\n\n.. math::\n    a = b\n    + c\n\nWith :math:`a` and :math:`b_j`.\n"
    assert between_dollars(text) == "First.\n\n$$a = b + c$$\n\nWith $a$ and $b_j$.\n"


def test_an_indented_directive_stays_where_it_is() -> None:
    text = "Args:\n    x: Of\n\n        .. math::\n            x\n\n        and more.\n"
    expected = "Args:\n    x: Of\n\n        $$x$$\n\n        and more.\n"
    assert between_dollars(text) == expected


def test_other_text_stays() -> None:
    assert between_dollars("costs $5, `math`") == "costs $5, `math`"


def test_every_docstring_of_a_module_is_rewritten() -> None:
    code = '"""Of :math:`a`."""\n\ndef f():\n    """Is :math:`b`."""\n\nclass C:\n    pass\n'
    with griffe.temporary_visited_module(
        code, extensions=griffe.load_extensions(DocstringMath)
    ) as module:
        texts = [one.docstring.value for one in (module, module["f"]) if one.docstring]
    assert texts == ["Of $a$.", "Is $b$."]
