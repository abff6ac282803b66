"""The compiled scorer: the Pipeline's probabilities, whatever it was trained with and is asked."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_sys.elementary import _sigmoids
from ml_sys.features.compute import FeatureSpec
from ml_sys.model.calibration import Calibrator, calibrate
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE
from ml_sys.model.files.serialization import blend_plain
from ml_sys.model.pipeline import build_pipeline
from ml_sys.model.scaling import scaled
from ml_sys.model.threshold import Tiers
from ml_sys.model.train import FittedModel
from ml_sys.scoring.compiled.compile import _first_reaching, compile_scorer
from ml_sys.scoring.compiled.loops import predict, walk
from ml_sys.scoring.compiled.trees import NotCompilableError
from ml_sys.settings import FeatureSettings, ModelSettings, ResampleSettings

LARGEST = float(np.finfo(np.float32).max)
EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-38, -1.0, LARGEST, -LARGEST, math.nan]
LEVELS = ["software", "retail", "finance", "a rare one", None]
CALIBRATORS = [
    Calibrator("none"),
    Calibrator("sigmoid", slope=1.3, intercept=-0.7),
    Calibrator("sigmoid", slope=400.0, intercept=900.0),
    Calibrator("isotonic", knots=(0.2, 0.4, 0.7), values=(0.0, 0.1, 1.0)),
]
STEPS = [
    {"learning_rate": 0.3, "max_depth": 4},
    {"max_depth": 0, "max_leaves": 12, "grow_policy": "lossguide"},
    {"scale_pos_weight": 20, "min_child_weight": 0, "num_parallel_tree": 2},
    {"base_score": 0.03, "subsample": 0.5, "colsample_bytree": 0.3},
]
specs = st.builds(
    FeatureSpec,
    windows_days=st.sampled_from([(28,), (7, 28), (28, 91)]),
    off=st.sampled_from(
        [(), ("industry",), ("industry", "employee_range"), ("users", "trend"), ("windows",)]
    ),
    attribute_missingness=st.booleans(),
)


def frame_of(spec, n_rows, seed):
    """Rows with blanks, zeros, negative numbers and columns of every scale."""
    rng = np.random.default_rng(seed)
    frame = {}
    for name in spec.names():
        if name in spec.categories():
            shares = [0.5, 0.3, 0.1, 0.005, 0.095]
            frame[name] = rng.choice(np.array(LEVELS, dtype=object), n_rows, p=shares)
        else:
            scale = rng.choice([1e-3, 1, 50, 1e7])
            column = (np.round(rng.gamma(0.5, 2.0, n_rows), 1) * scale).astype(np.float32)
            column[rng.random(n_rows) < 0.15] = np.nan
            frame[name] = column * rng.choice([1, 1, -1])
    return pd.DataFrame(frame)


def fitted(spec, *, seed=0, calibrator=CALIBRATORS[0], strategy="none", params=STEPS[0]):
    """A fitted model and the scorer that is compiled of it."""
    frame = frame_of(spec, 400, seed)
    pipeline = build_pipeline(
        spec,
        features=FeatureSettings(min_category_share=0.02),
        resample=ResampleSettings(sampling_strategy=strategy),
        model=ModelSettings(max_trees=9, params=params),
        seed=seed,
        threads=1,
    )
    known = frame.select_dtypes("number").rank().fillna(0).to_numpy()
    rng = np.random.default_rng(seed)
    pull = known[:, rng.integers(known.shape[1], size=4)].sum(axis=1) + rng.normal(0, 60, len(frame))
    pipeline.fit(frame, pull > np.quantile(pull, 0.8))
    model = FittedModel(pipeline, calibrator, spec, 0.5, Tiers(0.5, 0.2))
    return model, compiled(model)


def plain_of(model):
    return {
        "features": {**asdict(model.spec), "windows_days": list(model.spec.windows_days)},
        "encoder": model.pipeline["encode"].plain(),
        "blend": blend_plain(model),
        "calibrator": asdict(model.calibrator),
        "threshold": model.threshold,
        "tiers": asdict(model.tiers),
    }


def compiled(model):
    return compile_scorer(plain_of(model), bytes(model.pipeline["model"].get_booster().save_raw("json")))


def edges(scorer, n_rows, seed):
    """Rows whose numbers are thresholds, their neighbours or extremes, with levels never seen."""
    rng = np.random.default_rng(seed)
    nodes, infinity = scorer.trees.nodes, np.float32(np.inf)
    finite = np.isfinite(nodes["threshold"])
    feature = np.where(nodes["feature"] < 0, ~nodes["feature"], nodes["feature"])
    frame = {}
    for at, name in enumerate(scorer.spec.names()):
        if name in scorer.spec.categories():
            frame[name] = rng.choice(np.array([*LEVELS, "never seen", ""], dtype=object), n_rows)
            continue
        kept = nodes["threshold"][finite & (feature == at)]
        beside = [np.nextafter(kept, infinity), np.nextafter(kept, -infinity)]
        with np.errstate(over="ignore"):
            pool = np.concatenate([kept, *beside, np.float32(EXTREMES)])
        frame[name] = rng.choice(pool[~np.isinf(pool)], n_rows)
    return pd.DataFrame(frame)


def scored(scorer, frame):
    return scorer.probabilities(scorer.rows({name: frame[name].to_numpy() for name in frame}))


def assert_equal(model, scorer, frame):
    apart = np.abs(scored(scorer, frame) - model.probabilities(frame))
    assert (apart <= PROBABILITY_TOLERANCE).all()


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    spec=specs,
    seed=st.integers(0, 1000),
    calibrator=st.sampled_from(CALIBRATORS),
    strategy=st.sampled_from(["none", "auto", 0.4]),
    params=st.sampled_from(STEPS),
)
def test_the_compiled_scorer_says_what_the_pipeline_says(spec, seed, calibrator, strategy, params):
    model, scorer = fitted(spec, seed=seed, calibrator=calibrator, strategy=strategy, params=params)
    for frame in (frame_of(spec, 100, seed + 1), edges(scorer, 200, seed)):
        assert_equal(model, scorer, frame)


@pytest.fixture(scope="module")
def usual():
    return fitted(FeatureSpec((7, 28), attribute_missingness=True), calibrator=CALIBRATORS[1])


numbers = st.one_of(
    st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(EXTREMES[:-1])
)
texts = st.one_of(st.sampled_from(LEVELS), st.text(max_size=8))


@given(data=st.data())
def test_any_row_is_worth_what_the_pipeline_says(usual, data):
    model, scorer = usual
    categories, names = set(model.spec.categories()), model.spec.names()
    values = [data.draw(texts if name in categories else numbers) for name in names]
    frame = pd.DataFrame(
        {
            name: np.array([value], dtype=object if name in categories else np.float32)
            for name, value in zip(names, values, strict=True)
        }
    )
    assert_equal(model, scorer, frame)
    row = scorer.row(values)
    assert row.tobytes() == scorer.rows({name: frame[name].to_numpy() for name in names}).tobytes()
    assert scorer.probability(row) == scored(scorer, frame)[0]


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_one_row_has_the_same_bits_alone_as_among_others_and_before_loops_are_compiled(
    usual, monkeypatch, calibrator
):
    model, _ = usual
    scorer = compiled(replace(model, calibrator=calibrator))
    frame = edges(scorer, 60, seed=1)
    many = scored(scorer, frame)
    rows = scorer.rows({name: frame[name].to_numpy() for name in frame})
    assert [scorer.probability(row[None]) for row in rows] == many.tolist()
    for loop in (walk, _sigmoids, calibrate, predict):
        monkeypatch.setattr(loop, "run", loop.meanwhile)
    assert scored(scorer, frame).tobytes() == many.tobytes()
    assert [scorer.probability(row[None]) for row in rows] == many.tolist()


@given(
    threshold=st.floats(-50, 50, width=32),
    center=st.floats(-30, 30),
    scale=st.floats(1e-6, 100),
)
def test_a_moved_threshold_is_the_least_number_that_is_encoded_to_reach_it(threshold, center, scale):
    wanted = np.float32([threshold])
    (least,) = _first_reaching(wanted, np.array([center]), np.array([scale]))

    def reaches(number):
        return bool(scaled(np.array([number], dtype=np.float64), center, scale)[0] >= wanted[0])

    with np.errstate(over="ignore"):
        before = np.nextafter(least, np.float32(-np.inf))
    assert np.isinf(least) or reaches(least)
    assert np.isinf(before) or not reaches(before)


def test_a_level_of_no_training_row_is_not_known_and_a_rare_one_is(usual):
    _, scorer = usual
    assert scorer.is_known("industry", "software")
    assert scorer.is_known("industry", "a rare one")
    assert not scorer.is_known("industry", "never seen")


def test_no_rows_are_no_probabilities(usual):
    _, scorer = usual
    assert scored(scorer, frame_of(scorer.spec, 0, 1)).shape == (0,)


def test_a_number_too_large_for_float32_is_infinite_in_a_row(usual):
    _, scorer = usual
    values = [None if name in scorer.spec.categories() else -1e39 for name in scorer.spec.names()]
    numbers = [name not in scorer.spec.categories() for name in scorer.spec.names()]
    assert np.isneginf(scorer.row(values)[0][numbers]).all()


def test_versions_without_trees_of_xgboost_or_of_an_earlier_format_are_not_compiled(usual):
    plain, booster = plain_of(usual[0]), bytes(usual[0].pipeline["model"].get_booster().save_raw("json"))
    with pytest.raises(NotCompilableError, match="not XGBoost's"):
        compile_scorer(plain, None)
    del plain["encoder"]
    with pytest.raises(NotCompilableError, match="earlier mlsys"):
        compile_scorer(plain, booster)


def test_trees_of_more_features_than_the_encoder_gives_are_refused(usual):
    plain, booster = plain_of(usual[0]), bytes(usual[0].pipeline["model"].get_booster().save_raw("json"))
    for key in ("numbers", "medians", "centers", "scales"):
        plain["encoder"][key] = plain["encoder"][key][:2]
    with pytest.raises(ValueError, match="more features"):
        compile_scorer(plain, booster)


def test_an_empty_text_is_a_level_like_any_other_and_no_blank(usual):
    _, scorer = usual
    names = scorer.spec.names()
    at = names.index("industry")
    values = {level: [0.0] * len(names) for level in ("", "never seen", None)}
    for level, row in values.items():
        for category in scorer.spec.categories():
            row[names.index(category)] = "software"
        row[at] = level
    rows = {level: scorer.row(row)[0] for level, row in values.items()}
    assert rows[""][at] == rows["never seen"][at] == scorer.other[at]
    assert np.isnan(rows[None][at])
