import copy
import dataclasses
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from iciclegcn import IcicleGCN

X, Y = make_blobs(120, n_features=5, centers=3, random_state=2)


def small(**changes: Any) -> IcicleGCN:
    """A network that learns blobs in a fraction of a second."""
    values: dict[str, Any] = {
        "n_clusters": 3,
        "n_neighbors": (1, 5),
        "hidden_channels": (32,),
        "encoder_epochs": 5,
        "max_iter": 2,
        "options": {"mgcn.code_warmup_steps": 80, "mgcn.kmeans_restarts": 1},
        "device": "cpu",
        "precision": "fp32",
        "random_state": 0,
    }
    return IcicleGCN(**(values | changes))


def numpy_state() -> str:
    return repr(np.random.get_state(legacy=False))


@pytest.fixture(scope="module")
def fitted() -> IcicleGCN:
    return small().fit(X)


# Nothing is declared to fail: every check of scikit-learn applies. Those on data without groups
# leave clusters without rows, which is told as a warning.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        IcicleGCN(
            hidden_channels=(32,),
            encoder_epochs=2,
            max_iter=2,
            options={"mgcn.code_warmup_steps": 40, "mgcn.kmeans_restarts": 1},
            device="cpu",
            precision="fp32",
        )
    ]
)
def test_scikit_learns_own_checks_pass(
    estimator: IcicleGCN, check: Callable[[IcicleGCN], None]
) -> None:
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([IcicleGCN()])
def test_scikit_learns_own_checks_pass_with_the_defaults(
    estimator: IcicleGCN, check: Callable[[IcicleGCN], None]
) -> None:
    check(estimator)


def test_groups_are_found(fitted: IcicleGCN) -> None:
    assert adjusted_rand_score(Y, fitted.labels_) > 0.95
    assert fitted.labels_.dtype == np.int64
    assert fitted.n_features_in_ == 5
    assert fitted.n_iter_ == 2
    np.testing.assert_array_equal(fitted.probabilities_.argmax(axis=1), fitted.labels_)


def test_centres_are_the_mean_rows(fitted: IcicleGCN) -> None:
    expected = [X[fitted.labels_ == cluster].mean(axis=0) for cluster in range(3)]
    np.testing.assert_allclose(fitted.cluster_centers_, expected, rtol=1e-9)


def test_new_rows_join_their_group(fitted: IcicleGCN) -> None:
    new = fitted.cluster_centers_ + 0.1
    np.testing.assert_array_equal(fitted.predict(new), [0, 1, 2])
    probabilities = fitted.predict_proba(new)
    assert probabilities.shape == (3, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict_proba(new[1:2]), probabilities[1:2])


def test_the_code_is_a_distribution_in_the_dtype_of_x(fitted: IcicleGCN) -> None:
    code = fitted.transform(X[:7].astype(np.float32))
    assert code.shape == (7, 3)
    assert code.dtype == np.float32
    np.testing.assert_allclose(code.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(fitted.transform(X[:7]), code, atol=1e-5)
    assert list(fitted.get_feature_names_out()) == ["iciclegcn0", "iciclegcn1", "iciclegcn2"]


def test_a_seed_fixes_everything_and_generators_are_left_alone(fitted: IcicleGCN) -> None:
    states = random.getstate(), numpy_state(), torch.get_rng_state()
    again = small().fit(X)
    np.testing.assert_array_equal(again.probabilities_, fitted.probabilities_)
    assert random.getstate() == states[0]
    assert numpy_state() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    other = small(random_state=np.random.RandomState(5)).fit(X)
    assert not np.array_equal(other.probabilities_, fitted.probabilities_)


def test_pickles_copies_and_clones(fitted: IcicleGCN) -> None:
    expected = fitted.predict_proba(X[:5])
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(twin.predict_proba(X[:5]), expected)
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "labels_")


def test_an_estimator_of_a_device_that_is_not_here_works_on_the_cpu(fitted: IcicleGCN) -> None:
    elsewhere = copy.deepcopy(fitted)
    elsewhere._config = dataclasses.replace(elsewhere._config, device="cuda:99")
    with pytest.warns(UserWarning, match="assigned on the CPU: '--device cuda:99'"):
        twin = pickle.loads(pickle.dumps(elsewhere))
    np.testing.assert_array_equal(twin.predict_proba(X[:5]), fitted.predict_proba(X[:5]))


def test_a_fit_that_fails_leaves_nothing_behind() -> None:
    model = small().fit(X)
    model.set_params(options={"typo": 1})
    for _ in range(2):  # as much after a first fit as after a second
        with pytest.raises(ValueError, match="unknown option 'typo'"):
            model.fit(X)
        with pytest.raises(NotFittedError):
            model.predict(X)
        model = model.__class__(**model.get_params())


def test_pipelines_and_grid_search() -> None:
    pipeline = make_pipeline(StandardScaler(), small())
    assert adjusted_rand_score(Y, pipeline.fit_predict(X)) > 0.95
    grid = {"iciclegcn__n_clusters": [2, 3]}
    search = GridSearchCV(pipeline, grid, scoring="adjusted_rand_score", cv=2).fit(X, Y)
    assert search.best_params_ == {"iciclegcn__n_clusters": 3}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_few_rows_take_all_others_as_neighbours() -> None:
    few = small(n_clusters=2, n_neighbors=50).fit(X[:6])
    assert few.labels_.shape == (6,)


def test_one_cluster_needs_no_training() -> None:
    one = small(n_clusters=1).fit(X)
    assert set(one.labels_) == {0}
    assert one.n_iter_ == 0
    np.testing.assert_allclose(one.cluster_centers_, X.mean(axis=0, keepdims=True))
    np.testing.assert_array_equal(one.predict(X[:2]), [0, 0])
    np.testing.assert_array_equal(one.transform(X[:2]), 1)


def test_options_win_over_parameters() -> None:
    given = {"mgcn.code_warmup_steps": 80, "mgcn.kmeans_restarts": 1, "mgcn.iterations": 3}
    assert small(options=given).fit(X).n_iter_ == 3


def test_progress_is_printed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    small().fit(X)
    assert capsys.readouterr().out == ""
    small(verbose=1).fit(X)
    assert "[IcicleGCN] iteration 2 of 2, loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"n_clusters": 0}, "'n_clusters' must be a whole number of 1 or more .got 0"),
        ({"n_clusters": 2.5}, "'n_clusters' must be a whole number"),
        ({"n_clusters": 121}, "'n_clusters' must be at most the number of rows, n_samples=120"),
        ({"n_neighbors": (1, 0)}, "'n_neighbors' must be a whole number"),
        ({"max_iter": 0}, "'max_iter' must be a whole number"),
        ({"encoder_epochs": True}, "'encoder_epochs' must be a whole number"),
        ({"options": {"encode.epoch": 3}}, "unknown option 'encode.epoch'; did you mean"),
        ({"options": {"graph.metric": "l1"}}, "'graph.metric' must be one of l2, cosine"),
        ({"device": "tpu"}, "must be auto, cpu or cuda"),
    ],
)
def test_wrong_parameters_are_told_at_the_fit(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        small(**changes).fit(X)
