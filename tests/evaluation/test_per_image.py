import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iciclegcn.evaluation.per_image import UNASSIGNED, image_facts, least_certain

SOFT = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.0, 0.1, 0.9]])


def test_facts_are_those_of_the_most_probable_cluster() -> None:
    facts = image_facts(SOFT)
    assert facts.clusters.tolist() == [0, 1, 2, 2]
    np.testing.assert_allclose(facts.confidences, [0.7, 0.5, 0.4, 0.9])
    np.testing.assert_allclose(facts.margins, [0.5, 0.1, 0.1, 0.8])
    assert np.isnan(facts.agreements).all()


def test_agreement_is_the_share_of_heads_with_that_cluster() -> None:
    other = SOFT[:, [1, 0, 2]]  # swaps the first two clusters
    facts = image_facts(SOFT, [SOFT, other])
    assert facts.agreements.tolist() == [0.5, 0.5, 1.0, 1.0]
    facts = image_facts(SOFT, [other, other, SOFT])
    np.testing.assert_allclose(facts.agreements, [1 / 3, 1 / 3, 1.0, 1.0])
    assert np.isnan(image_facts(SOFT, [SOFT]).agreements).all()  # one has nobody to agree with


def test_the_least_certain_are_left_unassigned() -> None:
    whole = image_facts(SOFT)
    facts = image_facts(SOFT, abstain=0.5)
    assert facts.clusters.tolist() == [0, UNASSIGNED, UNASSIGNED, 2]
    np.testing.assert_array_equal(facts.confidences, whole.confidences)
    np.testing.assert_array_equal(facts.margins, whole.margins)
    assert image_facts(SOFT, abstain=0.25).clusters.tolist() == [0, 1, UNASSIGNED, 2]
    assert image_facts(SOFT, abstain=0.1).clusters.tolist() == [0, 1, 2, 2]  # less than half of one


def test_ties_go_by_margin_then_to_the_later() -> None:
    confidences, margins = np.array([0.5, 0.5, 0.5, 0.5]), np.array([0.2, 0.1, 0.1, 0.3])
    assert least_certain(confidences, margins, 0.25).tolist() == [2]
    assert least_certain(confidences, margins, 0.75).tolist() == [2, 1, 0]


@given(st.integers(1, 40), st.floats(0, 0.99), st.integers(0, 2**31))
def test_as_many_are_left_out_as_asked_and_none_is_surer(n: int, share: float, seed: int) -> None:
    soft = np.random.default_rng(seed).dirichlet(np.ones(4), n).astype(np.float32)
    facts = image_facts(soft, abstain=share)
    out = facts.clusters == UNASSIGNED
    assert out.sum() == min(round(share * n), n - 1)
    if out.any():
        assert facts.confidences[out].max() <= facts.confidences[~out].min()


@pytest.mark.parametrize(
    ("probabilities", "heads", "abstain", "fragment"),
    [
        (SOFT[:, :1], (), 0.0, "K of 2 or more"),
        (SOFT[:0], (), 0.0, "non-empty"),
        (SOFT, (SOFT[:2],), 0.0, "'heads' must have the shape"),
        (SOFT, (), 1.0, r"'abstain' must be in \[0, 1\)"),
        (SOFT, (), -0.1, "'abstain'"),
    ],
)
def test_what_does_not_fit_is_refused(
    probabilities: np.ndarray, heads: tuple[np.ndarray, ...], abstain: float, fragment: str
) -> None:
    with pytest.raises(ValueError, match=fragment):
        image_facts(probabilities, heads, abstain=abstain)
