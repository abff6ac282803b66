"""Reasons of a prediction: XGBoost's own SHAP values, added up by statement and put into words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from itertools import combinations
from math import comb
from types import SimpleNamespace

import hypothesis
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imblearn.pipeline import Pipeline

from ml_sys.errors import ArtifactError
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.phrasing.phrases import phrase_of
from ml_sys.features.spellings import MISSING
from ml_sys.model.blend import CLIP
from ml_sys.model.calibration import Calibrator
from ml_sys.model.encoder import FrameEncoder
from ml_sys.model.threshold import Tiers
from ml_sys.model.train import FittedModel
from ml_sys.scoring.compiled.compile import compile_scorer
from ml_sys.scoring.compiled.loops import GROUP, NODE
from ml_sys.scoring.compiled.shap_kernel import contribute, shap_values
from ml_sys.scoring.compiled.trees import Trees
from ml_sys.scoring.pipeline_scorer import PipelineScorer
from ml_sys.scoring.reasons import NoReasonsError, Reason, _reason, contributions, explain, reasons

WIDE = FeatureSpec((7, 28), attribute_missingness=True)
# So few that trees ask for the same feature again and again.
NARROW = FeatureSpec((7,), off=("windows", "users", "trend", "intensity", "totals", "breadth", "recency"))
INDUSTRIES = ["software", "retail", "finance", "beekeeping", None]
RANGES = ["1", "2_to_5", "11_to_25", None]
SIGMOID = Calibrator("sigmoid", slope=1.7, intercept=-0.4)


def random_frame(spec, n_rows, seed, *, wild=False):
    """Rows with blanks; wild ones with levels and numbers that no other row has."""
    rng = np.random.default_rng(seed)
    frame = {}
    for name in spec.names():
        if name in spec.categories():
            levels = INDUSTRIES if name == "industry" else RANGES
            column = rng.choice(np.array(levels, dtype=object), n_rows)
            frame[name] = np.where(rng.random(n_rows) < 0.2 * wild, "never seen", column)
        else:
            column = np.round(rng.gamma(0.5, 6.0, n_rows), 1).astype(np.float32)
            column[rng.random(n_rows) < 0.15] = np.nan
            odd = rng.random(n_rows) < 0.2 * wild
            column[odd] = rng.choice(np.float32([-3.4e38, -1, 0, 1e-30, 1e12, 3.4e38]), odd.sum())
            frame[name] = column
    return pd.DataFrame(frame)


def fitted(spec, seed=0, calibrator=SIGMOID, blend=None, **params):
    """A small fit: its encoder, its estimator and the scorer compiled of both, a line beside its trees."""
    frame = random_frame(spec, 600, seed)
    categories = spec.categories()
    encoder = FrameEncoder([name for name in spec.names() if name not in categories], categories, 0.01)
    encoded = encoder.fit_transform(frame)
    rng = np.random.default_rng(seed)
    pull = encoded[:, rng.integers(encoded.shape[1], size=5)].sum(axis=1)
    label = (pull + rng.normal(0, 1, len(frame)) > np.median(pull)).astype(int)
    settings = {
        "n_estimators": 11,
        "max_depth": 4,
        "learning_rate": 0.3,
        "n_jobs": 1,
        "random_state": seed,
        **params,
    }
    model = xgb.XGBClassifier(**settings).fit(encoded, label)
    plain = {
        "features": asdict(spec),
        "encoder": encoder.plain(),
        "blend": blend and blend(len(encoder.numbers)),
        "calibrator": asdict(calibrator),
        "threshold": 0.5,
        "tiers": asdict(Tiers(0.5, 0.2)),
    }
    scorer = compile_scorer(plain, bytes(model.get_booster().save_raw("json")))
    return SimpleNamespace(encoder=encoder, model=model, scorer=scorer)


def a_line(n_numbers):
    """A line that pulls every number another way, and halves the trees' margin."""
    rng = np.random.default_rng(n_numbers)
    weights, means = rng.normal(0, 0.3, n_numbers), rng.normal(0, 1, n_numbers)
    return {"slope": 0.5, "intercept": -0.8, "weights": weights.tolist(), "means": means.tolist()}


