"""From margins to probabilities: the score, the calibrator's map, the same bits for one and many."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.elementary import sigmoids
from ml_sys.model.calibration import Calibrator, calibrate
from ml_sys.scoring.compiled.line import Line
from ml_sys.scoring.compiled.loops import COUNTS, GROUP, NODE, blend, predict

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


NO_LINE = Line.of(None, {}, []).arguments()


def no_tree(margin):
    """Trees that add nothing, as the loops take them: every row has this margin."""
    leaf = np.array([(0, 0, np.nan, -0.0)], dtype=NODE)
    return leaf, np.zeros((1, GROUP), dtype=np.int32), np.zeros(1, dtype=np.int32), margin


def scores_of_xgboost(margins):
    """What XGBoost makes of margins: a model without a tree, whose margin is the row's base."""
    data = xgb.DMatrix(np.zeros((len(margins), 1)), label=np.zeros(len(margins)), base_margin=margins)
    booster = xgb.train({"objective": "binary:logistic", "base_score": 0.5, "nthread": 1}, data, 0)
    return booster.predict(data)


def probabilities(calibrator, margins):
    return calibrator(sigmoids(np.float32(margins)))


def test_scores_are_those_of_xgboost_to_two_units_in_its_last_place():
    rng = np.random.default_rng(0)
    edges = [0, -0.0, 80, -80, 87, -87, 200]  # below, XGBoost's float32 has no small enough number
    some = np.concatenate([rng.normal(0, 5, 20_000), edges]).astype(np.float32)
    theirs = scores_of_xgboost(some)
    assert (np.abs(sigmoids(some) - theirs) <= 2 * np.spacing(theirs)).all()


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@given(several=st.lists(margins, min_size=1, max_size=20))
def test_one_margin_gives_the_same_bits_alone_as_among_others(calibrator, several):
    many = probabilities(calibrator, several)
    for form in (predict, predict.meanwhile):
        alone = [
            form(ROW, no_tree(margin), NO_LINE, calibrator.arguments()) for margin in np.float32(several)
        ]
        assert alone == many.tolist()
    assert ((many >= 0) & (many <= 1)).all()


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@given(several=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_calibration_has_the_same_bits_until_its_loop_is_compiled(calibrator, several):
    scores = np.array([*several, *calibrator.knots, 0.0, 1.0])
    compiled, meanwhile = np.empty_like(scores), np.empty_like(scores)
    calibrate(scores, *calibrator.arguments(), compiled)
    calibrate.meanwhile(scores, *calibrator.arguments(), meanwhile)
    assert compiled.tobytes() == meanwhile.tobytes()


def test_scores_on_the_knots_take_their_values():
    assert KNOTS(np.array(KNOTS.knots)).tolist() == list(KNOTS.values)


def test_a_line_is_one_on_the_log_odds():
    line = Calibrator("sigmoid", slope=1.7, intercept=-3.0)
    scores = np.linspace(0.001, 0.999, 999)
    expected = 1 / (1 + np.exp(-(1.7 * np.log(scores / (1 - scores)) - 3)))
    np.testing.assert_allclose(line(scores), expected, rtol=1e-13)


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_the_calibration_never_falls_where_the_margin_rises(calibrator):
    assert (np.diff(probabilities(calibrator, np.linspace(-20, 20, 5001))) >= 0).all()


def test_whole_numbers_that_are_looked_up_add_the_bits_that_are_computed_for_them():
    rng, names = np.random.default_rng(3), ["a", "b", "c"]
    encoder = {
        "numbers": names,
        "medians": [0.0, 2.0, 9.5],
        "centers": [0.7, 0.0, 2.1],
        "scales": [1.3, 1, 0.4],
    }
    plain = {"weights": [0.8, -1.7, 0.03], "means": [0.1, -0.2, 0.3], "slope": 0.9, "intercept": -4.0}
    line = Line.of(plain, encoder, names)
    beside = [
        -1,
        -0.0,
        0.5,
        np.nextafter(1, 2),
        COUNTS - 0.5,
        COUNTS,
        COUNTS + 1,
        1e9,
        np.nan,
        np.inf,
        -np.inf,
    ]
    values = np.array([*range(COUNTS), *beside], np.float32)
    rows = rng.permuted(np.repeat(values[:, None], 3, axis=1), axis=0)
    rows = np.concatenate([rows, np.repeat(values[:, None], 3, axis=1)])
    margins = rng.normal(0, 1, len(rows)).astype(np.float32)
    computed = np.empty(len(rows))
    blend.meanwhile(rows, margins, *line.arguments(), computed)
    assert line.log_odds(rows, margins).tobytes() == computed.tobytes()
