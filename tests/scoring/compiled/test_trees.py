"""The walk through the trees: XGBoost's own margins, to the last bit, compiled or not."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml_sys.errors import ArtifactError
from ml_sys.scoring.compiled.loops import GROUP, walk
from ml_sys.scoring.compiled.trees import NotCompilableError, Trees, read_trees

N_FEATURES = 6
EXTREMES = np.float32([0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, np.nan])


def table(seed, n_rows=300):
    """Rows with blanks and repeated numbers, and labels that depend on them."""
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(0, 3, (n_rows, N_FEATURES)), 1).astype(np.float32)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    pull = np.nan_to_num(rows) @ rng.normal(0, 1, N_FEATURES) + rng.normal(0, 1, n_rows)
    return rows, (pull > np.median(pull)).astype(int)


def fit(seed, **params):
    rows, label = table(seed)
    chosen = {"n_estimators": 7, "max_depth": 4, "n_jobs": 1, "random_state": seed, **params}
    return xgb.XGBClassifier(**chosen).fit(rows, label).get_booster()


def margins_of_xgboost(booster, rows):
    return booster.predict(xgb.DMatrix(rows), output_margin=True)


def trees_of(booster):
    return read_trees(bytes(booster.save_raw("json")))


def at_thresholds(trees, seed, n_rows=200):
    """Rows whose numbers are thresholds, their neighbours, extremes and blanks."""
    rng = np.random.default_rng(seed)
    kept = trees.nodes["threshold"][~np.isnan(trees.nodes["threshold"])]
    inf = np.float32(np.inf)
    pool = np.concatenate([kept, np.nextafter(kept, inf), np.nextafter(kept, -inf), EXTREMES])
    return rng.choice(pool, (n_rows, N_FEATURES)).astype(np.float32)


shapes = st.one_of(
    st.fixed_dictionaries({"max_depth": st.integers(1, 8)}),
    st.fixed_dictionaries(
        {"max_depth": st.just(0), "max_leaves": st.integers(2, 40), "grow_policy": st.just("lossguide")}
    ),
)
fits = st.fixed_dictionaries(
    {
        "n_estimators": st.integers(1, 2 * GROUP + 1),
        "num_parallel_tree": st.integers(1, 3),
        "learning_rate": st.sampled_from([0.05, 0.3, 1.0]),
        "min_child_weight": st.sampled_from([0, 1, 50]),
        "scale_pos_weight": st.sampled_from([0.1, 1, 30]),
        "subsample": st.sampled_from([0.5, 1]),
        "base_score": st.one_of(st.none(), st.floats(0.001, 0.999)),
        "reg_lambda": st.sampled_from([0, 1]),
    }
)


@settings(max_examples=20)
@given(shape=shapes, params=fits, seed=st.integers(0, 1000))
def test_margins_have_the_bits_of_xgboost_whatever_the_fit(shape, params, seed):
    booster = fit(seed, **shape, **params)
    trees = trees_of(booster)
    for rows in (table(seed + 1)[0], at_thresholds(trees, seed)):
        assert trees.margins(rows).tobytes() == margins_of_xgboost(booster, rows).tobytes()


@pytest.mark.parametrize("base_score", [None, 0.01, 0.3, 0.60642254, 0.8152219, 0.4228419, 0.98])
@pytest.mark.parametrize(
    "shape",
    [{}, {"max_depth": 0, "max_leaves": 20, "grow_policy": "lossguide"}, {"num_parallel_tree": 3}],
)
def test_margins_have_the_bits_of_xgboost(shape, base_score):
    booster = fit(4, base_score=base_score, scale_pos_weight=3, **shape)
    trees = trees_of(booster)
    rows = at_thresholds(trees, 5)
    assert trees.margins(rows).tobytes() == margins_of_xgboost(booster, rows).tobytes()


@pytest.fixture(scope="module")
def usual():
    booster = fit(3, n_estimators=20, max_depth=6, min_child_weight=0, base_score=0.2)
    return booster, trees_of(booster)


@given(
    rows=arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.just(N_FEATURES)),
        elements=st.one_of(
            st.floats(width=32, allow_infinity=False), st.sampled_from(EXTREMES[:-1].tolist())
        ),
    )
)
def test_any_row_gets_the_bits_of_xgboost(usual, rows):
    booster, trees = usual
    assert trees.margins(rows).tobytes() == margins_of_xgboost(booster, rows).tobytes()


@pytest.mark.parametrize("form", ["meanwhile", "interpreted"])
@pytest.mark.parametrize("n_rows", [0, 1, 2, 33])
def test_margins_are_the_same_bits_until_the_loop_is_compiled(usual, form, n_rows):
    _, trees = usual
    rows = at_thresholds(trees, 7, n_rows)
    run = walk.meanwhile if form == "meanwhile" else walk._function
    found = np.empty(n_rows, dtype=np.float32)
    run(rows, trees.nodes, trees.roots, trees.depths, trees.base, found)
    assert found.tobytes() == trees.margins(rows).tobytes()


def test_a_row_gets_the_same_bits_alone_as_among_others(usual):
    _, trees = usual
    rows = at_thresholds(trees, 8, 50)
    alone = np.concatenate([trees.margins(row[None]) for row in rows])
    assert alone.tobytes() == trees.margins(rows).tobytes()


def test_a_model_of_one_leaf_gives_every_row_the_same(usual):
    booster = fit(1, n_estimators=1, max_depth=1, gamma=1e9)
    rows = table(2, 5)[0]
    trees = trees_of(booster)
    assert isinstance(trees, Trees)
    assert trees.depths.tolist() == [0]
    assert trees.margins(rows).tobytes() == margins_of_xgboost(booster, rows).tobytes()


def other_kinds():
    rows, label = table(5)
    few = {"n_estimators": 3, "n_jobs": 1}
    yield "booster is dart", xgb.XGBClassifier(booster="dart", **few).fit(rows, label)
    yield "booster is gblinear", xgb.XGBClassifier(booster="gblinear", **few).fit(np.nan_to_num(rows), label)
    yield (
        "objective is binary:logitraw",
        xgb.XGBClassifier(objective="binary:logitraw", **few).fit(rows, label),
    )
    yield "objective is multi:softprob", xgb.XGBClassifier(**few).fit(rows, label + (rows[:, 0] > 0))
    yield "objective is reg:squarederror", xgb.XGBRegressor(**few).fit(rows, label)
    both = np.stack([label, 1 - label], axis=1)
    yield "several outcomes", xgb.XGBClassifier(**few).fit(rows, both)
    stopped = xgb.XGBClassifier(early_stopping_rounds=2, **few).fit(rows, label, eval_set=[(rows, label)])
    yield "part of its trees", stopped
    codes = np.where(np.isnan(rows), np.nan, np.floor(np.abs(rows)) % 5)
    kinds = xgb.XGBClassifier(enable_categorical=True, feature_types=["c"] * N_FEATURES, **few)
    yield "splits by categories", kinds.fit(codes, (codes[:, 0] % 2 == 1).astype(int))


def test_models_of_other_kinds_are_refused_by_name():
    for reason, model in other_kinds():
        with pytest.raises(NotCompilableError, match=reason) as caught:
            trees_of(model.get_booster())
        assert isinstance(caught.value, ArtifactError)
        assert "Pipeline" in caught.value.hint


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_model_file_is_refused_or_read_and_never_hangs(usual, data):
    content = bytearray(usual[0].save_raw("json"))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        trees = read_trees(bytes(content))
    except (ValueError, KeyError, TypeError, IndexError, ArtifactError):
        return
    assert int(trees.depths.max()) <= trees.nodes.size
    assert 0 <= trees.nodes["left"].min() <= trees.nodes["left"].max() < trees.nodes.size
