"""Derived features against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.days import Period
from ml_sys.errors import ResolveError
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import FeatureSpec, feature_frame
from ml_sys.features.derived import FEATURES, NEVER_DAYS, Feature, Usage, feature, growth, ratio
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.spans import MONTHS, WEEKS
from ml_sys.features.windows import UsageLog, window_stats
from ml_sys.form import Form
from tests.data.tables import ACTIONS, MEASURES
from tests.features import forms

CUTOFF = 18_000
SPEC = FeatureSpec(WEEKS.windows)
# Days before the cutoff on which a week was complete, and its counts: four of actions, four of users.
BUSY = {
    0: (6, 0, 2, 0, 2, 0, 1, 0),
    7: (1, 1, 0, 0, 1, 1, 0, 0),
    21: (0, 0, 0, 0, 0, 0, 0, 0),
    35: (12, 0, 0, 0, 5, 0, 0, 0),
    84: (0, 0, 0, 20, 0, 0, 0, 7),
    140: (50, 50, 50, 50, 9, 9, 9, 9),
}
# Of the busy company, by hand; the last 28 days hold the rows of 0, 7 and 21 days ago.
BY_HAND = {
    "actions_7d": 8,
    "actions_14d": 10,
    "actions_28d": 10,
    "actions_56d": 22,
    "actions_91d": 42,
    "users_7d": 3,
    "users_14d": 5,
    "users_28d": 5,
    "users_56d": 10,
    "users_91d": 17,
    "days_since_first_row": 140,
    "days_since_last_row": 0,
    "days_since_last_active": 0,
    "present_share_91d": 5 / 13,
    "most_users_28d": 2,
    "most_users_91d": 7,
    "users_growth_7d_28d": 3 / 5 * 28 / 7,
    "users_growth_28d_91d": 5 / 17 * 91 / 28,
    "users_per_active_week_28d": 5 / 2,
    "actions_per_user_28d": 10 / 5,
    "actions_per_active_week_28d": 10 / 2,
    "actions_per_active_week_91d": 42 / 4,
    "actions_growth_7d_28d": 8 / 10 * 28 / 7,
    "actions_growth_28d_91d": 10 / 42 * 91 / 28,
    "actions_week_over_week": math.log(9) - math.log(3),
    "users_change_28d": 5 - 5,
    "object_entropy_28d": -(0.7 * math.log(0.7) + 0.1 * math.log(0.1) + 0.2 * math.log(0.2)),
    "objects_used_28d": 3,
    "objects_used_91d": 4,
    "share_contacts_28d": 0.7,
    "share_companies_28d": 0.1,
    "share_deals_28d": 0.2,
    "share_email_28d": 0,
    "actions_crm_contacts_sum_28d": 7,
    "actions_crm_contacts_max_28d": 6,
    "users_email_sum_91d": 7,
    "users_email_max_28d": 0,
    "weeks_present_28d": 3,
    "weeks_active_28d": 2,
    "weeks_present_91d": 5,
    "weeks_active_91d": 4,
}
SILENT = {
    "days_since_first_row": NEVER_DAYS,
    "days_since_last_row": NEVER_DAYS,
    "days_since_last_active": NEVER_DAYS,
}


def inputs() -> FeatureInputs:
    """The busy company, one without a row and one whose only week was idle."""
    days = [CUTOFF - ago for ago in BUSY]
    log = UsageLog.from_rows(
        np.array([0] * len(BUSY) + [2], dtype=np.int32),
        np.array([*days, CUTOFF - 14], dtype=np.int32),
        np.array([*BUSY.values(), [0] * 8], dtype=np.int32),
        n_companies=3,
        n_activity=len(ACTIONS),
        period=Period(stamp="end"),
    )
    nothing = np.array([None] * 3, dtype=object)
    attributes = Attributes(SPEC.form.attributes, (np.full(3, np.nan), nothing, nothing), 3)
    return FeatureInputs(SPEC.form, SPEC.period, log, attributes, np.full(3, NEVER_BEGAN, dtype=np.int32))


AT = np.array([CUTOFF], dtype=np.int32)
FRAME, STATS = feature_frame(inputs(), AT, SPEC), window_stats(inputs().usage, AT, (7,))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_is_what_one_works_out_by_hand(name: str) -> None:
    assert FRAME.loc[0, name] == pytest.approx(BY_HAND[name], rel=1e-6, abs=1e-7)


def test_every_derived_feature_has_been_worked_out_by_hand() -> None:
    assert {entry.name for entry in SPEC.derived()} <= set(BY_HAND)


def test_a_company_without_usage_has_zeros_and_never() -> None:
    for name in [*BY_HAND, *(f"{measure}_sum_7d" for measure in MEASURES)]:
        if name in FRAME:
            assert FRAME.loc[1, name] == SILENT.get(name, 0), name


def test_an_idle_week_makes_a_company_seen_but_not_active() -> None:
    idle = FRAME.loc[2]
    assert idle["days_since_last_row"] == idle["days_since_first_row"] == 14
    assert idle["days_since_last_active"] == NEVER_DAYS
    assert idle["present_share_91d"] == pytest.approx(1 / 3)
    assert (idle["weeks_present_28d"], idle["weeks_active_28d"]) == (1, 0)


def test_no_number_is_infinite_and_only_firmographics_may_be_blank() -> None:
    numbers = FRAME.select_dtypes("number")
    assert not np.isinf(numbers.to_numpy()).any()
    blank = numbers.columns[numbers.isna().any()]
    assert set(blank) <= {"log_rank", "unranked", "employees"}
    assert (numbers.dtypes == np.float32).all()


def test_two_modules_cannot_define_one_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(usage: Usage) -> np.ndarray:
        return usage.actions(7)

    monkeypatch.setitem(FEATURES, "twice", Feature("twice", "theirs", np.sum))
    with pytest.raises(ResolveError, match=r"'twice' is defined in numpy already"):
        feature(group="mine")(twice)
    assert FEATURES["twice"].group == "theirs"


def test_a_view_of_usage_keeps_the_names_that_rows_had_when_all_were_weeks() -> None:
    assert Usage.weeks_present is Usage.rows_present
    assert Usage.weeks_active is Usage.rows_active


def test_an_object_that_nothing_is_counted_of_is_named() -> None:
    usage = Usage(STATS, AT, (7,), SPEC.form, WEEKS)
    with pytest.raises(KeyError, match="no users are counted of 'tickets'"):
        usage.users(7, "tickets")


def test_a_feature_may_write_into_a_column_without_changing_that_of_another() -> None:
    usage = Usage(STATS, AT, (7,), SPEC.form, WEEKS)
    usage.actions(7)[:] = -1
    assert usage.actions(7).tolist() == [BY_HAND["actions_7d"], 0, 0]


@pytest.mark.parametrize("n_measures", [1, 3, 7, 8, 11])
def test_a_total_has_the_bits_of_numpys_sum_over_however_many_measures(n_measures: int) -> None:
    form = Form(measures=tuple(replace(SPEC.form.measures[0], name=f"m{n}") for n in range(n_measures)))
    sums = (np.random.default_rng(n_measures).random((50, 2, 1, n_measures)) * 1e5).astype(np.float32)
    total = Usage(replace(STATS, sums=sums), AT, (7,), form, WEEKS).actions(7)
    assert total.tobytes() == sums[:, :, 0].sum(axis=-1).tobytes()


def test_never_is_longer_ago_than_any_window_and_than_years_of_usage() -> None:
    assert max(*WEEKS.windows, *MONTHS.windows, 5 * 365) < NEVER_DAYS


# What `features.off` switches off by the name of a group, beside windows and attributes.
GROUPS = {
    "tenure": {"days_since_first_row", "present_share_91d"},
    "recency": {"days_since_last_row", "days_since_last_active"},
    "users": {
        *(f"users_{days}d" for days in WEEKS.windows),
        *("most_users_28d", "most_users_91d", "users_growth_7d_28d", "users_growth_28d_91d"),
        "users_per_active_week_28d",
    },
    "intensity": {
        *("actions_per_user_28d", "actions_per_active_week_28d", "actions_per_active_week_91d"),
    },
    "trend": {
        *("actions_growth_7d_28d", "actions_growth_28d_91d", "actions_week_over_week", "users_change_28d"),
    },
    "breadth": {
        *("object_entropy_28d", "objects_used_28d", "objects_used_91d"),
        *(f"share_{one}_28d" for one in SPEC.form.objects),
    },
    "totals": {f"actions_{days}d" for days in WEEKS.windows},
}


def test_derived_features_are_in_the_groups_that_settings_name() -> None:
    found: dict[str, set[str]] = {}
    for entry in SPEC.derived():
        found.setdefault(entry.group, set()).add(entry.name)
    assert found == GROUPS


def test_what_a_form_does_not_count_is_none_of_it_and_never_is_what_versions_were_fitted_to() -> None:
    cutoffs = np.array([CUTOFF], dtype=np.int32)
    values = np.array([[250]], dtype=np.int64)
    log = UsageLog.from_rows(
        np.zeros(1, np.int32), np.array([CUTOFF - 31], np.int32), values,
        n_companies=1, n_activity=1, period=Period("month"), digits=(2,),
    )  # fmt: skip
    usage = Usage(window_stats(log, cutoffs, (28, 365)), cutoffs, (28, 365), forms.BARE, MONTHS)
    assert (usage.actions(365).tolist(), usage.users(365).tolist()) == ([0], [0])
    assert usage.amount(365, "spent").tolist() == [2.5]
    assert NEVER_DAYS == 2000


def test_a_ratio_of_nothing_is_nothing_and_growth_compares_days_with_days() -> None:
    above, below = np.array([3.0, 0.0, 2.0, 5.0], np.float32), np.array([6.0, 0.0, 0.0, 5.0], np.float32)
    assert ratio(above, below).tolist() == [0.5, 0.0, 0.0, 1.0]
    assert growth(above, 7, below, 28).tolist() == [2.0, 0.0, 0.0, 4.0]