@pytest.fixture(scope="module")
def usual():
    return fitted(WIDE)


def by_xgboost(fit, frame):
    """XGBoost's contributions of encoded rows, in the order of the scorer's features, the base last."""
    names = [*fit.encoder.numbers, *fit.encoder.categories]
    data = xgb.DMatrix(fit.encoder.transform(frame))
    found = fit.model.get_booster().predict(data, pred_contribs=True)
    return found[:, [*(names.index(name) for name in fit.scorer.spec.names()), -1]]


def by_ours(scorer, frame):
    return np.array([shap_values(scorer.trees, row) for row in scorer.rows(columns_of(frame))])


def columns_of(frame):
    return {name: frame[name].to_numpy() for name in frame}


def by_definition(trees, row):
    """Shapley's values, every set of known features taken in turn."""

    def expected(at, known):
        node = trees.nodes[at]
        left = int(node["left"])
        if left == at:
            return float(node["value"])
        feature = int(node["feature"])
        blank_right, feature = feature < 0, ~feature if feature < 0 else feature
        if feature in known:
            value = row[feature]
            return expected(
                left + bool(blank_right if np.isnan(value) else value >= node["threshold"]), known
            )
        shares = trees.cover[left : left + 2].astype(float) / float(trees.cover[at])
        return sum(share * expected(left + side, known) for side, share in enumerate(shares))

    n = row.size
    roots = [root for root in trees.roots.ravel().tolist() if root < trees.nodes.size - 1]
    worth = {
        frozenset(known): sum(expected(root, known) for root in roots)
        for size in range(n + 1)
        for known in combinations(range(n), size)
    }
    return [
        sum(
            (worth[known | {feature}] - worth[known]) / (n * comb(n - 1, len(known)))
            for known in worth
            if feature not in known
        )
        for feature in range(n)
    ] + [worth[frozenset()] + float(trees.base)]


def values_of(row, names):
    return {
        name: None if value is None or value != value else value
        for name, value in zip(names, row, strict=True)
    }


def stumps(*splits):
    """Trees of one split at 0.5 each: feature, leaves below and above, cover of both."""
    nodes, cover = [], []
    for feature, low, high, low_cover, high_cover in splits:
        at = len(nodes)
        nodes += [(at + 1, feature, 0.5, 0), (at + 1, 0, np.nan, low), (at + 2, 0, np.nan, high)]
        cover += [low_cover + high_cover, low_cover, high_cover]
    filler = len(nodes)
    nodes.append((filler, 0, np.nan, 0))
    roots = [3 * tree for tree in range(len(splits))] + [filler] * (-len(splits) % GROUP)
    roots = np.array(roots, dtype=np.int32).reshape(-1, GROUP)
    return Trees(
        np.array(nodes, dtype=NODE),
        np.array([*cover, 0], dtype=np.float32),
        roots,
        np.ones(len(roots), dtype=np.int32),
        np.float32(-1),
    )


def explained(scorer, trees, top=20, **values):
    """Reasons of a row of ones, but for the values given, under trees by hand: (name, low, high[, cover])."""
    names = scorer.spec.names()
    given_trees = stumps(*((names.index(name), low, high, 1, 1) for name, low, high in trees))
    named = {name: "software" if name in scorer.spec.categories() else 1.0 for name in names} | values
    return reasons(
        replace(scorer, trees=given_trees), scorer.row([named[name] for name in names]), named, top
    )


@pytest.mark.parametrize(
    ("spec", "params"),
    [
        (WIDE, {}),
        (WIDE, {"n_estimators": 1, "max_depth": 1}),
        (WIDE, {"n_estimators": 16, "max_depth": 7, "min_child_weight": 0, "reg_lambda": 0}),
        (WIDE, {"subsample": 0.5, "colsample_bytree": 0.2, "scale_pos_weight": 9, "base_score": 0.02}),
        (NARROW, {"max_depth": 9, "min_child_weight": 0}),
        (NARROW, {"max_depth": 0, "max_leaves": 40, "grow_policy": "lossguide", "max_bin": 512}),
    ],
)
def test_contributions_are_those_of_xgboost(spec, params):
    fit = fitted(spec, seed=len(params), **params)
    frame = random_frame(spec, 60, seed=99, wild=True)
    np.testing.assert_allclose(by_ours(fit.scorer, frame), by_xgboost(fit, frame), atol=1e-4, rtol=0)


