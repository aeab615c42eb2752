import pytest

from iciclegcn.errors import UserError
from iciclegcn.nn.disk_space import NoRoomError
from iciclegcn.stages.parts import disk_errors, user_errors


def test_a_full_disk_is_something_the_user_can_mend() -> None:
    with pytest.raises(UserError, match="no room in 'here'"), disk_errors():
        raise NoRoomError("no room in 'here'")


def test_other_errors_of_training_are_not_the_users() -> None:
    with pytest.raises(ValueError, match="shapes") as caught, disk_errors():
        raise ValueError("shapes disagree")
    assert not isinstance(caught.value, UserError)


def test_what_only_the_data_can_refuse_is_the_users() -> None:
    with pytest.raises(UserError, match="0 everywhere"), user_errors():
        raise ValueError("the kernel is 0 everywhere")
