from pathlib import Path

import numpy as np
import pytest

from iciclegcn.data import features as module
from iciclegcn.data.feature_files import ArrayFile
from iciclegcn.data.features import FeatureSource, open_features
from iciclegcn.errors import UserError

X = np.arange(20.0).reshape(5, 4)


class Named(ArrayFile):
    """A matrix that names its rows."""

    def row_names(self) -> list[str] | None:
        return [f"{self.name}{row}" for row in range(self.shape[0])]


def test_files_follow_each_other() -> None:
    source = FeatureSource("x", [ArrayFile("a", X[:2]), ArrayFile("b", X[2:])])
    assert source.shape == (5, 4)
    assert len(source) == 5
    assert list(source.paths) == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), X)


def test_names_count_where_every_file_has_them() -> None:
    both = FeatureSource("x", [Named("a", X[:2]), Named("b", X[2:3])])
    assert list(both.paths) == ["a0", "a1", "b0"]
    one = FeatureSource("x", [Named("a", X[:2]), ArrayFile("b", X[2:3])])
    assert list(one.paths) == ["0", "1", "2"]


def test_the_hash_is_that_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", X)
    known = open_features(str(tmp_path / "x.npy")).content_hash()
    monkeypatch.setattr(module, "_BLOCK_BYTES", 32)  # two rows
    assert open_features(str(tmp_path / "x.npy")).content_hash() == known
    changed = X.copy()
    changed[3, 1] += 1
    for other in (changed, X[:4], X.reshape(4, 5)):
        assert FeatureSource("x", [ArrayFile("x", other)]).content_hash() != known
    assert FeatureSource("x", [Named("x", X)]).content_hash() != known


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_row_that_is_not_finite_is_named(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 32)
    wrong = X.copy()
    wrong[3, 2] = value
    source = FeatureSource("x", [ArrayFile("a", X[:1]), ArrayFile("b", wrong[1:])])
    with pytest.raises(UserError, match=r"'x' must be finite in float32 .row 3 holds"):
        list(source.blocks())


def test_files_of_several_widths_and_without_rows_are_refused() -> None:
    with pytest.raises(UserError, match=r"rows of one length .got 4 in 'a' and 3 in 'b'"):
        FeatureSource("x", [ArrayFile("a", X), ArrayFile("b", X[:, :3])])
    with pytest.raises(UserError, match="'x' holds no rows"):
        FeatureSource("x", [ArrayFile("a", X[:0])])
