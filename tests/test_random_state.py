import random

import numpy as np
import pytest
import torch

from iciclegcn.random_state import kept_random_state


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


@kept_random_state()
def fail_after_drawing() -> None:
    torch.manual_seed(9)
    draws()
    raise RuntimeError


def test_draws_go_on_as_if_nothing_had_been_drawn() -> None:
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    expected = draws()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    with pytest.raises(RuntimeError):
        fail_after_drawing()
    assert draws() == expected
