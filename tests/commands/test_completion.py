import pytest

from iciclegcn.cli.main import main
from iciclegcn.commands.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    output = capsys.readouterr()
    assert f"made by: iciclegcn completion {shell}\n" in output.out
    assert "self-label" in output.out
    assert output.err == ""


@pytest.mark.parametrize(
    ("words", "fragment"),
    [(["csh"], "invalid choice: 'csh'"), ([], "required: SHELL")],
)
def test_other_shells_are_a_mistake(
    words: list[str], fragment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", *words]) == 2
    assert fragment in capsys.readouterr().err