@pytest.mark.parametrize("max_depth", [2, 3, 5, 6])
def test_contributions_are_exact(max_depth):
    scorer = fitted(NARROW, n_estimators=3, max_depth=max_depth, min_child_weight=0).scorer
    for row in scorer.rows(columns_of(random_frame(NARROW, 3, seed=4, wild=True))):
        np.testing.assert_allclose(
            shap_values(scorer.trees, row), by_definition(scorer.trees, row), atol=1e-12, rtol=0
        )


ROWS = arrays(np.float32, len(WIDE.names()), elements=st.floats(width=32, allow_infinity=False))


@given(ROWS)
def test_contributions_of_any_row_are_finite_and_add_up_to_the_margin(usual, row):
    values = shap_values(usual.scorer.trees, row)
    assert np.isfinite(values).all()
    assert values.sum() == pytest.approx(float(usual.scorer.trees.margins(row[None])[0]), abs=1e-5)


@pytest.mark.parametrize("n_trees", [1, GROUP - 1, GROUP, GROUP + 1])
def test_a_stump_adds_its_leaf_less_its_mean_however_the_last_group_is_filled(n_trees):
    values = shap_values(stumps(*[(1, -2.0, 4.0, 3, 1)] * n_trees), np.array([9, 1, 9], dtype=np.float32))
    mean = (-2 * 3 + 4) / 4
    np.testing.assert_allclose(values, [0, n_trees * (4 - mean), 0, -1 + n_trees * mean], atol=1e-12)


@pytest.mark.parametrize("cover", [(0, 5), (5, 0), (0, 0)])
def test_leaves_that_no_training_row_reached_leave_contributions_finite(cover):
    values = shap_values(stumps((0, -2.0, 4.0, *cover)), np.zeros(1, dtype=np.float32))
    assert np.isfinite(values).all()
    assert values.sum() == pytest.approx(-3)


def test_contributions_are_the_same_until_the_loop_is_compiled(usual, monkeypatch):
    frame = random_frame(WIDE, 2, seed=5)
    compiled = by_ours(usual.scorer, frame)
    monkeypatch.setattr(contribute, "run", contribute.meanwhile)
    np.testing.assert_allclose(by_ours(usual.scorer, frame), compiled, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("calibrator", "slope"),
    [
        (SIGMOID, 1.7),
        (Calibrator("none"), 1),
        (Calibrator("isotonic", knots=(0.1, 0.9), values=(0.0, 1.0)), 1),
    ],
)
def test_contributions_together_are_what_moved_the_log_odds_and_reasons_are_sums_of_them(calibrator, slope):
    scorer = fitted(WIDE, calibrator=calibrator).scorer
    frame = random_frame(WIDE, 20, seed=7, wild=True)
    rows = scorer.rows(columns_of(frame))
    for row, raw in zip(rows, frame.to_numpy(dtype=object), strict=True):
        margin, base = float(scorer.trees.margins(row[None])[0]), shap_values(scorer.trees, row)[-1]
        added = contributions(scorer, row[None])[:-1]
        assert sum(added) == pytest.approx(slope * (margin - base), abs=1e-5)
        for one in reasons(scorer, row[None], values_of(raw, WIDE.names()), 1000):
            told = sum(added[WIDE.names().index(name)] for name in one.features)
            assert one.contribution == pytest.approx(told, abs=1e-12)


