"""Trees and a line as one estimator: the mean of both in log-odds, each put right before."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from ml_sys.model.blend import CLIP, blended
from ml_sys.model.estimator import BlendedXGBClassifier

TREES = {"n_estimators": 12, "max_depth": 3, "random_state": 1, "n_jobs": 1}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    encoded = rng.normal(0, 2, (400, 6)).astype(np.float32)
    encoded[:, 5] = rng.integers(0, 4, 400)  # a coded category
    encoded[0, 0] = 1e6  # beyond what the line believes
    pull = encoded[:, 1] - encoded[:, 2] + rng.normal(0, 1, 400)
    return encoded, (pull > np.quantile(pull, 0.9)).astype(np.int64)


@pytest.fixture(scope="module")
def both(rows):
    members = {"tree_calibration": (1.5, 0.2), "line_calibration": (0.5, -0.1)}
    model = BlendedXGBClassifier(n_numbers=5, line_share=0.25, line_c=0.01, **members, **TREES)
    return model.fit(*rows)


def test_log_odds_are_the_weighted_mean_of_the_calibrated_members(both, rows):
    encoded, _ = rows
    trees, line = both.tree_margins(encoded).astype(float), both.line_log_odds(encoded)
    by_hand = 0.75 * (1.5 * trees + 0.2) + 0.25 * (0.5 * line - 0.1)
    np.testing.assert_allclose(both.predict(encoded, output_margin=True), by_hand, rtol=0, atol=1e-12)
    np.testing.assert_allclose(both.predict_proba(encoded)[:, 1], 1 / (1 + np.exp(-by_hand)), atol=1e-12)
    np.testing.assert_array_equal(both.predict(encoded), by_hand > 0)


def test_trees_are_those_of_xgboost_and_the_line_is_logistic_regression_on_clipped_numbers(both, rows):
    encoded, label = rows
    alone = XGBClassifier(**TREES).fit(encoded, label)
    np.testing.assert_array_equal(both.tree_margins(encoded), alone.predict(encoded, output_margin=True))
    numbers = np.clip(encoded[:, :5].astype(float), -CLIP, CLIP)
    standard = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    oracle = LogisticRegression(C=0.01, max_iter=1000).fit(standard, label)
    np.testing.assert_allclose(both.line_log_odds(encoded), oracle.decision_function(standard), atol=1e-6)


def test_without_a_share_the_line_changes_no_bit(rows):
    encoded, label = rows
    model = BlendedXGBClassifier(n_numbers=5, line_share=0.0, **TREES).fit(encoded, label)
    alone = XGBClassifier(**TREES).fit(encoded, label)
    np.testing.assert_array_equal(
        model.predict(encoded, output_margin=True), alone.predict(encoded, output_margin=True)
    )


def test_a_weighted_row_is_that_many_rows_for_the_line(rows):
    encoded, label = rows
    times = np.random.default_rng(0).integers(1, 4, label.size)
    weighted = BlendedXGBClassifier(n_numbers=5, **TREES).fit(encoded, label, sample_weight=times)
    repeated = BlendedXGBClassifier(n_numbers=5, **TREES).fit(encoded.repeat(times, 0), label.repeat(times))
    np.testing.assert_allclose(weighted.line_means_, repeated.line_means_, rtol=1e-12)
    np.testing.assert_allclose(
        weighted.line_log_odds(encoded), repeated.line_log_odds(encoded), rtol=0, atol=1e-3
    )


def test_a_constant_number_leaves_the_line_finite(rows):
    encoded, label = rows
    flat = encoded.copy()
    flat[:, 3] = 2
    model = BlendedXGBClassifier(n_numbers=5, **TREES).fit(flat, label)
    assert np.isfinite(model.predict(flat, output_margin=True)).all()
    assert model.line_coefficients_[3] == pytest.approx(0, abs=1e-9)


def test_a_clone_has_every_parameter_and_xgboost_hears_of_none_of_the_line(both):
    copy = clone(both)
    assert copy.get_params() == both.get_params()
    assert not {"line_share", "line_c", "n_numbers"} & set(copy.get_xgb_params())


def test_numpy_and_the_compiled_loop_add_up_to_the_same_bits(both, rows):
    encoded, _ = rows
    blend, margins = both.blend_, both.tree_margins(encoded)
    meanwhile = np.empty(len(encoded))
    arguments = (blend.slope, blend.intercept, blend.weights, blend.means, meanwhile)
    blended.meanwhile(margins, encoded, *arguments)
    np.testing.assert_array_equal(meanwhile, blend.log_odds(margins, encoded))


def test_defaults_are_a_light_line_that_sees_nothing_until_it_is_told_of_numbers(rows):
    encoded, label = rows
    model = BlendedXGBClassifier(**TREES)
    assert {name: model.get_params()[name] for name in ("line_share", "line_c", "n_numbers")} == {
        "line_share": 0.35, "line_c": 0.001, "n_numbers": 0,
    }  # fmt: skip
    assert (model.tree_calibration, model.line_calibration) == ((1, 0), (1, 0))
    assert (model.objective, CLIP) == ("binary:logistic", 5)
    alone = XGBClassifier(**TREES).fit(encoded, label)
    np.testing.assert_array_equal(
        model.fit(encoded, label).predict(encoded, output_margin=True),
        alone.predict(encoded, output_margin=True),
    )
    assert model.blend_.slope == 1


def test_a_number_that_varies_next_to_nothing_is_not_blown_up(rows):
    encoded, label = rows[0][:60].copy(), rows[1][:60]
    encoded[:, 3] = 1 + np.arange(60) % 2 * np.float32(1e-12)
    model = BlendedXGBClassifier(n_numbers=5, **TREES).fit(encoded, label)
    assert abs(model.line_coefficients_[3]) < 1
    np.testing.assert_allclose(model.line_means_, np.clip(encoded[:, :5], -5, 5).mean(axis=0), atol=1e-6)


def test_a_weight_on_positives_holds_for_the_line_too(rows):
    encoded, label = rows
    model = BlendedXGBClassifier(n_numbers=5, line_c=0.01, scale_pos_weight=4.0, **TREES).fit(encoded, label)
    numbers = np.clip(encoded[:, :5].astype(float), -CLIP, CLIP)
    standard = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    oracle = LogisticRegression(C=0.01, max_iter=1000)
    oracle.fit(standard, label, sample_weight=np.where(label == 1, 4.0, 1.0))
    np.testing.assert_allclose(model.line_log_odds(encoded), oracle.decision_function(standard), atol=1e-6)
