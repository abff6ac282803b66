"""Equal rows learned once: which are merged, and that what is learned stays the same."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar
from unittest.mock import ANY

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from imblearn.pipeline import Pipeline
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from xgboost import XGBClassifier

from ml_sys.features.rows import Rows
from ml_sys.model.pipeline import build_pipeline, fit_pipeline, raw_scores
from ml_sys.model.repeats import alike, distinct_rows, learns_weights
from ml_sys.model.split import Source, split
from ml_sys.model.train import fit_model, spec_from
from tests.model import world as w

ROWS = np.array([[1, 2], [3, 4], [1, 2], [1, 2], [3, 4], [5, 6]], dtype=np.float32)


def test_rows_that_are_equal_are_kept_once_in_the_order_of_their_first_appearance() -> None:
    found = distinct_rows(ROWS, np.array([0, 1, 0, 1, 1, 0]))
    assert found.encoded.tolist() == [[1, 2], [3, 4], [1, 2], [5, 6]]
    assert found.label.tolist() == [0, 1, 1, 0]
    assert found.times.tolist() == [2, 2, 1, 1]


@given(
    rows=arrays.arrays(
        np.float32, st.tuples(st.integers(0, 30), st.integers(1, 3)), elements=st.integers(0, 2)
    ),
    seed=st.integers(0, 99),
)
def test_repeated_as_often_as_it_weighs_every_row_is_there_again(
    rows: NDArray[np.float32], seed: int
) -> None:
    label = np.random.default_rng(seed).integers(0, 2, len(rows))
    found = distinct_rows(rows, label)
    pairs = np.column_stack([found.encoded, found.label])
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    again = np.repeat(pairs, found.times.astype(int), axis=0)
    assert sorted(map(tuple, again)) == sorted(map(tuple, np.column_stack([rows, label])))


def test_rows_that_share_a_digest_and_differ_are_not_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pd.util, "hash_pandas_object", lambda frame, index: pd.Series(np.zeros(len(frame), np.uint64))
    )
    found = distinct_rows(ROWS, np.array([0, 0, 0, 1, 0, 0]))
    assert found.times.sum() == len(ROWS)
    assert found.encoded.tolist() == [[1, 2], [3, 4], [1, 2], [3, 4], [5, 6]]
    assert found.label.tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (XGBClassifier(), True),
        (XGBClassifier(scale_pos_weight=300.0), True),
        (LogisticRegression(), True),
        (RandomForestClassifier(), True),
        (RandomForestClassifier(class_weight="balanced"), False),
        (HistGradientBoostingClassifier(), False),
        (KNeighborsClassifier(), False),
    ],
)
def test_rows_are_merged_where_an_estimator_weighs_them_and_is_sooner_done(
    estimator: Any, expected: bool
) -> None:
    assert learns_weights(estimator) == expected


@pytest.mark.skipif(find_spec("lightgbm") is None, reason="an extra")
def test_lightgbm_weighs_rows_unless_it_evens_classes_out_by_counting_them() -> None:
    from lightgbm import LGBMClassifier

    assert learns_weights(LGBMClassifier())
    assert not learns_weights(LGBMClassifier(is_unbalance=True))


@pytest.fixture(scope="module")
def part() -> Any:
    settings = w.settings()
    return split(Source.of(w.small_world(), settings), spec_from(settings), settings)[0]


MOST_TREES = 20  # more than it takes until the loss rises
WHOLE = {"subsample": 1.0, "colsample_bytree": 1.0, "learning_rate": 0.2, "min_child_weight": 1.0}


def test_the_estimator_is_given_each_row_once(part: Any) -> None:
    settings = w.settings(
        model={"estimator": f"{__name__}:Counting", "params": {}}, resample={"sampling_strategy": "none"}
    )
    Counting.given.clear()
    model, report = fit_model(part.train, part.validation, spec_from(settings), settings)
    n_fitted, total = Counting.given[-1]
    assert n_fitted < total == report.rows == len(part.train)
    assert model.pipeline["model"] is not None


def test_a_fit_to_some_companies_is_given_weights_as_if_they_were_all(part: Any) -> None:
    settings = w.settings(model={"estimator": f"{__name__}:Counting", "params": {}})
    Counting.given.clear()
    fit_model(part.train, part.validation, spec_from(settings), settings)
    *parts, (_, whole) = Counting.given
    assert [total for _, total in parts] == pytest.approx([whole] * len(parts), rel=0.01)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("xgboost:XGBClassifier", WHOLE),
        ("sklearn.linear_model:LogisticRegression", {"solver": "newton-cholesky"}),
    ],
)
@pytest.mark.parametrize("ratio", [0.2, "none"])
def test_merged_rows_teach_what_all_of_them_teach(
    path: str, params: dict[str, Any], ratio: Any, part: Any
) -> None:
    merged, whole = (unfitted(path, params, ratio) for _ in range(2))
    fit_pipeline(merged, part.train.features, part.train.label)
    whole.fit(part.train.features, part.train.label.astype(np.int64))
    held = part.validation.features
    np.testing.assert_allclose(raw_scores(merged, held), raw_scores(whole, held), rtol=1e-4)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_a_synthetic_row_counts_as_much_as_asked_for_and_a_real_one_whole(weight: float, part: Any) -> None:
    Counting.given.clear()
    pipeline = unfitted(f"{__name__}:Counting", {}, 0.3, weight)
    fit_pipeline(pipeline, part.train.rows, part.train.label, company=part.train.company)
    sampler = pipeline["resample"]
    drawn = sum(sampler.counts_after_) - sum(sampler.counts_before_)
    assert drawn > 0
    assert Counting.given == [(ANY, pytest.approx(len(part.train) + weight * drawn))]


def test_who_takes_no_weights_learns_synthetic_rows_like_any_other(part: Any) -> None:
    train = part.train
    light, even = (
        fit_pipeline(
            unfitted("sklearn.neighbors:KNeighborsClassifier", {}, 0.3, weight), train.rows, train.label
        )
        for weight in (0.25, 1.0)
    )
    np.testing.assert_array_equal(raw_scores(light, train.rows), raw_scores(even, train.rows))


def test_histogram_boosting_takes_the_weight_of_synthetic_rows(part: Any) -> None:
    path, train = "sklearn.ensemble:HistGradientBoostingClassifier", part.train
    params = {"max_iter": 5, "early_stopping": False}
    none, light, even = (
        raw_scores(fit_pipeline(unfitted(path, params, ratio, weight), train.rows, train.label), train.rows)
        for ratio, weight in (("none", 1.0), (0.3, 0.1), (0.3, 1.0))
    )
    assert none.mean() < light.mean() < even.mean()


def standing_for(rows: Rows, weight: NDArray[np.float64]) -> Rows:
    return Rows(rows.different, rows.which, weight)


@pytest.mark.parametrize("ratio", [0.2, "none"])
def test_rows_that_stand_for_others_teach_what_those_would(ratio: Any, part: Any) -> None:
    times = np.where(part.train.label, 1, np.random.default_rng(2).integers(1, 4, len(part.train)))
    again = np.repeat(np.arange(len(part.train)), times)
    weighted, whole = (unfitted("xgboost:XGBClassifier", WHOLE, ratio) for _ in range(2))
    rows = standing_for(part.train.rows, times.astype(np.float64))
    assert rows.standing_for() == again.size
    fit_pipeline(weighted, rows, part.train.label)
    fit_pipeline(whole, part.train.rows.take(again), part.train.label[again])
    assert weighted["encode"].levels_ == whole["encode"].levels_
    for name in ("medians_", "centers_", "scales_"):
        ours, theirs = (getattr(one["encode"], name) for one in (weighted, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    held = part.validation.rows
    np.testing.assert_allclose(raw_scores(weighted, held), raw_scores(whole, held), rtol=1e-4)


def test_of_a_sample_whoever_takes_weights_learns_them_and_the_others_see_its_rows_once(part: Any) -> None:
    assert learns_weights(HistGradientBoostingClassifier(), uneven=True)
    assert not learns_weights(KNeighborsClassifier(), uneven=True)
    rows = standing_for(part.train.rows, np.where(part.train.label, 1.0, 5.0))
    for path, weight in (
        ("sklearn.ensemble:HistGradientBoostingClassifier", rows.weight),
        ("sklearn.neighbors:KNeighborsClassifier", None),
    ):
        scores = raw_scores(fit_pipeline(unfitted(path, {}, "none"), rows, part.train.label), part.train.rows)
        rate = np.average(part.train.label, weights=weight)
        assert np.average(scores, weights=weight) == pytest.approx(rate, rel=0.3)


def test_trees_stop_by_the_loss_of_every_watched_row(part: Any) -> None:
    weight, inside = 3.0, np.arange(len(part.train)) % 2 == 0
    learned, held = part.train.take(inside), part.train.take(~inside)
    stopping = {"early_stopping_rounds": 5, "eval_metric": "logloss"}
    merged, whole = (
        unfitted("xgboost:XGBClassifier", {**WHOLE, "scale_pos_weight": weight}, "none") for _ in range(2)
    )
    merged["model"].set_params(**stopping)
    fit_pipeline(merged, learned.features, learned.label, (held.features, held.label))
    odds = [label.sum() / (~label).sum() for label in (learned.label, held.label)]
    whole["model"].set_params(**stopping).fit(
        whole["encode"].fit_transform(learned.features),
        learned.label.astype(int),
        eval_set=[(whole["encode"].transform(held.features), held.label.astype(int))],
        sample_weight_eval_set=[np.where(held.label, weight * odds[0] / odds[1], 1.0)],
        verbose=False,
    )
    losses = [model.evals_result()["validation_0"]["logloss"] for model in (merged["model"], whole["model"])]
    assert len(losses[0]) < MOST_TREES
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def unfitted(path: str, params: dict[str, Any], ratio: float | str, weight: float = 1.0) -> Pipeline:
    settings = w.settings(
        model={"estimator": path, "params": params, "max_trees": MOST_TREES},
        resample={"sampling_strategy": ratio, "weight": weight},
    )
    return build_pipeline(
        spec_from(settings),
        features=settings.features,
        resample=settings.resample,
        model=settings.model,
        seed=1,
        threads=1,
    )


class Counting(GaussianNB):
    """Writes down how many rows it was given and how many they stand for."""

    given: ClassVar[list[tuple[int, float]]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Counting:
        self.given.append((len(X), float(np.sum(sample_weight))))
        return super().fit(X, y, sample_weight=sample_weight)


def test_histogram_boosting_learns_a_sample_with_its_weights(part: Any) -> None:
    params = {"min_samples_leaf": 200, "max_iter": 5, "early_stopping": False}
    weight = np.where(part.train.label, 1.0, 5.0)
    rows = standing_for(part.train.rows, weight)
    path = "sklearn.ensemble:HistGradientBoostingClassifier"
    ours = fit_pipeline(unfitted(path, params, "none"), rows, part.train.label)
    encoded = ours["encode"].transform(part.train.rows)
    weighted, plain = (
        HistGradientBoostingClassifier(**params, random_state=7)
        .fit(encoded, part.train.label, sample_weight=one)
        .predict_proba(encoded)[:, 1]
        for one in (weight, None)
    )
    scores = raw_scores(ours, part.train.rows)
    assert scores.mean() == pytest.approx(weighted.mean(), rel=0.02)
    assert plain.mean() > 2 * weighted.mean()


def test_rows_are_merged_with_the_first_of_the_same_label_but_for_those_that_stay_alone() -> None:
    rows = Rows.merged(pd.DataFrame({"one": np.array([1, 2, 1, 1, 2, 2], dtype=np.float32)}))
    label, alone = np.array([0, 1, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 1], dtype=bool)
    assert alike(rows, label, alone=alone).tolist() == [0, 1, 0, 3, 1, 5]


def test_rows_that_stand_for_others_are_merged_with_their_weight() -> None:
    found = distinct_rows(ROWS, np.array([0, 1, 0, 1, 1, 0]), np.array([2.0, 1, 3, 1, 0.5, 4]))
    assert found.times.tolist() == [5, 1.5, 1, 4]


@pytest.mark.parametrize(
    ("estimator", "even", "uneven"),
    [
        (LogisticRegression(), True, True),
        (LogisticRegression(class_weight="balanced"), False, False),
        (KNeighborsClassifier(), False, False),
        (HistGradientBoostingClassifier(), False, True),
        (HistGradientBoostingClassifier(class_weight="balanced"), False, False),
    ],
)
def test_weights_are_learned_by_whom_they_are_the_same_and_sooner(estimator, even, uneven) -> None:
    assert (learns_weights(estimator), learns_weights(estimator, uneven=True)) == (even, uneven)