def test_contributions_and_what_is_there_without_any_add_up_to_the_calibrated_log_odds():
    fit = fitted(WIDE)
    frame = random_frame(WIDE, 50, seed=9, wild=True)
    rows = fit.scorer.rows(columns_of(frame))
    probability = fit.scorer.probabilities(rows)
    for row, theirs, p in zip(rows, by_xgboost(fit, frame), probability, strict=True):
        log_odds = np.log(p / (1 - p)) - SIGMOID.intercept
        assert sum(contributions(fit.scorer, row[None])) == pytest.approx(log_odds, abs=1e-5)
        assert SIGMOID.slope * theirs.sum() == pytest.approx(log_odds, abs=1e-4)  # float32


def test_beside_a_line_contributions_add_up_to_the_log_odds_of_both():
    scorer = fitted(WIDE, blend=a_line).scorer
    rows = scorer.rows(columns_of(random_frame(WIDE, 50, seed=9, wild=True)))
    for row, p in zip(rows, scorer.probabilities(rows), strict=True):
        log_odds = np.log(p / (1 - p)) - SIGMOID.intercept
        assert sum(contributions(scorer, row[None])) == pytest.approx(log_odds, abs=1e-5)


def test_a_number_adds_its_weight_on_the_line_for_each_step_away_from_the_mean():
    fit = fitted(WIDE, blend=a_line)
    name = fit.encoder.numbers[3]
    at, line = WIDE.names().index(name), a_line(len(fit.encoder.numbers))
    frame = random_frame(WIDE, 30, seed=11)
    encoded = np.clip(fit.encoder.transform(frame)[:, 3].astype(float), -CLIP, CLIP)
    added = [fit.scorer.line.added(row)[at] for row in fit.scorer.rows(columns_of(frame))]
    np.testing.assert_allclose(added, line["weights"][3] * (encoded - line["means"][3]), atol=1e-12, rtol=0)


@pytest.mark.parametrize("spoil", ["weights", "means", "slope", "intercept"])
def test_a_line_of_other_numbers_than_finite_ones_is_not_compiled(spoil):
    def spoilt(n_numbers):
        line = a_line(n_numbers)
        return {**line, spoil: [np.nan] * n_numbers if isinstance(line[spoil], list) else np.inf}

    with pytest.raises(ValueError, match="not finite"):
        fitted(WIDE, blend=spoilt)


@pytest.mark.parametrize("more", [-1, 1])
def test_a_line_of_more_or_fewer_weights_than_numbers_is_not_compiled(more):
    with pytest.raises(ValueError, match="numbers"):
        fitted(WIDE, blend=lambda n_numbers: a_line(n_numbers + more))


def at_typical(fit, frame, features):
    """The margin by XGBoost with features at what the encoder learnt of the training rows."""
    moved = frame.copy()
    for name in features:
        if name in fit.encoder.numbers:
            moved[name] = fit.encoder.medians_[fit.encoder.numbers.index(name)]
        else:
            moved[name] = fit.encoder.levels_[fit.encoder.categories.index(name)][0]
    return float(fit.model.predict(fit.encoder.transform(moved), output_margin=True)[0])


@hypothesis.settings(max_examples=12)
@given(seed=st.integers(0, 2**20), wild=st.booleans())
def test_every_reason_holds_by_xgboost_with_its_features_at_their_typical_values(usual, seed, wild):
    frame = random_frame(WIDE, 1, seed, wild=wild)
    scorer, names = usual.scorer, WIDE.names()
    row = scorer.rows(columns_of(frame))
    found = reasons(scorer, row, values_of(frame.to_numpy(dtype=object)[0], names), 1000)
    added = contributions(scorer, row)
    margin = at_typical(usual, frame, [])
    held = []
    for statement in {phrase_of(name, WIDE).statement for name in names}:
        features = [name for name in names if phrase_of(name, WIDE).statement == statement]
        total = sum(added[names.index(name)] for name in features)
        if total * (margin - at_typical(usual, frame, features)) > 0:
            held.append(("raises" if total > 0 else "lowers", pytest.approx(total)))
    assert len(found) == len(held)
    assert all((one.direction, one.contribution) in held for one in found)


