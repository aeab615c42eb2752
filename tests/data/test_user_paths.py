from pathlib import Path

import pytest

from iciclegcn.data.user_paths import user_path


def test_home_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert user_path("~/x.npy") == Path("/home/ada/x.npy")
    assert user_path(Path("a/~")) == Path("a/~")


def test_the_home_of_nobody_stays_as_it_was_typed() -> None:
    assert user_path("~nobody-of-that-name/x.npy") == Path("~nobody-of-that-name/x.npy")
