"""Resampling: the minority grows to the ratio asked for, and the rows given stay what they are."""

from __future__ import annotations

import logging

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTENC

from ml_sys.model.resample import AdaptiveSMOTENC

CATEGORICAL = [3, 4]


def rows(n: int, positive: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    X[:, CATEGORICAL] = rng.integers(0, 3, (n, 2))
    y = np.zeros(n, dtype=np.int64)
    y[rng.choice(n, positive, replace=False)] = 1
    return X, y


@pytest.mark.parametrize(("ratio", "minority"), [(0.02, 19), (0.2, 197), (1.0, 988), ("auto", 988)])
@pytest.mark.parametrize("categorical", [CATEGORICAL, [], list(range(5))])
def test_the_minority_grows_to_the_ratio_asked_for(
    ratio: float | str, minority: int, categorical: list[int]
) -> None:
    X, y = rows(1000, 12)
    sampler = AdaptiveSMOTENC(categorical, sampling_strategy=ratio)  # type: ignore[arg-type]
    grown, labels = sampler.fit_resample(X, y)
    assert (int((labels == 0).sum()), int((labels == 1).sum())) == (988, minority)
    assert sampler.counts_before_ == (988, 12)
    assert sampler.counts_after_ == (988, minority)
    assert len(grown) == len(labels)


@given(seed=st.integers(0, 1000), positive=st.integers(2, 30), ratio=st.sampled_from([0.02, 0.2, "auto"]))
def test_rows_given_come_first_and_unchanged_and_synthetic_ones_are_positive(
    seed: int, positive: int, ratio: float | str
) -> None:
    X, y = rows(200, positive, seed)
    before = X.copy()
    grown, labels = AdaptiveSMOTENC(CATEGORICAL, ratio).fit_resample(X, y)  # type: ignore[arg-type]
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(grown[:200], before)
    np.testing.assert_array_equal(labels[:200], y)
    assert (labels[200:] == 1).all()
    assert grown.dtype == np.float32
    assert labels.dtype == np.int64


def test_synthetic_rows_lie_between_positive_ones_and_have_their_categories() -> None:
    X, y = rows(500, 15)
    grown, _ = AdaptiveSMOTENC(CATEGORICAL, "auto").fit_resample(X, y)
    synthetic, positive = grown[500:], X[y == 1]
    for column in (0, 1, 2):
        assert synthetic[:, column].min() >= positive[:, column].min()
        assert synthetic[:, column].max() <= positive[:, column].max()
    for column in CATEGORICAL:
        assert set(synthetic[:, column]) <= set(positive[:, column])


def test_the_same_seed_draws_the_same_rows_and_another_one_others() -> None:
    X, y = rows(300, 10)
    one, again, other = (
        AdaptiveSMOTENC(CATEGORICAL, 0.2, random_state=seed).fit_resample(X, y)[0] for seed in (1, 1, 2)
    )
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("positive", [2, 3, 5])
def test_few_positive_rows_are_neighbours_of_each_other(positive: int) -> None:
    X, y = rows(100, positive)
    _, labels = AdaptiveSMOTENC(CATEGORICAL, 0.2, k_neighbors=5).fit_resample(X, y)
    assert labels.sum() == int(0.2 * (100 - positive))


@pytest.mark.parametrize("positive", [0, 1])
def test_without_neighbours_rows_stay_as_they_are_and_the_log_says_so(
    positive: int, caplog: pytest.LogCaptureFixture
) -> None:
    X, y = rows(100, positive)
    sampler = AdaptiveSMOTENC(CATEGORICAL, 0.2)
    with caplog.at_level(logging.WARNING):
        grown, labels = sampler.fit_resample(X, y)
    assert grown is X
    assert labels is y
    assert "no neighbours" in caplog.text
    assert sampler.counts_after_ == (100 - positive, positive)


def test_a_ratio_reached_already_leaves_rows_as_they_are() -> None:
    X, y = rows(100, 40)
    assert AdaptiveSMOTENC(CATEGORICAL, 0.2).fit_resample(X, y)[0] is X


@pytest.mark.parametrize(
    ("categorical", "sampler"), [([], "SMOTE resamples"), (list(range(5)), "SMOTEN resamples")]
)
def test_the_log_says_what_takes_the_place_of_smotenc(
    categorical: list[int], sampler: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        AdaptiveSMOTENC(categorical, 0.5).fit_resample(*rows(100, 10))
    assert sampler in caplog.text


@given(
    seed=st.integers(0, 10_000),
    positive=st.integers(2, 40),
    ratio=st.sampled_from([0.1, 0.3, 1.0]),
    levels=st.integers(1, 6),
)
def test_the_rows_drawn_are_those_of_imbalanced_learn_given_every_row(
    seed: int, positive: int, ratio: float, levels: int
) -> None:
    X, y = rows(300, positive, seed)
    X[:, CATEGORICAL] = np.random.default_rng(seed).integers(0, levels, (300, 2))
    hypothesis.assume(int(ratio * (300 - positive)) > positive)
    k = min(5, positive - 1)
    whole = SMOTENC(CATEGORICAL, sampling_strategy=ratio, k_neighbors=k, random_state=seed).fit_resample(X, y)
    ours = AdaptiveSMOTENC(CATEGORICAL, ratio, random_state=seed).fit_resample(X, y)
    np.testing.assert_array_equal(ours[0], whole[0].astype(np.float32))
    np.testing.assert_array_equal(ours[1], whole[1])
