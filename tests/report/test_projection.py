import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from iciclegcn.errors import UserError
from iciclegcn.report.projection import project

HAS_UMAP = importlib.util.find_spec("umap") is not None
ROWS = np.random.default_rng(0).normal(size=(600, 2))


def test_principal_components_of_a_plane_keep_its_distances() -> None:
    corners = np.array([[0, 0], [4, 0], [4, 2], [0, 2]], float)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0][:2]
    found = project(corners @ turned, "pca", seed=0)
    assert found.kind == "pca"
    assert found.xy.min(axis=0).tolist() == [0, 0]
    np.testing.assert_allclose(found.xy.max(axis=0), [1, 0.5], atol=1e-9)
    gaps = np.linalg.norm(found.xy[:, None] - found.xy, axis=2)
    np.testing.assert_allclose(
        gaps, np.linalg.norm(corners[:, None] - corners, axis=2) / 4, atol=1e-9
    )


@pytest.mark.parametrize("x", [np.ones((5, 3)), np.ones((1, 4)), np.arange(4.0).reshape(4, 1)])
def test_degenerate_features_have_a_map_too(x: np.ndarray) -> None:
    xy = project(x, "pca", seed=0).xy
    assert xy.shape == (len(x), 2)
    assert np.isfinite(xy).all()


def test_unit_rows_forget_lengths() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4))
    longer = x * np.arange(1, 21)[:, None]
    one, other = (project(each, "pca", seed=0, unit_rows=True).xy for each in (x, longer))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_few_rows_are_not_worth_umap() -> None:
    assert project(np.random.default_rng(0).normal(size=(499, 3)), seed=0).kind == "pca"


def test_umap_asked_for_in_vain_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match=r"pip install 'iciclegcn\[report\]'"):
        project(np.ones((3, 2)), "umap", seed=0)
    found = project(ROWS, seed=0)
    assert (found.kind, found.note) == ("pca", "")  # what is not installed needs no excuse


def test_umap_that_cannot_be_imported_is_no_umap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "cannot cache function 'rdist': no locator available"
    (tmp_path / "umap.py").write_text(f'raise RuntimeError("{reason}")\n', encoding="utf-8")
    monkeypatch.delitem(sys.modules, "umap", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    found = project(ROWS, seed=0)
    assert found.kind == "pca"
    assert found.note == f"UMAP does not work here (RuntimeError: {reason})."
    np.testing.assert_array_equal(found.xy, project(ROWS, "pca", seed=0).xy)
    with pytest.raises(UserError, match=r"'--map umap' does not work here \(RuntimeError: cannot"):
        project(ROWS, "umap", seed=0)


def test_umap_that_works_lays_the_rows_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flat:
        def __init__(self, **options: object) -> None:
            self.start = np.asarray(options["init"])

        def fit_transform(self, x: np.ndarray) -> np.ndarray:
            assert self.start.shape == (len(x), 2)
            return x[:, :2] * [1, 2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Flat))
    found = project(ROWS, seed=0)
    assert (found.kind, found.note) == ("umap", "")
    assert project(ROWS[:15], "umap", seed=0).kind == "pca"
    span = np.ptp(project(ROWS, "pca", seed=0).xy, axis=0)
    ratio = np.ptp(found.xy, axis=0)
    assert ratio[1] / ratio[0] == pytest.approx(2 * span[1] / span[0])


def test_umap_that_fails_is_no_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, **options: object) -> None:
            del options

        def fit_transform(self, x: np.ndarray) -> np.ndarray:
            raise SystemError("Failed in\n  nopython mode.\n" + "very " * 100 + "long")

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Broken))
    found = project(ROWS, seed=0)
    assert found.kind == "pca"
    assert found.note.startswith("UMAP does not work here (SystemError: Failed in nopython mode.")
    assert len(found.note) < 250
    with pytest.raises(UserError) as caught:
        project(ROWS, "umap", seed=0)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("give '--map pca'")


@pytest.mark.parametrize(
    ("x", "kind", "name"),
    [(np.ones(3), "pca", "'x'"), (np.ones((0, 2)), "pca", "'x'"), (np.ones((2, 2)), "tsne", "'ki")],
)
def test_what_cannot_be_laid_out_is_refused(x: np.ndarray, kind: str, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        project(x, kind, seed=0)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_UMAP, reason="umap-learn is not installed")
def test_umap_keeps_groups_apart_and_draws_the_same_map_again() -> None:
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 200)
    x = random.normal(size=(600, 8)) + 8 * np.eye(3, 8)[group]
    first, second = (project(x, seed=3) for _ in range(2))
    assert first.kind == "umap"
    np.testing.assert_array_equal(first.xy, second.xy)
    centers = np.array([first.xy[group == each].mean(axis=0) for each in range(3)])
    nearest = np.linalg.norm(first.xy[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.99