def by_two(scorer, first, second, leaves, cover):
    """Reasons of a row of ones under one tree; leaves where the two features are 00, 01, 10, 11."""
    names = scorer.spec.names()
    one, two = names.index(first), names.index(second)
    nodes = [(1, one, 0.5, 0), (3, two, 0.5, 0), (5, two, 0.5, 0)]
    nodes += [(at, 0, np.nan, leaf) for at, leaf in enumerate(leaves, start=3)]
    nodes.append((7, 0, np.nan, 0))
    trees = Trees(
        np.array(nodes, dtype=NODE),
        np.array([sum(cover), sum(cover[:2]), sum(cover[2:]), *cover, 0], dtype=np.float32),
        np.array([0] + [7] * (GROUP - 1), dtype=np.int32).reshape(-1, GROUP),
        np.array([2], dtype=np.int32),
        np.float32(0),
    )
    named = {name: "software" if name in scorer.spec.categories() else 1.0 for name in names}
    row = scorer.row([named[name] for name in names])
    changed = replace(scorer, trees=trees)
    return reasons(changed, row, named, 1), contributions(changed, row)


def test_who_they_are_and_what_they_do_add_up_to_the_log_odds(usual):
    spec, scorer = WIDE, usual.scorer
    row = scorer.rows(columns_of(random_frame(spec, 1, seed=5)))
    found = explain(scorer, row, dict.fromkeys(spec.names()), 3)
    added = contributions(scorer, row)
    assert found.usual + found.who_they_are + found.what_they_do == pytest.approx(sum(added))
    groups = spec.groups()
    who = [one for name, one in zip(spec.names(), added, strict=False) if groups[name] == "attributes"]
    assert 0 < len(who) < len(spec.names())
    assert found.who_they_are == pytest.approx(sum(who))
    assert found.reasons == reasons(scorer, row, dict.fromkeys(spec.names()), 3)


def test_a_reason_that_the_company_itself_contradicts_makes_room_for_the_next(usual):
    # Users raise it on average over companies, yet lower it for one with as many employees.
    found, added = by_two(
        usual.scorer, "users_28d", "employees", leaves=(-20, 2, 20, 1), cover=(45, 5, 45, 5)
    )
    by_name = dict(zip(WIDE.names(), added, strict=False))
    assert by_name["users_28d"] > -by_name["employees"] > 0
    assert [(one.features, one.direction) for one in found] == [(("employees",), "lowers")]


def test_all_columns_of_a_statement_are_put_at_their_typical_values_together(usual):
    # Either alone is enough for the leaf, so that putting back one of them moves nothing.
    deals = ("actions_crm_deals_sum_7d", "actions_crm_deals_max_28d")
    found, _ = by_two(usual.scorer, *deals, leaves=(0, 1, 1, 1), cover=(1, 1, 1, 1))
    assert [(set(one.features), one.direction) for one in found] == [(set(deals), "raises")]


def test_a_falling_calibration_turns_reasons_and_their_check(usual):
    scorer = replace(usual.scorer, calibration=replace(usual.scorer.calibration, slope=-1.0))
    (one,) = explained(scorer, [("employees", -2, 2)])
    assert (one.direction, one.contribution) == ("lowers", pytest.approx(-2))


def test_a_blank_is_typical_and_so_no_reason(usual):
    trees = [("employees", -2, 2), ("industry", -2, 2)]
    assert len(explained(usual.scorer, trees)) == 2
    assert explained(usual.scorer, trees, employees=None, industry=None) == []


def test_reasons_come_strongest_first_as_many_as_asked_for(usual):
    scorer, names = usual.scorer, WIDE.names()
    frame = random_frame(WIDE, 10, seed=8)
    for row, raw in zip(scorer.rows(columns_of(frame)), frame.to_numpy(dtype=object), strict=True):
        every = reasons(scorer, row[None], values_of(raw, names), 1000)
        strength = [abs(one.contribution) for one in every]
        assert strength == sorted(strength, reverse=True)
        assert all(strength)
        assert len({one.text for one in every}) == len(every) > 0
        assert reasons(scorer, row[None], values_of(raw, names), 3) == every[:3]
        told = [name for one in every for name in one.features]
        assert len(told) == len(set(told))
        assert {one.direction == "raises" for one in every if one.contribution > 0} <= {True}
        assert {one.direction == "lowers" for one in every if one.contribution < 0} <= {True}


