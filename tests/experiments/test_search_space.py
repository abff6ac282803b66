"""The space of a search: it holds the current settings, and stands for settings that can be trained with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.experiments.search_space import (
    IMBALANCE,
    RATIO,
    WEIGHT,
    Choice,
    Range,
    _widened,
    changes,
    settings_at,
    space_around,
    start_of,
)
from ml_sys.settings import Settings
from tests.model import world as w

SPACE = space_around(Settings())
LOGISTIC = {"estimator": "sklearn.linear_model:LogisticRegression", "params": {}}


@st.composite
def points(draw):
    point = {}
    for knob in SPACE:
        if isinstance(knob, Choice):
            point[knob.key] = draw(st.sampled_from(knob.options))
        elif not knob.when or knob.when == point[IMBALANCE]:
            numbers = st.integers if knob.whole else st.floats
            point[knob.key] = draw(numbers(knob.low, knob.high))
    return point


@pytest.mark.parametrize(
    "asked",
    [
        Settings(),
        w.settings(),  # windows that are on no list
        w.settings(resample={"sampling_strategy": "none"}, panel={"step_days": 35}),
        w.settings(model={"params": {"learning_rate": 0.5, "max_depth": 12}}),
        w.settings(model={"params": {"scale_pos_weight": 500.0}}, resample={"sampling_strategy": "none"}),
        w.settings(model=LOGISTIC),
    ],
)
def test_the_settings_in_force_are_a_point_of_the_space(asked):
    space = space_around(asked)
    point = start_of(space, asked)
    for knob in space:
        if isinstance(knob, Choice):
            assert point[knob.key] in knob.options
        elif knob.key in point:
            assert knob.low <= point[knob.key] <= knob.high
    assert changes(asked, settings_at(asked, point)) == {}


@given(points())
def test_resampling_and_a_weight_on_positives_are_never_combined(point):
    tried = settings_at(Settings(), point)
    weighted = tried.model.params.get("scale_pos_weight") is not None
    resampled = tried.resample.sampling_strategy != "none"
    assert not (weighted and resampled)
    assert (point[IMBALANCE], weighted, resampled) in {
        ("none", False, False),
        ("resampled", False, True),
        ("weighted", True, False),
    }


@given(points())
def test_every_point_gives_settings_that_are_valid_and_short_to_write(point):
    tried = settings_at(Settings(), point)
    assert Settings.model_validate(tried.model_dump(by_alias=True)) == tried
    for value in changes(Settings(), tried).values():
        assert not isinstance(value, float) or len(f"{value:.10g}".replace(".", "").strip("0")) <= 4


def test_a_weight_that_was_in_force_is_left_out_where_another_kind_is_tried():
    asked = w.settings(model={"params": {"scale_pos_weight": 30.0}}, resample={"sampling_strategy": "none"})
    point = {**start_of(space_around(asked), asked), IMBALANCE: "resampled", RATIO: 0.01}
    del point[WEIGHT]
    found = changes(asked, settings_at(asked, point))
    assert found == {"model.params.scale_pos_weight": None, "resample.sampling_strategy": 0.01}


def test_another_estimator_keeps_its_parameters():
    space = space_around(w.settings(model=LOGISTIC))
    assert not any(knob.key.startswith("model.params") for knob in space)
    assert WEIGHT in [knob.key for knob in space_around(Settings())]


def test_equal_classes_are_a_ratio_of_one_and_searched_up_to_it():
    asked = w.settings(resample={"sampling_strategy": "auto"})
    space = space_around(asked)
    point = start_of(space, asked)
    assert (point[IMBALANCE], point[RATIO]) == ("resampled", 1.0)
    assert next(knob.high for knob in space if knob.key == RATIO) == 1.0


@pytest.mark.parametrize(
    ("weight", "ratio", "kind"), [(1, "none", "none"), (1, 0.1, "resampled"), (2, "none", "weighted")]
)
def test_a_weight_of_one_is_none(weight, ratio, kind):
    asked = w.settings(model={"params": {"scale_pos_weight": weight}}, resample={"sampling_strategy": ratio})
    assert start_of(space_around(asked), asked)[IMBALANCE] == kind


def test_the_space_around_the_defaults_is_this_one():
    def name(key):
        return f"model.params.{key}"

    knobs = (
        Choice(IMBALANCE, ("none", "resampled", "weighted")),
        Range(name("learning_rate"), 0.01, 0.2, log=True),
        Range(name("max_depth"), 2, 8, whole=True),
        Range(name("min_child_weight"), 1.0, 100.0, log=True),
        Range(name("subsample"), 0.5, 1.0),
        Range(name("colsample_bytree"), 0.2, 1.0),
        Range(name("reg_lambda"), 0.1, 100.0, log=True),
        Range(WEIGHT, 2.0, 300.0, log=True, when="weighted"),
        Range(RATIO, 0.002, 0.2, log=True, when="resampled"),
    )
    assert SPACE[: len(knobs)] == knobs
    windows, step = SPACE[len(knobs) :]
    assert windows.options[:4] == ("7, 14, 28", "7, 28, 91", "7, 14, 28, 56, 91", "7, 14, 28, 56, 91, 182")
    assert (windows.key, step.key, step.options) == ("features.windows_days", "panel.step_days", (7, 14, 28))


def test_ranges_and_options_are_widened_to_hold_what_is_in_force():
    asked = w.settings(
        model={"params": {"learning_rate": 0.5, "max_depth": 1, "subsample": 0.25, "reg_lambda": 0.0}},
        features={"windows_days": [3, 5]},
        panel={"step_days": 35},
    )
    found = {knob.key.removeprefix("model.params."): knob for knob in space_around(asked)}
    ends = {name: (found[name].low, found[name].high) for name in ("learning_rate", "max_depth", "subsample")}
    assert ends == {"learning_rate": (0.01, 0.5), "max_depth": (1, 8), "subsample": (0.25, 1.0)}
    # There is no room for nothing on a logarithmic scale.
    assert (found["reg_lambda"].low, found["reg_lambda"].high) == (0.1, 100)
    assert (found["max_depth"].whole, found["learning_rate"].log, found["subsample"].log) == (
        True,
        True,
        False,
    )
    assert found["panel.step_days"].options == (7, 14, 28, 35)
    assert found["features.windows_days"].options[-1] == "3, 5"


def test_the_start_takes_the_low_end_of_what_is_not_set_and_stays_within_the_ends():
    space = (
        Choice(IMBALANCE, ("none", "weighted")),
        Range("model.params.gamma", 0.5, 2.0),
        Range("model.params.max_depth", 2, 4, whole=True),
        Range("model.params.subsample", 0.5, 0.75),
        Range(WEIGHT, 2.0, 300.0, when="weighted"),
        Choice("panel.step_days", (1, 2)),
    )
    asked = w.settings(
        model={"params": {"max_depth": 9, "subsample": 0.25}}, resample={"sampling_strategy": "none"}
    )
    assert start_of(space, asked) == {
        IMBALANCE: "none",
        "model.params.gamma": 0.5,
        "model.params.max_depth": 4,
        "model.params.subsample": 0.5,
        "panel.step_days": 1,
    }


def test_a_point_is_written_with_four_digits_and_leaves_other_settings_alone():
    asked = w.settings(model={"params": {"line_share": 0.5}}, seed=9)
    point = {
        IMBALANCE: "weighted", WEIGHT: 12.3456, "model.params.max_depth": 12345,
        "model.params.subsample": 0.123456, "features.windows_days": "7, 91", "panel.step_days": 14,
    }  # fmt: skip
    found = settings_at(asked, point)
    new = {"scale_pos_weight": 12.35, "max_depth": 12345, "subsample": 0.1235}
    assert found.model.params == {**asked.model.params, **new}
    assert found.model.params["line_share"] == 0.5
    assert (found.resample.sampling_strategy, found.features.windows_days) == ("none", (7, 91))
    assert (found.panel.step_days, found.seed, found.model.max_trees) == (14, 9, asked.model.max_trees)
    resampled = settings_at(found, {**point, IMBALANCE: "resampled", RATIO: 0.0123456})
    assert resampled.resample.sampling_strategy == 0.01235


def test_a_plain_range_has_room_for_nothing_and_whole_numbers_stay_whole():
    assert _widened(Range("model.params.gamma", 0.5, 2.0), 0) == Range("model.params.gamma", 0, 2.0)
    asked = w.settings(model={"params": {"max_depth": 4}})
    start = start_of(space_around(asked), asked)
    assert (type(start["model.params.max_depth"]), type(start["model.params.subsample"])) == (int, float)
