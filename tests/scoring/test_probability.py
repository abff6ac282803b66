"""From margins to probabilities: XGBoost's score, the calibrator's map, the same bits for one and many."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.model.calibration import Calibrator, fit_calibrator
from ml_sys.scoring.loops import GROUP, NODE, calibrate, exponential, predict
from ml_sys.scoring.probability import Calibration

margins = st.one_of(
    st.floats(-30, 30, width=32), st.floats(width=32, allow_nan=False), st.sampled_from([0.0, -0.0])
)
KNOTS = Calibrator("isotonic", knots=(0.1, 0.2, 0.7, 0.9), values=(0.0, 0.3, 0.3, 1.0))
CALIBRATORS = [
    Calibrator("none"),
    Calibrator("sigmoid", slope=1.7, intercept=-3.0),
    Calibrator("sigmoid", slope=500.0, intercept=2000.0),
    Calibrator("sigmoid", slope=500.0, intercept=-2000.0),
    KNOTS,
    Calibrator("isotonic", knots=(0.5,), values=(0.25,)),
]


ROW = np.zeros((1, 1), dtype=np.float32)


def no_tree(margin):
    """Trees that add nothing, as the loops take them: every row has this margin."""
    leaf = np.array([(0, 0, np.nan, -0.0)], dtype=NODE)
    return leaf, np.zeros((1, GROUP), dtype=np.int32), np.zeros(1, dtype=np.int32), margin


def scores_of_xgboost(margins):
    """What XGBoost makes of margins: a model without a tree, whose margin is the row's base."""
    data = xgb.DMatrix(np.zeros((len(margins), 1)), label=np.zeros(len(margins)), base_margin=margins)
    booster = xgb.train({"objective": "binary:logistic", "base_score": 0.5, "nthread": 1}, data, 0)
    return booster.predict(data)


def test_scores_have_the_bits_of_xgboost():
    rng = np.random.default_rng(0)
    edges = [0, -0.0, 80, -80, 88.69, 88.71, -88.69, -88.71, 200, -200]
    some = np.concatenate([rng.normal(0, 5, 20_000), edges]).astype(np.float32)
    scores = Calibration.of(Calibrator("none")).many(some)
    assert scores.astype(np.float32).tobytes() == scores_of_xgboost(some).tobytes()


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@given(several=st.lists(margins, min_size=1, max_size=20))
def test_one_margin_gives_the_same_bits_alone_as_among_others(calibrator, several):
    calibration = Calibration.of(calibrator)
    with np.errstate(over="ignore"):
        many = calibration.many(np.float32(several))
        for form in (predict, predict.meanwhile):
            alone = [form(ROW, *no_tree(margin), *calibration.arguments()) for margin in np.float32(several)]
            assert alone == many.tolist()
    assert ((many >= 0) & (many <= 1)).all()


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@given(several=st.lists(margins, min_size=1, max_size=20))
def test_a_calibration_is_that_of_its_calibrator(calibrator, several):
    with np.errstate(over="ignore"):
        scores = Calibration.of(Calibrator("none")).many(np.float32(several))
        found = Calibration.of(calibrator).many(np.float32(several))
    np.testing.assert_allclose(found, calibrator(scores), atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "none"])
def test_a_fitted_calibrator_is_taken_over(method):
    rng = np.random.default_rng(1)
    scores = rng.random(500).astype(np.float32)
    calibrator = fit_calibrator(method, scores, rng.random(500) < scores)
    some = rng.normal(0, 3, 300).astype(np.float32)
    plain = Calibration.of(Calibrator("none")).many(some)
    np.testing.assert_allclose(Calibration.of(calibrator).many(some), calibrator(plain), atol=1e-12, rtol=0)


def test_scores_on_the_knots_take_their_values():
    found = np.empty(4)
    taken = Calibration.of(KNOTS)
    calibrate(np.array(KNOTS.knots), 2, 1.0, 0.0, taken.knots, taken.values, found)
    assert found.tolist() == list(KNOTS.values)


def test_the_calibration_never_falls_where_the_margin_rises():
    rising = np.linspace(-20, 20, 5001, dtype=np.float32)
    for calibrator in CALIBRATORS:
        with np.errstate(over="ignore"):
            assert (np.diff(Calibration.of(calibrator).many(rising)) >= 0).all()


@given(st.lists(margins, max_size=20))
def test_exponentials_have_the_same_bits_until_the_loop_is_compiled(several):
    given_margins = np.float32(several)
    compiled, meanwhile = np.empty_like(given_margins), np.empty_like(given_margins)
    exponential(given_margins, compiled)
    exponential.meanwhile(given_margins, meanwhile)
    assert compiled.tobytes() == meanwhile.tobytes()
