"""Splits: what is learnt from and what is held out never meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.known import KnownFeatures
from ml_sys.features.sampling import count_rows
from ml_sys.model.split import (
    Source,
    held_companies,
    holdout_cutoffs,
    rolling,
    sampled,
    split,
    training_part,
)
from ml_sys.model.train import spec_from
from tests.model import world as w

WORLD = w.small_world()
SETTINGS = w.settings()
SPEC = spec_from(SETTINGS)
SOURCE = Source.of(WORLD, SETTINGS)


def test_ids_are_those_of_the_snapshot_in_a_few_bytes_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_sys.model.split.BLOCK_ROWS", 7)
    ids = Source.of(WORLD, SETTINGS).ids
    assert ids.tolist() == WORLD.companies["id"].tolist()
    assert ids.nbytes <= 16 * len(WORLD.companies)


@pytest.mark.parametrize(("step", "held"), [(7, 1), (28, 3), (30, 2)])
def test_in_time_every_training_window_closes_by_the_first_holdout_cutoff(step: int, held: int) -> None:
    asked = w.settings(panel={"step_days": step}, split={"holdout_cutoffs": held})
    part, holdout = split(SOURCE, SPEC, asked)
    first = int(holdout.cutoff.min())
    assert part.train.cutoff.max() + w.HORIZON <= first
    assert part.validation.cutoff.max() + w.HORIZON <= first
    assert part.train.cutoff.max() + w.HORIZON + w.PERIOD > first


def test_in_time_the_last_mature_cutoffs_are_held_out() -> None:
    _, holdout = split(SOURCE, SPEC, SETTINGS)
    latest = SOURCE.timeline.latest_mature()
    assert np.unique(holdout.cutoff).tolist() == [latest - 35, latest]
    assert latest + w.HORIZON <= WORLD.as_of < latest + w.HORIZON + w.PERIOD


@pytest.mark.parametrize(
    ("horizon", "asked", "apart"),
    [(30, 0, 35), (30, 7, 35), (28, 0, 28), (30, 36, 42), (14, 35, 35), (8, 0, 14)],
)
def test_in_time_cutoffs_held_out_lie_a_horizon_apart_in_whole_periods(
    horizon: int, asked: int, apart: int
) -> None:
    settings = w.settings(
        label={"horizon_days": horizon}, split={"holdout_step_days": asked, "holdout_cutoffs": 3}
    )
    cutoffs = holdout_cutoffs(Source.of(WORLD, settings).timeline, settings.split)
    assert np.diff(cutoffs).tolist() == [apart, apart]


def test_in_time_no_conversion_is_held_out_twice() -> None:
    # Who pays a day after the last cutoff pays within 30 days of the one four weeks before it as well.
    closed = np.where(np.arange(w.COMPANIES) < 9, SOURCE.timeline.latest_mature() + 1, WORLD.closed)
    source = Source.of(w.with_closed(WORLD, closed), SETTINGS)
    _, holdout = split(source, SPEC, w.settings(split={"holdout_cutoffs": 4}))
    assert holdout.label[holdout.company < 9].any()
    assert np.unique(holdout.company[holdout.label]).size == holdout.label.sum()


def test_stratified_keeps_every_row_of_a_company_on_one_side_at_all_cutoffs() -> None:
    part, holdout = split(SOURCE, SPEC, w.settings(split={"kind": "stratified", "holdout_share": 0.3}))
    assert not set(part.train.company) & set(holdout.company)
    assert not set(part.validation.company) & set(holdout.company)
    assert set(part.train.cutoff) == set(holdout.cutoff)
    assert part.train.label.any()
    assert holdout.label.any()
    assert 0.2 < np.unique(holdout.company).size / w.COMPANIES < 0.4


@pytest.mark.parametrize("seed", range(10))
def test_stratified_holds_out_the_share_asked_for_of_converters_and_of_the_others(seed: int) -> None:
    panel = {"step_days": 7, "max_cutoffs": 99}
    asked = w.settings(split={"kind": "stratified"}, seed=seed, panel=panel, features={"off": ["windows"]})
    part, holdout = split(SOURCE, spec_from(asked), asked)
    sides = (part.validation, holdout)
    companies = [np.unique(one.company) for one in sides]
    converters = [np.unique(one.company[one.label]) for one in sides]
    others = [np.setdiff1d(*pair) for pair in zip(companies, converters, strict=True)]
    for inside, outside in (converters, others):
        assert abs(outside.size - 0.2 * (inside.size + outside.size)) <= 1


def test_a_part_knows_which_share_of_whole_lists_it_is() -> None:
    part, holdout = split(SOURCE, SPEC, SETTINGS)
    assert SOURCE.share_of(part.validation) == SOURCE.share_of(holdout) == 1
    part, holdout = split(SOURCE, SPEC, w.settings(split={"kind": "stratified", "holdout_share": 0.25}))
    assert SOURCE.share_of(holdout) == pytest.approx(0.25, abs=0.02)
    assert SOURCE.share_of(part.validation) + SOURCE.share_of(holdout) == pytest.approx(1)


def test_who_does_not_exist_yet_is_no_prospect_of_which_a_part_could_be_a_share() -> None:
    since = np.full(w.COMPANIES, NEVER_BEGAN, dtype=np.int32)
    cutoff = np.array([w.CUTOFF], dtype=np.int32)
    free = np.flatnonzero(WORLD.closed >= w.CUTOFF)
    since[free[:30]], since[free[30:60]] = w.CUTOFF, w.CUTOFF - 1
    young = replace(SOURCE, known=KnownFeatures(replace(SOURCE.inputs, since=since)))
    every = rolling(young, cutoff, SPEC)
    assert len(every) == free.size - 30
    assert young.share_of(every) == 1
    assert young.share_of(every.take(np.arange(len(every)) < 60)) == pytest.approx(60 / (free.size - 30))
    assert young.share_of(every.take(np.zeros(len(every), dtype=bool))) == 1


def test_stratified_holds_out_its_share_of_those_too_that_had_converted_before() -> None:
    closed, horizon = SOURCE.closed.copy(), w.HORIZON
    first = SOURCE.timeline.first_cutoff(SOURCE.timeline.latest_mature())
    closed[:50], closed[50:60] = first - 1, first
    closed[60:70] = SOURCE.timeline.latest_mature() + horizon - 1
    closed[70:] = np.where(closed[70:] < first, first, closed[70:])
    held = held_companies(replace(SOURCE, closed=closed.astype(np.int32)), 0.2, 7)
    last = SOURCE.timeline.latest_mature() + horizon
    for stratum in (closed < first, (closed >= first) & (closed < last), closed >= last):
        assert held[stratum].sum() == round(0.2 * stratum.sum())


def test_one_row_each_is_learnt_of_companies_that_are_not_held_out() -> None:
    asked = w.settings(panel={"kind": "snapshot"}, split={"kind": "stratified"})
    part, holdout = split(SOURCE, SPEC, asked)
    assert not np.isin(part.train.company, holdout.company).any()
    assert np.unique(part.train.company).size == len(part.train)


def test_a_panel_is_sampled_where_one_row_in_two_is_enough_and_by_the_seed() -> None:
    cutoffs = SOURCE.timeline.grid(SOURCE.timeline.latest_mature(), 7, 10)
    rows, _ = count_rows(SOURCE.closed, cutoffs, w.HORIZON, SOURCE.inputs.since)
    panel = w.settings(panel={"max_rows": rows // 2, "negatives_per_positive": 1}).panel
    found = [sampled(SOURCE, cutoffs, panel, seed) for seed in (7, 7, 8)]
    assert all(one is not None for one in found)
    one, again, other = ((drawn.company.tolist(), drawn.cutoff.tolist()) for drawn in found if drawn)
    assert one == again != other
    half = w.settings(panel={"max_rows": rows - 1, "negatives_per_positive": 10**6}).panel
    twice = sampled(SOURCE, cutoffs, half, 7)
    assert twice is not None
    assert rows * 0.4 < len(twice.company) < rows * 0.65
    assert sampled(SOURCE, cutoffs, w.settings(panel={"max_rows": rows}).panel, 7) is None


def test_stratified_keeps_a_companys_side_as_data_grow() -> None:
    asked = w.settings(split={"kind": "stratified"})
    order = np.random.default_rng(3).permutation(w.COMPANIES)
    fewer = w.renumbered(WORLD, order)
    kept = np.arange(w.COMPANIES) < 200
    rows = fewer.usage_company < 200
    fewer = replace(
        fewer,
        companies=fewer.companies.iloc[:200].assign(id=WORLD.companies["id"].to_numpy()[order[:200]]),
        closed=fewer.closed[kept],
        usage_company=fewer.usage_company[rows],
        usage_stamp=fewer.usage_stamp[rows],
        usage_values=fewer.usage_values[rows],
    )
    sides = []
    for world in (WORLD, fewer):
        source = Source.of(world, asked)
        part, holdout = split(source, SPEC, asked)
        sides.append((set(source.ids[part.train.company]), set(source.ids[holdout.company])))
    (all_train, all_held), (few_train, few_held) = sides
    assert few_held
    moved = (few_train & all_held) | (few_held & all_train)
    assert len(moved) <= 0.05 * len(few_train | few_held)  # those near the border alone


def test_a_snapshot_panel_learns_from_one_row_each_and_is_validated_on_every_row() -> None:
    asked = w.settings(panel={"kind": "snapshot"})
    part, _ = split(SOURCE, SPEC, asked)
    assert np.unique(part.train.company).size == len(part.train)
    assert len(part.validation) > 2 * len(part.train)
    assert np.isin(part.train.cutoff, part.validation.cutoff).all()


SAMPLED = {"step_days": 7, "max_cutoffs": 30, "max_rows": 900, "negatives_per_positive": 4}


@pytest.mark.parametrize("kind", ["time", "stratified"])
def test_a_sampled_part_stands_for_the_whole_one_and_the_holdout_stays_whole(kind: str) -> None:
    asked = w.settings(panel=SAMPLED, split={"kind": kind})
    whole = w.settings(panel={**SAMPLED, "max_rows": 10**6}, split={"kind": kind})
    (part, holdout), (every, held) = (split(SOURCE, SPEC, one) for one in (asked, whole))
    assert part.train is part.validation
    assert len(part.train) <= 900 < len(every.train)
    assert part.train.label.sum() == every.train.label.sum()
    assert part.train.rows.standing_for() == len(every.train)
    assert np.average(part.train.label, weights=part.train.weight) == pytest.approx(every.train.label.mean())
    assert SOURCE.share_of(part.train) == SOURCE.share_of(every.train)
    assert (len(holdout), holdout.weight) == (len(held), None)
    rows = every.train.features.assign(c=every.train.company, t=every.train.cutoff, seen=every.train.seen)
    ours = part.train.features.assign(c=part.train.company, t=part.train.cutoff, seen=part.train.seen)
    again = ours[["c", "t"]].merge(rows, on=["c", "t"], how="left", validate="one_to_one")
    pd.testing.assert_frame_equal(ours, again[ours.columns], check_exact=True)


def test_one_row_a_company_is_learnt_whole_while_validation_is_sampled() -> None:
    order = np.random.default_rng(5).permutation(w.COMPANIES)
    asked = w.settings(panel={**SAMPLED, "kind": "snapshot"})
    told = []
    for world in (WORLD, w.renumbered(WORLD, order)):
        part, _ = split(Source.of(world, asked), SPEC, asked)
        assert part.train.weight is None
        assert np.unique(part.train.company).size == len(part.train) > w.COMPANIES / 2
        assert part.validation.weight is not None
        told.append(part.train)
    pd.testing.assert_frame_equal(told[0].features, told[1].features, check_exact=True)
    np.testing.assert_array_equal(told[0].label, told[1].label)


def test_too_short_a_history_is_said_to_be_so() -> None:
    with pytest.raises(NotEnoughDataError, match="no training cutoff"):
        training_part(SOURCE, w.MONDAY + 40, SPEC, SETTINGS.panel, SETTINGS.seed)
    asked = w.settings(label={"horizon_days": 90})
    short = Source.of(w.small_world(weeks=10, companies=20), asked)
    with pytest.raises(NotEnoughDataError, match="no mature cutoff"):
        split(short, SPEC, asked)


def test_the_panel_takes_no_more_cutoffs_than_asked() -> None:
    asked = w.settings(panel={"max_cutoffs": 2})
    part = training_part(SOURCE, w.CUTOFF, SPEC, asked.panel, asked.seed)
    assert np.unique(part.train.cutoff).size == 2
