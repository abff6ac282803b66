"""Resampling: the minority grows to the ratio asked for, and the rows given stay what they are."""

from __future__ import annotations

import logging
import tracemalloc

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTEN, SMOTENC
from imblearn.pipeline import Pipeline

from ml_sys.model.neighbours import OtherCompanies
from ml_sys.model.pipeline import build_pipeline, fit_pipeline, raw_scores
from ml_sys.model.resample import AdaptiveSMOTENC, _as_often
from ml_sys.model.split import Source, split
from ml_sys.model.train import fit_model, spec_from
from ml_sys.settings import Settings
from tests.model import world as w

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


@pytest.mark.parametrize("n_columns", [18, 19, 50])
def test_rows_of_many_columns_are_drawn_as_imbalanced_learn_draws_them_to_the_bit(n_columns: int) -> None:
    rng = np.random.default_rng(n_columns)
    X = rng.normal(size=(400, n_columns)).astype(np.float32)
    X[rng.random(X.shape) < 0.3] = 0
    X[rng.random(X.shape) < 0.1] = -0.0
    categorical = [0, n_columns // 2]
    X[:, categorical] = rng.integers(0, 4, (400, 2))
    y = (np.arange(400) < 30).astype(np.int64)
    whole = SMOTENC(categorical, sampling_strategy=0.5, k_neighbors=5, random_state=3).fit_resample(X, y)[0]
    ours = AdaptiveSMOTENC(categorical, 0.5, random_state=3).fit_resample(X, y)[0]
    assert ours[400:].tobytes() == whole[400:].astype(np.float32).tobytes()


def test_what_drawing_a_row_takes_is_not_ten_kilobytes() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 60)).astype(np.float32)
    X[:, 59] = rng.integers(0, 4, 300)
    y, times = (np.arange(300) < 200).astype(np.int64), np.where(np.arange(300) < 200, 1.0, 200.0)
    sampler = AdaptiveSMOTENC([59], "auto")
    sampler.fit_resample(X, y, times=times)  # what is compiled or imported once is no part of it
    tracemalloc.start()
    try:
        sampler.fit_resample(X, y, times=times)
        took = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    drawn = sampler.counts_after_[1] - sampler.counts_before_[1]
    assert drawn > 10_000
    assert took / drawn < 12 * X[0].nbytes


