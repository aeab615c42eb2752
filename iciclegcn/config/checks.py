"""What a field's value is held against, and the sentence when it does not fit."""

from iciclegcn.errors import UserError


def require(condition: bool, name: str, rule: str, value: object) -> None:
    """Refuse a field's value unless ``condition`` holds.

    Args:
        condition: What has to be true.
        name: The field, as the user writes it.
        rule: What the field must be, in words.
        value: What came.

    Raises:
        UserError: Naming field, rule and value.
    """
    if not condition:
        raise UserError(f"'{name}' must be {rule} (got {value!r})")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a field's value that is not among the ``allowed`` words.

    Raises:
        UserError: Naming field, words and value.
    """
    require(value in allowed, name, "one of " + ", ".join(allowed), value)
