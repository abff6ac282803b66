"""The list of features: what is on, what it is called, and when its meaning has changed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ml_sys.features.compute as compute
from ml_sys.data.schema import MEASURES
from ml_sys.days import WEEKLY, Period
from ml_sys.errors import ResolveError, SettingsError
from ml_sys.features.compute import FeatureInputs, FeatureSpec, feature_frame
from ml_sys.features.derived import FEATURES
from ml_sys.features.windows import BLOCK_COMPANIES, UsageLog
from tests.model import world as w

SPEC = FeatureSpec(windows_days=(7, 28))
WORLD = w.small_world(companies=30, weeks=20)
INPUTS = FeatureInputs.from_snapshot(WORLD, WEEKLY)
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


@pytest.mark.parametrize("group", ["windows", "trend", "breadth", "firmographics"])
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
        replace(SPEC, firmographic_missingness=True),
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
    held = {*vars(INPUTS), *vars(INPUTS.usage), *vars(INPUTS.firmographics)}
    assert held == {
        "usage", "firmographics", "company", "day", "values", "n_companies", "n_actions",
        "rank", "employee_range", "industry",
    }  # fmt: skip


def test_features_are_the_same_whichever_block_a_company_falls_into() -> None:
    n = BLOCK_COMPANIES + 7
    at = np.array([3, BLOCK_COMPANIES - 1, BLOCK_COMPANIES, n - 1], dtype=np.int32)
    log = UsageLog.from_rows(
        at, np.full(4, w.MONDAY, np.int32), np.full((4, 8), 3, np.int32),
        n_companies=n, n_actions=4, period=WEEKLY,
    )  # fmt: skip
    firm = INPUTS.firmographics
    many = replace(
        firm,
        rank=np.full(n, 10.0),
        employee_range=np.full(n, None, dtype=object),
        industry=np.full(n, None, dtype=object),
    )
    frame = feature_frame(FeatureInputs(log, many), np.array([w.MONDAY + 7], dtype=np.int32), SPEC)
    assert np.flatnonzero(frame["actions_7d"] == 12).tolist() == at.tolist()
    assert (frame["actions_7d"].to_numpy()[np.setdiff1d(np.arange(n), at)] == 0).all()


def test_every_feature_is_of_the_group_that_its_name_tells() -> None:
    groups = FeatureSpec(windows_days=(7, 91), firmographic_missingness=True).groups()
    by_group = {group: {name for name in groups if groups[name] == group} for group in set(groups.values())}
    windows = {
        *(f"{measure}_{kind}_{days}d" for measure in MEASURES for kind in ("sum", "max") for days in (7, 91)),
        *(f"weeks_{kind}_{days}d" for kind in ("present", "active") for days in (7, 91)),
    }
    assert by_group["windows"] == windows
    assert by_group["firmographics"] == {
        *("log_rank", "unranked", "employees", "employee_range", "industry"),
        *("rank_missing", "employees_missing"),
    }
    derived = {name: entry.group for name, entry in FEATURES.items() if name in groups}
    assert {name: groups[name] for name in derived} == derived