def repeated(weeks: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Converters far apart, each in as many almost equal rows as asked for, between rows of 200 others."""
    rng = np.random.default_rng(seed)
    places = np.eye(len(weeks)) * 100
    company = np.concatenate([np.repeat(np.arange(len(weeks)), weeks), np.arange(200) + len(weeks)])
    X = rng.normal(size=(company.size, len(weeks) + 1)).astype(np.float32)
    X[: sum(weeks), :-1] += places[company[: sum(weeks)]].astype(np.float32)
    X[:, -1] = rng.integers(0, 3, company.size)
    y = (company < len(weeks)).astype(np.int64)
    order = rng.permutation(company.size)
    return X[order], y[order], company[order]


WEEKS = [30, 1, 2, 5, 1, 3, 4, 1]


@pytest.mark.parametrize("categorical", [[len(WEEKS)], []])
def test_synthetic_rows_lie_between_two_companies_never_between_two_weeks_of_one(
    categorical: list[int],
) -> None:
    X, y, company = repeated(WEEKS)
    grown, _ = AdaptiveSMOTENC(categorical, "auto", k_neighbors=2).fit_resample(X, y, company)
    between = grown[y.size :, : len(WEEKS)].clip(0, 100) / 100
    assert len(between) == 200 - sum(WEEKS)
    # Between two corners at distance 100 the coordinates of both add up to one, and no third one takes part.
    largest = np.sort(between, axis=1)[:, ::-1]
    assert (np.abs(largest[:, :2].sum(axis=1) - 1) < 0.1).all()
    assert (largest[:, 1] > 0.1).mean() > 0.7  # steps along the way are uniform


def test_as_many_other_companies_as_asked_for_are_neighbours() -> None:
    places = np.repeat([(0, 0), (100, 0), (0, 300)], 3, axis=0)
    jitter = np.arange(9)[:, None] / 100
    X = np.concatenate([places + jitter, np.full((60, 2), -50)]).astype(np.float32)
    y, company = np.repeat([1, 0], [9, 60]), np.append(np.repeat([0, 1, 2], 3), np.arange(60) + 3)
    grown, _ = AdaptiveSMOTENC([], "auto", k_neighbors=2).fit_resample(X, y, company)
    drawn = grown[y.size :]
    # Between the second and the third company, neither of which is the other's nearest.
    assert ((drawn[:, 0] > 10) & (drawn[:, 1] > 10)).any()


def test_every_converter_is_drawn_from_as_often_however_many_weeks_it_stands_there() -> None:
    X, y, company = repeated(WEEKS)
    many = np.concatenate([np.flatnonzero(y == 1), np.resize(np.flatnonzero(y == 0), 20_000)])
    grown, _ = AdaptiveSMOTENC([len(WEEKS)], "auto").fit_resample(X[many], y[many], company[many])
    nearest = grown[many.size :, : len(WEEKS)].argmax(axis=1)
    shares = np.bincount(nearest, minlength=len(WEEKS)) / nearest.size
    # A company is also met as a neighbour of others, but the first one no more than any.
    assert shares[0] < 2 / len(WEEKS)
    assert shares.min() > 0.25 / len(WEEKS)


@given(
    seed=st.integers(0, 1000),
    positive=st.integers(2, 20),
    categorical=st.sampled_from([CATEGORICAL, [], list(range(5))]),
)
def test_where_no_company_repeats_the_rows_are_those_drawn_without_companies(
    seed: int, positive: int, categorical: list[int]
) -> None:
    X, y = rows(200, positive, seed)
    company = np.random.default_rng(seed).permutation(y.size)
    without = AdaptiveSMOTENC(categorical, 0.5).fit_resample(X, y)[0]
    assert AdaptiveSMOTENC(categorical, 0.5).fit_resample(X, y, company)[0].tobytes() == without.tobytes()


@given(seed=st.integers(0, 1000), categorical=st.sampled_from([CATEGORICAL, [], list(range(5))]))
def test_how_companies_are_numbered_changes_no_row(seed: int, categorical: list[int]) -> None:
    rng = np.random.default_rng(seed)
    X, y = rows(150, 24, seed)
    company = rng.integers(0, 40, y.size)
    renamed = rng.permutation(40)[company]
    one, other = (
        AdaptiveSMOTENC(categorical, 0.5).fit_resample(X, y, which)[0] for which in (company, renamed)
    )
    assert one.tobytes() == other.tobytes()


def test_one_converting_company_in_many_rows_has_no_neighbours(caplog: pytest.LogCaptureFixture) -> None:
    X, y = rows(100, 10)
    company = np.where(y == 1, 0, np.arange(100))
    with caplog.at_level(logging.WARNING):
        grown, _ = AdaptiveSMOTENC(CATEGORICAL, 0.5).fit_resample(X, y, company)
    assert grown is X
    assert "no neighbours" in caplog.text


BAYES = {"estimator": "sklearn.naive_bayes:GaussianNB", "params": {}}


def unfitted(asked: Settings) -> Pipeline:
    return build_pipeline(
        spec_from(asked),
        features=asked.features,
        resample=asked.resample,
        model=asked.model,
        seed=asked.seed,
        threads=1,
    )


def test_a_fit_draws_by_the_companies_of_its_panel_and_no_company_reaches_encoder_or_model() -> None:
    # What is drawn counts whole, as where a Pipeline is fitted by itself.
    asked = w.settings(model=BAYES, resample={"weight": 1.0})
    spec = spec_from(asked)
    part, holdout = split(Source.of(w.small_world(), asked), spec, asked)
    fitted = fit_model(part.train, part.validation, spec, asked)[0].pipeline
    told, untold, whole = (unfitted(asked) for _ in range(3))
    fit_pipeline(told, part.train.features, part.train.label, company=part.train.company)
    fit_pipeline(untold, part.train.features, part.train.label)
    whole.fit(part.train.features, part.train.label.astype(np.int64))  # each row a company of its own
    scores = [raw_scores(one, holdout.features) for one in (fitted, told, untold, whole)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()
    np.testing.assert_allclose(scores[2], scores[3], atol=1e-4)
    assert fitted["model"].n_features_in_ == len(spec.names())


@pytest.mark.parametrize("seed", range(3))
def test_without_numbers_the_rows_drawn_are_those_of_smoten_given_every_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = (np.arange(300) < 20).astype(np.int64)
    # Levels that converters have as often as others and levels that they have more often.
    X = np.column_stack(
        [np.where(y == 1, rng.integers(0, 3, 300), rng.integers(0, 6, 300)) for _ in range(4)]
    )
    X = X.astype(np.float32)
    whole = SMOTEN(sampling_strategy=0.2, k_neighbors=5, random_state=seed).fit_resample(X, y)
    ours = AdaptiveSMOTENC(range(4), 0.2, random_state=seed).fit_resample(X, y)
    np.testing.assert_array_equal(ours[0], whole[0])
    np.testing.assert_array_equal(ours[1], whole[1])


def test_by_default_the_minority_grows_to_two_in_a_hundred_among_five_neighbours() -> None:
    one = AdaptiveSMOTENC([0])
    assert (one.sampling_strategy, one.k_neighbors, one.random_state) == (0.02, 5, 0)
    assert OtherCompanies(np.arange(3)).n_neighbors == 5


@pytest.mark.parametrize(
    ("converter", "named"),
    [([0, 0, 0, 1], [0, 1, 2, 3, 3, 3]), ([0, 1, 1, 2], [0, 0, 1, 2, 3, 3]), ([0, 1, 2], [0, 1, 2])],
)
def test_rows_of_each_converter_are_named_in_turn_until_it_has_as_many_as_the_one_with_most(
    converter: list[int], named: list[int]
) -> None:
    assert _as_often(np.array(converter)).tolist() == named