def test_a_reason_adds_up_the_columns_of_its_statement(usual):
    found = explained(
        usual.scorer,
        [("actions_crm_deals_sum_7d", -1, 1), ("actions_crm_deals_max_28d", -3, 3), ("employees", 0.5, -0.5)],
        actions_crm_deals_max_28d=6.0,
    )
    assert found == [
        Reason(
            "6 actions on deals in the busiest week of the last 28 days",
            "raises",
            pytest.approx(1.7 * 4),
            ("actions_crm_deals_max_28d", "actions_crm_deals_sum_7d"),
        ),
        Reason("about 1 employee", "lowers", pytest.approx(-1.7 * 0.5), ("employees",)),
    ]


def test_a_reason_is_told_by_a_column_that_pulls_its_way(usual):
    deals = ("actions_crm_deals_sum_7d", "actions_crm_deals_max_7d", "actions_crm_deals_sum_28d")
    (one,) = explained(usual.scorer, [(deals[0], 3, -3), (deals[1], -2, 2), (deals[2], -2.5, 2.5)])
    assert (one.direction, one.text) == ("raises", "1 action on deals in the last 28 days")


def test_equally_strong_reasons_come_by_name(usual):
    found = explained(
        usual.scorer, [("unranked", 1, -1), ("employees", -1, 1), ("days_since_last_row", -1, 1)]
    )
    assert [one.features[0] for one in found] == ["employees", "days_since_last_row", "unranked"]


def test_statements_that_add_nothing_are_no_reasons(usual):
    assert explained(usual.scorer, [("employees", 2, 2)]) == []
    assert explained(usual.scorer, [("employees", -2, 2)], top=0) == []


@pytest.mark.parametrize(
    ("level", "text"),
    [("beekeeping_by_night", "industry: beekeeping by night"), (MISSING, "industry not known")],
)
def test_a_category_is_told_by_its_text_whether_the_model_knows_it_or_not(usual, level, text):
    (one,) = explained(usual.scorer, [("industry", -2, 2)], industry=level)
    assert (one.text, one.features) == (text, ("industry",))


def test_a_model_that_is_not_compiled_gives_no_reasons(usual):
    pipeline = Pipeline([("encode", usual.encoder), ("model", usual.model)])
    scorer = PipelineScorer(FittedModel(pipeline, SIGMOID, WIDE, 0.5, Tiers(0.5, 0.2)))
    frame = random_frame(WIDE, 1, seed=1)
    row = scorer.rows(columns_of(frame))
    with pytest.raises(NoReasonsError, match="its estimator gives no exact reasons") as caught:
        reasons(scorer, row, values_of(frame.to_numpy(dtype=object)[0], WIDE.names()), 3)
    assert isinstance(caught.value, ArtifactError)
    assert "XGBClassifier" in caught.value.hint


def test_reasons_need_none_of_the_libraries_of_training():
    heavy = "{'numba', 'pandas', 'sklearn', 'imblearn', 'scipy', 'skops', 'xgboost'}"
    code = f"import sys, ml_sys.scoring.reasons; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_reason_names_its_features_by_their_strength_and_tells_ratios_by_their_numbers():
    spec = FeatureSpec((7,))
    features = (
        (0, "actions_growth_7d_28d"), (1, "actions_growth_28d_91d"), (2, "actions_week_over_week")
    )  # fmt: skip
    values = {"actions_growth_7d_28d": 2.0, "actions_7d": 120.0, "actions_28d": 240.0}
    found = _reason(0.4, features, [0.6, -0.5, 0.3], values, spec)
    assert found == Reason(
        "120 actions in the last 7 days, against 60 a week over the last 28",
        "raises",
        0.4,
        ("actions_growth_7d_28d", "actions_growth_28d_91d", "actions_week_over_week"),
    )
    plain = _reason(-0.2, features[2:], [0.0, 0.0, -0.2], {"actions_week_over_week": -1.0}, spec)
    assert plain.text == "fewer actions in the last 7 days than in the 7 before"
    assert plain.direction == "lowers"
