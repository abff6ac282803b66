"""The space of a search: it holds the settings in force, and stands for settings that can be trained with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.experiments.search_space import (
    IMBALANCE,
    RATIO,
    WEIGHT,
    Choice,
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
