"""Panels: who is looked at when, what became of them, and which events count on the day itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot, load
from ml_sys.days import Period
from ml_sys.features.compute import FeatureSpec, feature_frame
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.known import KnownFeatures
from ml_sys.features.panel import (
    Panel,
    canonical,
    company_digests,
    rolling_panel,
    sampled_panel,
    snapshot_panel,
)
from ml_sys.features.rows import Rows
from ml_sys.features.sampling import Sample
from ml_sys.settings.description import SchemaSettings
from tests.data.tables import Tables, usage_row
from tests.model import world as w
from tests.model.world import MOST_ACTIONS, MOST_USERS

SPEC = FeatureSpec(windows_days=(7, 28))
CUTOFF, HORIZON = 18_000, 30
WORLD = w.small_world(companies=120, weeks=40)
GRID = np.arange(w.MONDAY + 70, w.MONDAY + 210, 28, dtype=np.int32)


def inputs_of(world: Snapshot, stamp: str = "start") -> FeatureInputs:
    return FeatureInputs.from_snapshot(world, FeatureSpec((7,), period=Period(stamp=stamp)))  # type: ignore[arg-type]


def one_company(closed: int = NEVER_CLOSED, stamps: tuple[int, ...] = (CUTOFF - 60,)) -> Snapshot:
    """A company with five actions in each of its weeks, and one that never does anything."""
    values = np.tile(np.array([5, 0, 0, 0, 2, 0, 0, 0], dtype=np.int32), (len(stamps), 1))
    companies = pd.DataFrame(
        {
            "id": ["a", "b"],
            "alexa_rank": [10.0, 20.0],
            "employee_range": None,
            "industry": None,
            "value": np.nan,
        }
    )
    return Snapshot(
        id="0" * 16,
        path=Path(),
        companies=companies,
        closed=np.array([closed, NEVER_CLOSED], dtype=np.int32),
        usage_company=np.zeros(len(stamps), dtype=np.int32),
        usage_stamp=np.array(stamps, dtype=np.int32),
        usage_values=values,
        as_of=CUTOFF + 100,
        form=SchemaSettings().form(),
        since=np.full(2, NEVER_BEGAN, dtype=np.int32),
    )


def panel_at(world: Snapshot, cutoff: int = CUTOFF, stamp: str = "start") -> Panel:
    cutoffs = np.array([cutoff], dtype=np.int32)
    return rolling_panel(KnownFeatures(inputs_of(world, stamp)), world.closed, cutoffs, HORIZON, SPEC)


@pytest.mark.parametrize(
    ("closed", "label"),
    [
        (CUTOFF - 1, None),
        (CUTOFF, True),
        (CUTOFF + HORIZON - 1, True),
        (CUTOFF + HORIZON, False),
        (CUTOFF + 1000, False),
        (NEVER_CLOSED, False),
    ],
)
def test_the_label_window_holds_its_first_day_and_not_its_last(closed: int, label: bool | None) -> None:
    panel = panel_at(one_company(closed))
    found = dict(zip(panel.company.tolist(), panel.label.tolist(), strict=True))
    assert found.get(0) is label
    assert found[1] is False


@pytest.mark.parametrize(
    ("stamp", "day", "counts"),
    [
        ("start", CUTOFF - w.PERIOD, True),
        ("start", CUTOFF - w.PERIOD + 1, False),
        ("end", CUTOFF, True),
        ("end", CUTOFF + 1, False),
    ],
)
def test_usage_counts_from_the_day_on_which_its_period_is_complete(
    stamp: str, day: int, counts: bool
) -> None:
    panel = panel_at(one_company(stamps=(day,)), stamp=stamp)
    assert panel.features.loc[0, "actions_7d"] == (5 if counts else 0)
    assert panel.seen.tolist() == [counts, False]


def test_a_window_of_seven_days_leaves_out_the_row_completed_seven_days_before() -> None:
    panel = panel_at(one_company(stamps=(CUTOFF - 14, CUTOFF - 7)))
    assert panel.features.loc[0, ["actions_7d", "actions_14d"]].tolist() == [5, 10]


def test_the_rules_add_up_all_actions_and_all_users_of_the_last_thirty_days() -> None:
    world = one_company(stamps=(CUTOFF - 60, CUTOFF - 21, CUTOFF - 14))
    values = np.array([1, 2, 4, 8, 16, 32, 64, 128], dtype=np.int32)
    rules = panel_at(replace(world, usage_values=np.tile(values, (3, 1)))).rules
    assert {name: score.tolist() for name, score in rules.items()} == {
        MOST_ACTIONS: [30.0, 0.0],
        MOST_USERS: [480.0, 0.0],
    }


def test_future_customers_are_ordinary_negatives_until_their_window_opens() -> None:
    inputs = inputs_of(WORLD)
    panel = rolling_panel(KnownFeatures(inputs), WORLD.closed, GRID, HORIZON, SPEC)
    rows = {
        (int(c), int(t)): bool(y) for c, t, y in zip(panel.company, panel.cutoff, panel.label, strict=True)
    }
    expected = {
        (company, int(cutoff)): bool(day < cutoff + HORIZON)
        for company, day in enumerate(WORLD.closed.tolist())
        for cutoff in GRID
        if day >= cutoff
    }
    assert rows == expected
    assert 0 < sum(rows.values()) < len(rows)


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_in_another_order_change_no_feature(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(WORLD.usage_company.size)
    shuffled = replace(
        WORLD,
        usage_company=WORLD.usage_company[order],
        usage_stamp=WORLD.usage_stamp[order],
        usage_values=WORLD.usage_values[order],
    )
    pd.testing.assert_frame_equal(
        feature_frame(inputs_of(shuffled), GRID, SPEC),
        feature_frame(inputs_of(WORLD), GRID, SPEC),
        check_exact=True,
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_usage_after_a_cutoff_and_days_of_closing_change_no_feature(seed: int) -> None:
    rng = np.random.default_rng(seed)
    changed = w.with_more_usage(WORLD, int(GRID[-1]), rng)
    changed = w.with_closed(changed, rng.integers(0, 20_000, WORLD.closed.size))
    pd.testing.assert_frame_equal(
        feature_frame(inputs_of(changed), GRID, SPEC),
        feature_frame(inputs_of(WORLD), GRID, SPEC),
        check_exact=True,
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_a_renumbered_panel_has_the_same_rows_in_the_same_order(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(WORLD.companies))
    panels = [
        canonical(rolling_panel(KnownFeatures(inputs_of(one)), one.closed, GRID, HORIZON, SPEC))
        for one in (WORLD, w.renumbered(WORLD, order))
    ]
    pd.testing.assert_frame_equal(panels[0].features, panels[1].features, check_exact=True)
    np.testing.assert_array_equal(panels[0].label, panels[1].label)
    np.testing.assert_array_equal(panels[0].cutoff, panels[1].cutoff)


def test_a_company_listed_twice_has_its_usage_once(tmp_path: Path) -> None:
    frames = []
    for name, repeats in (("once", []), ("twice", ["2000,6 to 10,,n1", "2000,,,n1"])):
        folder = tmp_path / name
        folder.mkdir()
        tables = Tables(folder)
        tables.noncustomers = [*repeats, *tables.noncustomers]
        tables.usage = [*tables.usage, usage_row("n1")]
        world = load(tables.ingest().path)
        frames.append(feature_frame(inputs_of(world), np.array([18_310], dtype=np.int32), SPEC))
    assert frames[0]["actions_91d"].max() > 0
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_the_snapshot_panel_sees_each_company_once_and_customers_just_before_they_closed() -> None:
    panel = snapshot_panel(KnownFeatures(inputs_of(WORLD)), WORLD.closed, GRID, HORIZON, SPEC)
    assert np.unique(panel.company).size == panel.company.size
    positive = panel.company[panel.label]
    wanted = {
        company: int(GRID[day >= GRID].max())
        for company, day in enumerate(WORLD.closed.tolist())
        if GRID[0] <= day < GRID[-1] + HORIZON and (GRID[day >= GRID].max() + HORIZON > day)
    }
    assert dict(zip(positive.tolist(), panel.cutoff[panel.label].tolist(), strict=True)) == wanted
    assert positive.size > 5


def test_the_others_of_a_snapshot_panel_are_seen_in_the_seasons_of_the_customers() -> None:
    panel = snapshot_panel(KnownFeatures(inputs_of(WORLD)), WORLD.closed, GRID, HORIZON, SPEC)
    share = {
        outcome: np.array([(panel.cutoff[panel.label == outcome] == c).mean() for c in GRID])
        for outcome in (True, False)
    }
    np.testing.assert_allclose(share[True], share[False], atol=0.08)


@pytest.mark.parametrize(("began", "laid_out"), [(CUTOFF - 1, [0, 1]), (CUTOFF, [0]), (CUTOFF + 1, [0])])
def test_a_rolling_panel_leaves_out_who_did_not_exist_for_a_day_by_a_cutoff(
    began: int, laid_out: list[int]
) -> None:
    world = replace(one_company(closed=CUTOFF + 5), since=np.array([NEVER_BEGAN, began], dtype=np.int32))
    spec = replace(SPEC, form=replace(SPEC.form, has_since=True))
    known = KnownFeatures(FeatureInputs.from_snapshot(world, spec))
    panel = rolling_panel(known, world.closed, np.array([CUTOFF], dtype=np.int32), HORIZON, spec)
    assert panel.company.tolist() == laid_out


def test_the_others_of_a_snapshot_panel_take_the_seasons_in_turn_in_the_order_given() -> None:
    grid, world = GRID[:3], w.small_world(companies=8, weeks=40)
    closed = np.full(8, NEVER_CLOSED, dtype=np.int32)
    closed[[2, 5]] = grid[[2, 0]] + 1  # seen on the third and the first of the cutoffs
    closed[7] = grid[0] - 1  # was a customer before all of them, and takes no season
    known, order = KnownFeatures(inputs_of(world)), np.array([7, 6, 5, 4, 3, 2, 1, 0])
    panel = snapshot_panel(known, closed, grid, 20, SPEC, order)
    rows = zip(panel.company.tolist(), panel.cutoff.tolist(), panel.label.tolist(), strict=True)
    first, _, third = grid.tolist()
    assert list(rows) == [
        (2, third, True),
        (5, first, True),
        *((6, first, False), (4, third, False), (3, first, False), (1, third, False), (0, first, False)),
    ]


def test_a_snapshot_panel_without_customers_is_empty() -> None:
    nobody = np.full(WORLD.closed.size, NEVER_CLOSED, dtype=np.int32)
    assert len(snapshot_panel(KnownFeatures(inputs_of(WORLD)), nobody, GRID, HORIZON, SPEC)) == 0


def test_a_company_is_known_by_all_of_its_rows_and_what_became_of_them() -> None:
    def digests(content: list[int], label: list[bool], company: list[int]) -> list[int]:
        panel = Panel(
            Rows.of(pd.DataFrame({"x": np.zeros(len(content), dtype=np.float32)})),
            np.array(company, dtype=np.int32),
            np.array([1, 2] * (len(content) // 2), dtype=np.int32),
            np.array(label),
            np.zeros(len(content), dtype=bool),
            {},
        )
        return company_digests(panel, np.array(content, dtype=np.uint64)).tolist()

    first, second = digests([7, 8, 7, 8], [False, False, False, True], [0, 0, 1, 1])
    assert first != second  # alike but for their outcome
    first, second = digests([7, 8, 9, 8], [False] * 4, [0, 0, 1, 1])
    assert first != second  # alike in the last row
    assert digests([7, 8], [False] * 2, [1, 1]) == [0, first]  # whatever their number


@pytest.mark.parametrize(("began", "laid_out"), [(CUTOFF - 1, [0, 1]), (CUTOFF, [0]), (CUTOFF + 1, [0])])
def test_a_snapshot_panel_leaves_out_who_did_not_exist_for_a_day_by_the_season_of_the_customers(
    began: int, laid_out: list[int]
) -> None:
    world = replace(one_company(closed=CUTOFF + 5), since=np.array([NEVER_BEGAN, began], dtype=np.int32))
    cutoffs = np.array([CUTOFF, CUTOFF + 28], dtype=np.int32)
    spec = replace(SPEC, form=replace(SPEC.form, has_since=True))
    known = KnownFeatures(FeatureInputs.from_snapshot(world, spec))
    panel = snapshot_panel(known, world.closed, cutoffs, HORIZON, spec)
    assert panel.company.tolist() == laid_out
    assert set(panel.cutoff.tolist()) == {CUTOFF}


def test_the_snapshot_panel_does_not_depend_on_numbering() -> None:
    order = np.random.default_rng(2).permutation(len(WORLD.companies))
    panels = [
        canonical(snapshot_panel(KnownFeatures(inputs_of(one)), one.closed, GRID, HORIZON, SPEC))
        for one in (WORLD, w.renumbered(WORLD, order))
    ]
    pd.testing.assert_frame_equal(panels[0].features, panels[1].features, check_exact=True)


def test_rows_of_a_sample_are_seen_from_the_day_on_which_the_first_usage_was_complete() -> None:
    world = one_company(stamps=(CUTOFF - 7, CUTOFF))
    company = np.array([0, 0, 0, 1], dtype=np.int32)
    cutoff = np.array([CUTOFF - 7, CUTOFF, CUTOFF + 7, CUTOFF + 7], dtype=np.int32)
    sample = Sample(company, cutoff, np.array([False, True, False, False]), 30)
    panel = sampled_panel(KnownFeatures(inputs_of(world)), sample, SPEC)
    rows = zip(panel.company.tolist(), panel.cutoff.tolist(), panel.seen.tolist(), strict=True)
    assert {(who, day): seen for who, day, seen in rows} == {
        (0, CUTOFF - 7): False,
        (0, CUTOFF): True,
        (0, CUTOFF + 7): True,
        (1, CUTOFF + 7): False,
    }
    assert panel.weight is not None
    assert sorted(panel.weight.tolist()) == [1, 10, 10, 10]


def test_rules_and_what_was_seen_stay_beside_the_rows_that_are_laid_out() -> None:
    panel = panel_at(one_company(closed=CUTOFF - 1, stamps=(CUTOFF - 14,)))
    assert (len(panel), panel.rules[MOST_ACTIONS].tolist(), panel.seen.tolist()) == (1, [0.0], [False])
    both = panel_at(one_company(stamps=(CUTOFF - 14,)))
    turned = both.take(np.array([1, 0]))
    assert turned.rules[MOST_ACTIONS].tolist() == both.rules[MOST_ACTIONS].tolist()[::-1] == [0.0, 5.0]
    known = KnownFeatures(inputs_of(one_company(stamps=(CUTOFF - 14,))))
    cutoffs = np.array([CUTOFF], dtype=np.int32)
    closed = np.array([NEVER_CLOSED, CUTOFF + 1], dtype=np.int32)
    alone = snapshot_panel(known, closed, cutoffs, HORIZON, SPEC, np.array([1, 0]))
    assert list(zip(alone.company.tolist(), alone.seen.tolist(), strict=True)) == [(1, False), (0, True)]
