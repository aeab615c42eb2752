"""Paths as users type them."""

from pathlib import Path


def user_path(text: str | Path) -> Path:
    """A path with the home folder in the place of a leading ``~`` or ``~name``.

    Args:
        text: What was typed.

    Returns:
        The path; as it was typed where nobody of that name is known here: it is then told to be
        absent, as any other.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
