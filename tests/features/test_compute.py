"""The list of features: what is on, what it is called, and when its meaning has changed."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ml_sys.features.compute as compute
from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.days import Period
from ml_sys.errors import ResolveError, SettingsError
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import FeatureSpec, feature_frame
from ml_sys.features.derived import FEATURES, NEVER_DAYS, feature
from ml_sys.features.inputs import FeatureInputs, NotInSnapshotError, measures_of
from ml_sys.features.spans import MONTHS
from ml_sys.features.windows import BLOCK_COMPANIES
from tests.data.tables import MEASURES
from tests.features import forms
from tests.model import world as w

SPEC = FeatureSpec(windows_days=(7, 28))
WORLD = w.small_world(companies=30, weeks=20)
INPUTS = FeatureInputs.from_snapshot(WORLD, SPEC)
CUTOFFS = np.array([w.MONDAY + 70, w.MONDAY + 98], dtype=np.int32)

OWN_FEATURE = '''
"""A feature of somebody's own."""
from ml_sys.features.derived import feature

@feature(group="mine")
def email_share_of_{name}(usage):
    """Email actions of the last week, doubled."""
    return 2 * usage.actions(7, "email")

def not_registered(usage):
    return usage.actions(7)
'''


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with one feature in it, gone again after the test."""
    name = f"own_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(OWN_FEATURE.replace("{name}", name), encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    registered = dict(FEATURES)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield name
    sys.modules.pop(name, None)
    for added in set(FEATURES) - set(registered):
        del FEATURES[added]


def test_the_frame_has_exactly_the_features_of_the_list_in_its_order() -> None:
    frame = feature_frame(INPUTS, CUTOFFS, SPEC)
    assert frame.columns.tolist() == SPEC.names()
    assert len(frame) == 30 * CUTOFFS.size
    assert set(SPEC.categories()) == {"employee_range", "industry"}


def test_a_feature_is_switched_off_and_the_others_stay_as_they_are() -> None:
    spec = replace(SPEC, off=("actions_growth_7d_28d",))
    frame, every = feature_frame(INPUTS, CUTOFFS, spec), feature_frame(INPUTS, CUTOFFS, SPEC)
    assert set(every) - set(frame) == {"actions_growth_7d_28d"}
    assert frame.equals(every[frame.columns])


@pytest.mark.parametrize("group", ["windows", "trend", "breadth", "attributes"])
def test_a_group_is_switched_off_whole(group: str) -> None:
    members = {name for name, its in SPEC.groups().items() if its == group}
    assert members
    left = replace(SPEC, off=(group,))
    assert set(left.names()) == set(SPEC.names()) - members
    assert feature_frame(INPUTS, CUTOFFS, left).columns.tolist() == left.names()


@pytest.mark.parametrize(
    ("name", "near"), [("trends", "trend"), ("actions_growth_7d28d", "actions_growth_7d_28d")]
)
def test_an_unknown_feature_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(SettingsError, match=f"features.off: {name}: is neither") as caught:
        replace(SPEC, off=(name,)).names()
    assert caught.value.hint == f"did you mean {near!r}?"


def test_one_feature_must_be_left() -> None:
    with pytest.raises(SettingsError, match="leaves no feature"):
        replace(SPEC, off=tuple(set(SPEC.groups().values()))).names()
    off = ("windows", "amounts", "attributes", "tenure", "recency")
    with pytest.raises(SettingsError) as caught:
        replace(forms.BARE_SPEC, off=tuple(one for one in off if one != "attributes")).names()
    assert "windows, amounts, tenure, recency" in str(caught.value)


def test_a_feature_of_ones_own_is_found_by_its_path(own_module: str) -> None:
    own = f"email_share_of_{own_module}"
    spec = replace(SPEC, extra=(f"{own_module}:{own}",))
    frame = feature_frame(INPUTS, CUTOFFS, spec)
    np.testing.assert_array_equal(frame[own], 2 * frame["actions_email_sum_7d"])
    assert set(spec.names()) - set(SPEC.names()) == {own}
    assert own not in replace(spec, off=("mine",)).names()


def test_a_feature_of_ones_own_is_off_until_it_is_named(own_module: str) -> None:
    before = SPEC.schema_hash()
    replace(SPEC, extra=(f"{own_module}:email_share_of_{own_module}",)).names()
    assert f"email_share_of_{own_module}" in FEATURES
    assert SPEC.schema_hash() == before


def test_a_function_that_is_no_feature_is_refused(own_module: str) -> None:
    with pytest.raises(ResolveError, match="is not a registered feature"):
        replace(SPEC, extra=(f"{own_module}:not_registered",)).names()


def test_a_feature_named_twice_is_refused(own_module: str) -> None:
    path = f"{own_module}:email_share_of_{own_module}"
    with pytest.raises(SettingsError, match="is there twice"):
        replace(SPEC, extra=(path, path)).names()


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, windows_days=(7, 56)),
        replace(SPEC, off=("trend",)),
        replace(SPEC, attribute_missingness=True),
        replace(SPEC, period=Period("week", 2)),
        replace(SPEC, period=Period(stamp="end")),
    ],
)
def test_the_schema_hash_changes_when_a_feature_means_something_else(changed: FeatureSpec) -> None:
    assert changed.schema_hash() != SPEC.schema_hash()


def test_the_schema_hash_stays_while_nothing_changes() -> None:
    assert FeatureSpec(windows_days=(7, 28)).schema_hash() == SPEC.schema_hash()


def test_the_schema_hash_changes_with_the_code_of_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SPEC.schema_hash()
    monkeypatch.setattr(compute, "FEATURE_CODE_VERSION", compute.FEATURE_CODE_VERSION + 1)
    assert SPEC.schema_hash() != before


def test_the_input_of_features_carries_neither_id_nor_outcome() -> None:
    held = {*vars(INPUTS), *vars(INPUTS.usage), *vars(INPUTS.attributes)}
    assert held == {
        "usage", "company", "day", "values", "n_companies", "n_activity", "digits", "attributes",
        "described", "columns", "form", "period", "since",
    }  # fmt: skip


def test_features_are_the_same_whichever_block_a_company_falls_into() -> None:
    n = BLOCK_COMPANIES + 7
    at = np.array([3, BLOCK_COMPANIES - 1, BLOCK_COMPANIES, n - 1], dtype=np.int32)
    values = np.ones((n, 8), np.int32)
    values[at] = 3
    rows = (np.arange(n, dtype=np.int32), np.full(n, w.MONDAY, np.int32), values)
    nothing = np.full(n, None, dtype=object)
    many = Attributes(SPEC.form.attributes, (np.full(n, 10.0), nothing, nothing), n)
    inputs = FeatureInputs.of(rows, many, SPEC)
    frame = feature_frame(inputs, np.array([w.MONDAY + 7], dtype=np.int32), SPEC)
    assert np.flatnonzero(frame["actions_7d"] == 12).tolist() == at.tolist()
    assert (frame["actions_7d"].to_numpy()[np.setdiff1d(np.arange(n), at)] == 4).all()


def test_every_feature_is_of_the_group_that_its_name_tells() -> None:
    groups = FeatureSpec(windows_days=(7, 91), attribute_missingness=True).groups()
    by_group = {group: {name for name in groups if groups[name] == group} for group in set(groups.values())}
    windows = {
        *(f"{measure}_{kind}_{days}d" for measure in MEASURES for kind in ("sum", "max") for days in (7, 91)),
        *(f"weeks_{kind}_{days}d" for kind in ("present", "active") for days in (7, 91)),
    }
    assert by_group["windows"] == windows
    assert by_group["attributes"] == {
        *("log_rank", "unranked", "employees", "employee_range", "industry"),
        *("rank_missing", "employees_missing"),
    }
    derived = {entry.name: entry.group for entry in SPEC.derived()}
    assert {name: groups[name] for name in derived} == derived


# A second form: events by day, minutes, sign-up dates

STUDENTS = 3
DAY = 19_000


def course_features(
    rows: list[tuple[int, int, tuple[int, ...]]],
    *since: int,
    cutoff: int = DAY,
    spec: FeatureSpec = forms.SPEC,
) -> pd.DataFrame:
    """Return the features of students: rows of student, days before the cutoff and values."""
    usage = (
        np.array([one for one, _, _ in rows], dtype=np.int32),
        np.array([DAY - 1 - ago for _, ago, _ in rows], dtype=np.int32),
        np.array([values for _, _, values in rows], dtype=np.int64).reshape(-1, len(spec.form.measures)),
    )
    nothing = Attributes.of(spec.form.attributes, [[None] * len(spec.form.attributes)] * STUDENTS)
    inputs = FeatureInputs.of(
        usage, nothing, spec, np.array([*since, *[DAY - 50] * (STUDENTS - len(since))], np.int32)
    )
    return feature_frame(inputs, np.array([cutoff], dtype=np.int32), spec)


def test_a_form_has_the_features_that_it_has_measures_for() -> None:
    names = forms.SPEC.names()
    assert {"minutes_watched_sum_7d", "days_active_28d", "users_7d", "share_quiz_7d", "days_since_began"} <= {
        *names
    }
    assert not [name for name in names if "week" in name and name != "actions_week_over_week"]
    bare = forms.BARE_SPEC.names()
    assert not [
        name
        for name in bare
        if "users" in name or "actions" in name or "share_" in name.replace("present_share", "")
    ]
    assert {"spent_sum_28d", "months_present_365d", "spent_growth_28d_89d", "spent_per_active_month_89d"} <= {
        *bare
    }
    assert set(forms.BARE_SPEC.groups().values()) == {"windows", "tenure", "recency", "amounts"}


def test_amounts_are_whole_numbers_until_they_are_divided_by_their_digits() -> None:
    lesson = forms.COURSE.measure_names.index("learning_lesson")
    minutes = forms.COURSE.measure_names.index("minutes_watched")
    row = [0] * len(forms.COURSE.measures)
    row[lesson], row[minutes] = 1, 12_345
    found = course_features([(0, 0, tuple(row)), (0, 2, tuple(row)), (0, 30, tuple(row))]).loc[0]
    assert found["minutes_watched_sum_1d"] == np.float32(12.345)
    assert found["minutes_watched_sum_7d"] == np.float32(24.69)
    assert found["minutes_watched_max_7d"] == np.float32(12.345)
    assert found["minutes_watched_per_active_day_7d"] == pytest.approx(12.345)
    assert found["minutes_watched_growth_1d_7d"] == pytest.approx(3.5)
    assert found["actions_7d"] == 2
    assert found["actions_share_of_all_7d"] == pytest.approx(2 / 3)


def test_history_counts_from_the_day_it_is_known_and_never_looks_ahead() -> None:
    quiz = forms.COURSE.measure_names.index("learning_quiz")
    row = [0] * len(forms.COURSE.measures)
    row[quiz] = 1
    rows = [(0, 10, tuple(row)), (0, -5, tuple(row)), (1, -5, tuple(row))]
    found = course_features(rows, DAY - 12, DAY - 1, NEVER_BEGAN)
    assert found["days_since_began"].tolist()[:2] == [12, 1]
    assert np.isnan(found["days_since_began"][2])
    assert found["days_since_first_use_quiz"].tolist() == [10, NEVER_DAYS, NEVER_DAYS]
    assert found["days_since_first_use_lesson"].tolist() == [NEVER_DAYS] * 3
    assert found["actions_share_of_all_7d"].tolist() == [0, 0, 0]
    later = course_features(rows, DAY - 12, DAY - 1, NEVER_BEGAN, cutoff=DAY + 5)
    assert later["days_since_first_use_quiz"].tolist() == [15, 0, NEVER_DAYS]
    assert later["actions_share_of_all_7d"].tolist() == [0.5, 1, 0]


def test_history_is_on_where_it_is_known_since_when_one_exists_or_where_it_is_asked_for() -> None:
    assert "history" in forms.SPEC.groups().values()
    assert "history" not in replace(forms.SPEC, history="off").groups().values()
    assert "history" not in SPEC.groups().values()
    on = [name for name, group in replace(SPEC, history="on").groups().items() if group == "history"]
    assert on == ["actions_share_of_all_28d", *(f"days_since_first_use_{one}" for one in SPEC.form.objects)]


def test_a_row_of_a_month_lies_in_so_many_months_whichever_they_are() -> None:
    firsts = np.arange("2019-01", "2021-03", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
    none = Attributes.of((), [()])
    usage = (np.zeros(firsts.size, np.int32), firsts, np.full((firsts.size, 1), 250, np.int64))
    inputs = FeatureInputs.of(usage, none, forms.BARE_SPEC)
    cutoffs = firsts[13:]
    found = feature_frame(inputs, cutoffs, forms.BARE_SPEC)
    for days, rows in zip(MONTHS.windows, MONTHS.rows, strict=True):
        assert (found[f"months_present_{days}d"] == rows).all(), days
        assert (found[f"spent_sum_{days}d"] == 2.5 * rows).all()
    assert (found["spent_growth_28d_89d"] == 1).all()
    assert (found["present_share_365d"] == 1).all()
    young = feature_frame(inputs, firsts[1:13], forms.BARE_SPEC)  # due by the number of months, not of days
    assert (young["present_share_365d"] == 1).all()


def test_a_snapshot_that_lacks_what_a_model_is_made_of_is_named() -> None:
    fewer = replace(WORLD.form, measures=WORLD.form.measures[1:])
    with pytest.raises(
        NotInSnapshotError, match="the snapshot has no measure 'actions_crm_contacts'"
    ) as caught:
        measures_of(WORLD.usage_values[:, 1:], fewer, WORLD.form)
    assert "train a model" in caught.value.hint
    with pytest.raises(NotInSnapshotError, match="no attribute 'industry'"):
        measures_of(WORLD.usage_values, replace(WORLD.form, attributes=WORLD.form.attributes[:2]), WORLD.form)


def test_measures_are_taken_by_name_wherever_they_stand() -> None:
    turned = replace(WORLD.form, measures=WORLD.form.measures[::-1])
    np.testing.assert_array_equal(
        measures_of(WORLD.usage_values[:, ::-1], turned, WORLD.form), WORLD.usage_values
    )
    assert measures_of(WORLD.usage_values, WORLD.form, SPEC.form) is WORLD.usage_values


# Windows, names and blocks


def test_each_window_is_there_once_and_the_shortest_comes_first_whatever_the_order_given() -> None:
    given = replace(SPEC, windows_days=(91, 28, 7, 28))
    assert given.names() == FeatureSpec(windows_days=(7, 28, 91)).names()
    assert given.categories() == ["employee_range", "industry"]


def test_categories_are_named_in_the_order_of_the_columns() -> None:
    assert forms.SPEC.categories() == [name for name in forms.SPEC.names() if name in forms.SPEC.categories()]
    assert forms.SPEC.categories() == ["country", "school", "class_size"]


def test_a_window_that_plays_no_role_is_counted_as_long_as_it_is() -> None:
    row = (3, 0, 0, 0, 0)
    spec = replace(forms.SPEC, windows_days=(2, 400))
    rows = [(0, ago, row) for ago in (0, 1, 2, 399, 400)]
    found = course_features([*rows, (0, 7, (0, 0, 0, 0, 5))], spec=spec).loc[0]
    assert [found[f"learning_lesson_sum_{days}d"] for days in (2, 400)] == [6, 12]
    assert [found[f"days_present_{days}d"] for days in (2, 400)] == [2, 5]
    assert [found[f"days_active_{days}d"] for days in (2, 400)] == [2, 4]  # users alone make no day active


def test_amounts_are_compared_by_their_rates_and_spread_over_active_days() -> None:
    rows = [(0, ago, (0, 0, 0, 1000 * minutes, 1)) for ago, minutes in ((0, 2), (3, 0), (5, 4), (20, 8))]
    found = course_features(rows).loc[0]
    assert found["minutes_watched_growth_1d_7d"] == pytest.approx(2 / 6 * 7)
    assert found["minutes_watched_growth_7d_28d"] == pytest.approx(6 / 14 * 4)
    assert found["minutes_watched_per_active_day_7d"] == 3


def test_all_actions_so_far_are_counted_however_long_ago() -> None:
    row = (1, 0, 0, 0, 0)
    found = course_features([(0, 0, row), (0, 18_000, row)])
    assert found["actions_share_of_all_7d"][0] == 0.5


def test_an_entity_of_a_later_block_has_its_own_day_of_beginning() -> None:
    n = 2 * BLOCK_COMPANIES + 2
    at = np.array([5, BLOCK_COMPANIES + 1, n - 1], dtype=np.int32)
    since = np.full(n, DAY - 100, dtype=np.int32)
    since[at] = [DAY - 1, DAY - 2, DAY - 3]
    nothing = Attributes.of(forms.COURSE.attributes, [[None] * len(forms.COURSE.attributes)] * n)
    none = np.empty(0, np.int32)
    inputs = FeatureInputs.of((none, none, np.empty((0, 5), np.int64)), nothing, forms.SPEC, since)
    spec = replace(forms.SPEC, windows_days=(), off=("attributes",))
    found = feature_frame(inputs, np.array([DAY], dtype=np.int32), spec)["days_since_began"].to_numpy()
    assert found[at].tolist() == [1, 2, 3]
    assert (np.delete(found, at) == 100).all()


def test_attributes_stand_beside_each_cutoff_of_their_own_entity() -> None:
    frame = feature_frame(INPUTS, CUTOFFS, SPEC)
    ranks = np.log10(WORLD.companies["alexa_rank"].to_numpy())
    told = frame["log_rank"].to_numpy().reshape(-1, CUTOFFS.size)
    np.testing.assert_allclose(
        told, np.where(np.isfinite(ranks), ranks, np.nan)[:, None].repeat(2, 1), rtol=1e-6
    )


# Objects of which several things are counted


def test_the_first_use_of_an_object_is_that_of_any_of_its_measures() -> None:
    lesson, quiz, *others = forms.COURSE.measures
    form = replace(forms.COURSE, measures=(lesson, replace(quiz, object="lesson"), *others))
    spec = replace(forms.SPEC, form=form)
    rows = [
        (0, 3, (1, 0, 0, 0, 0)),
        (0, 9, (0, 1, 0, 0, 0)),
        (1, 4, (1, 0, 0, 0, 0)),
        (2, 5, (0, 2, 0, 0, 0)),
    ]
    found = course_features(rows, spec=spec)
    assert found["days_since_first_use_lesson"].tolist() == [9, 4, 5]
    assert found["days_since_first_use_other"].tolist() == [NEVER_DAYS] * 3
    assert found["share_lesson_7d"].tolist() == [1, 1, 1]


def test_a_form_of_one_object_has_nothing_to_say_of_their_mix() -> None:
    one = replace(
        forms.COURSE,
        measures=tuple(m for m in forms.COURSE.measures if m.object != "quiz" and m.object != "other"),
    )
    names = replace(forms.SPEC, form=one).names()
    assert "breadth" not in replace(forms.SPEC, form=one).groups().values()
    assert "days_since_first_use_lesson" in names


def test_those_without_usage_have_the_features_that_they_have_alone() -> None:
    n = 9
    rows = (np.array([4, 4], np.int32), np.array([50, 57], np.int32), np.full((2, 8), 3, np.int32))
    attributes = Attributes.of(SPEC.form.attributes, [[float(at + 1), "1", None] for at in range(n)])
    since = np.full(n, NEVER_BEGAN, dtype=np.int32)
    since[7] = 40
    form = replace(SPEC.form, has_since=True)
    spec = FeatureSpec(windows_days=(7, 28), form=form)
    inputs = FeatureInputs.of(rows, attributes, spec, since)
    cutoffs = np.array([60, 90], dtype=np.int32)
    whole = feature_frame(inputs, cutoffs, spec)
    for at in range(n):
        alone = feature_frame(inputs.take(np.array([at])), cutoffs, spec)
        pd.testing.assert_frame_equal(alone, whole.iloc[2 * at : 2 * at + 2].reset_index(drop=True))


def test_a_month_is_due_once_it_has_come_however_many_days_the_months_before_had() -> None:
    firsts = np.arange("2019-06", "2020-03", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
    usage = np.zeros(firsts.size, np.int32), firsts, np.full((firsts.size, 1), 250, np.int64)
    inputs = FeatureInputs.of(usage, Attributes.of((), [()]), forms.BARE_SPEC)
    # The two months that end on 1 September are longer than two average ones, unlike those that end in March.
    assert (feature_frame(inputs, firsts[1:], forms.BARE_SPEC)["present_share_365d"] == 1).all()


def test_of_nobody_there_are_features_without_a_row() -> None:
    usage = np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 1), np.int64)
    inputs = FeatureInputs.of(usage, Attributes.of((), []), forms.BARE_SPEC)
    found = feature_frame(inputs, CUTOFFS, forms.BARE_SPEC)
    assert (found.columns.tolist(), len(found)) == (forms.BARE_SPEC.names(), 0)


def test_a_feature_of_ones_own_is_found_under_the_name_that_it_was_given(own_module: str) -> None:
    module = importlib.import_module(own_module)
    feature(group="mine", name=f"named_{own_module}")(module.not_registered)
    spec = replace(SPEC, extra=(f"{own_module}:not_registered",))
    assert set(spec.names()) - set(SPEC.names()) == {f"named_{own_module}"}


def test_a_measure_that_nothing_resembles_is_not_held_against_a_name_that_is_none() -> None:
    with pytest.raises(NotInSnapshotError) as caught:
        measures_of(np.zeros((1, 0)), replace(WORLD.form, measures=()), WORLD.form)
    assert caught.value.hint.startswith("describe the tables")
