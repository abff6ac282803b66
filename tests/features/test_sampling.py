"""Which rows of a large panel are learnt from: by what companies look like, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.sampling import Draws, Sample, by_content, count_rows, draw, labels, one_in
from ml_sys.features.usage_digests import usage_digests
from ml_sys.features.windows import BLOCK_COMPANIES
from ml_sys.form import Attribute
from tests.data.tables import MEASURES
from tests.features import forms
from tests.model import world as w

WORLD = w.small_world(companies=150, weeks=40)
GRID = np.arange(w.MONDAY + 70, w.MONDAY + 210, 7, dtype=np.int32)
HOW = Draws(one_in=4, step_days=7, seed=7)
seeds = st.integers(0, 2**32 - 1)


def inputs_of(world: Snapshot) -> FeatureInputs:
    return FeatureInputs.from_snapshot(world, FeatureSpec((7,)))


def sample_of(
    world: Snapshot, how: Draws = HOW, cutoffs: np.ndarray = GRID, among: np.ndarray | None = None
) -> Sample:
    among = np.ones(world.closed.size, dtype=bool) if among is None else among
    return draw(inputs_of(world), world.closed, cutoffs, w.HORIZON, how, among)


def pairs(sample: Sample, order: np.ndarray | None = None) -> set[tuple[int, int, bool]]:
    company = sample.company if order is None else order[sample.company]
    return set(zip(company.tolist(), sample.cutoff.tolist(), sample.label.tolist(), strict=True))


@given(
    positives=st.integers(0, 10**6),
    others=st.integers(0, 10**9),
    each=st.integers(1, 500),
    most=st.integers(1, 10**7),
)
def test_a_panel_is_whole_up_to_its_limit_and_a_sample_keeps_to_it(
    positives: int, others: int, each: int, most: int
) -> None:
    rate = one_in(positives, others, negatives_per_positive=each, max_rows=most)
    if positives + others <= most:
        assert rate == 1
        return
    assert rate >= 1
    drawn = others / rate
    assert drawn <= max(each * positives, 1)
    assert positives + drawn <= max(most, 2 * positives, positives + 1)  # as many others at least


def test_the_real_tables_are_learnt_whole_and_forty_thousand_companies_are_not() -> None:
    from ml_sys.settings import PanelSettings

    asked = PanelSettings()
    limits = {"negatives_per_positive": asked.negatives_per_positive, "max_rows": asked.max_rows}
    assert one_in(700, 342_544, **limits) == 1
    assert one_in(8_000, 3_230_000, **limits) > 1


def test_rows_are_counted_without_laying_them_out() -> None:
    prospect, label = labels(WORLD.closed, GRID, w.HORIZON)
    assert count_rows(WORLD.closed, GRID, w.HORIZON) == (prospect.sum(), label.sum())


def test_every_positive_row_is_drawn_and_the_others_stand_for_the_rest() -> None:
    prospect, label = labels(WORLD.closed, GRID, w.HORIZON)
    sample = sample_of(WORLD)
    assert sample.label.sum() == label.sum() > 0
    assert (sample.weight[sample.label] == 1).all()
    assert sample.weight[~sample.label] == pytest.approx(4, rel=0.1)
    assert sample.weight.sum() == pytest.approx(prospect.sum(), rel=1e-9)
    assert {(c, t) for c, t, _ in pairs(sample)} <= {
        (int(c), int(GRID[t])) for c, t in zip(*np.nonzero(prospect), strict=True)
    }
    assert pairs(sample_of(WORLD, replace(HOW, one_in=1))) == {
        (int(c), int(GRID[t]), bool(label[c, t])) for c, t in zip(*np.nonzero(prospect), strict=True)
    }


@given(seed=seeds)
def test_ids_and_the_order_of_rows_change_no_draw(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(WORLD.companies))
    world = w.renumbered(WORLD, order)
    rows = rng.permutation(world.usage_company.size)
    shuffled = replace(
        world,
        usage_company=world.usage_company[rows],
        usage_stamp=world.usage_stamp[rows],
        usage_values=world.usage_values[rows],
    )
    assert pairs(sample_of(shuffled), order) == pairs(sample_of(WORLD))


@given(seed=seeds, after=st.sampled_from(GRID.tolist()))
def test_what_comes_after_a_cutoff_changes_no_draw_up_to_it(seed: int, after: int) -> None:
    rng = np.random.default_rng(seed)
    changed = w.with_more_usage(WORLD, after, rng)
    closed = np.where(changed.closed >= after + w.HORIZON, NEVER_CLOSED, changed.closed)
    upto = GRID[after >= GRID]
    wanted = {one for one in pairs(sample_of(WORLD)) if one[1] <= after}
    assert pairs(sample_of(w.with_closed(changed, closed), cutoffs=GRID)) >= wanted
    assert pairs(sample_of(w.with_closed(changed, closed), cutoffs=upto)) == wanted


def test_a_row_that_counts_by_a_cutoff_draws_anew() -> None:
    rng = np.random.default_rng(1)
    n = len(WORLD.companies)
    stamp = np.full(n, GRID[0] - w.PERIOD)
    more = w.with_usage(
        WORLD,
        np.concatenate([WORLD.usage_company, np.arange(n)]),
        np.concatenate([WORLD.usage_stamp, stamp]),
        np.concatenate([WORLD.usage_values, rng.integers(1, 9, (n, len(MEASURES)))]),
    )
    assert pairs(sample_of(more)) != pairs(sample_of(WORLD))


def test_a_smaller_sample_is_part_of_a_larger_one_and_another_seed_draws_others() -> None:
    large, small = (pairs(sample_of(WORLD, replace(HOW, one_in=rate))) for rate in (3, 10))
    assert small < large
    other = pairs(sample_of(WORLD, replace(HOW, seed=8)))
    shared = len(other & pairs(sample_of(WORLD))) / len(other)
    assert shared < 0.5


def test_of_the_companies_asked_for_alone_the_same_rows_are_drawn() -> None:
    among = np.arange(len(WORLD.companies)) % 3 > 0
    assert pairs(sample_of(WORLD, among=among)) == {one for one in pairs(sample_of(WORLD)) if among[one[0]]}


def never_used(alike: int, weeks: int) -> tuple[Snapshot, np.ndarray]:
    """Companies of which nothing is known, and one that is busy."""
    busy = w.small_world(companies=1, weeks=weeks)
    frame = busy.companies.iloc[np.zeros(alike + 1, dtype=int)].assign(alexa_rank=np.inf)
    cutoffs = w.MONDAY + 7 * np.arange(1, weeks, dtype=np.int32)
    return replace(
        busy, companies=frame, closed=np.full(alike + 1, NEVER_CLOSED, dtype=np.int32)
    ), cutoffs.astype(np.int32)


@pytest.mark.parametrize("rate", [2, 5, 9])
def test_companies_that_look_alike_are_drawn_together_at_as_many_cutoffs_as_are_due(rate: int) -> None:
    world, cutoffs = never_used(alike=30, weeks=91)
    sample = sample_of(world, replace(HOW, one_in=rate), cutoffs)
    drawn = [set(sample.cutoff[sample.company == one].tolist()) for one in range(1, 31)]
    assert all(one == drawn[0] for one in drawn)
    assert abs(len(drawn[0]) - cutoffs.size / rate) <= 2
    gaps = np.diff(sorted(drawn[0])) / 7
    assert gaps.max() <= 3 * rate  # no long stretch is left out


def test_usage_is_told_apart_by_its_rows_that_are_complete() -> None:
    log = inputs_of(WORLD).usage
    digests = usage_digests(log, GRID)
    assert digests.shape == (len(WORLD.companies), GRID.size)
    for at, cutoff in enumerate(GRID.tolist()):
        told = [
            (log.day[rows].tolist(), log.values[rows].tolist())
            for rows in ((log.company == one) & (log.day <= cutoff) for one in range(log.n_companies))
        ]
        same = {str(one): digest for one, digest in zip(told, digests[:, at].tolist(), strict=True)}
        assert len(same) == len(set(same.values())) == len(set(digests[:, at].tolist()))
        assert all(digest == 0 for one, digest in same.items() if one == str(([], [])))


def test_the_order_by_content_does_not_depend_on_numbering() -> None:
    order = np.random.default_rng(4).permutation(len(WORLD.companies))
    moved = w.renumbered(WORLD, order)
    cutoff = int(GRID[-1])
    ours, theirs = (by_content(inputs_of(one), one.closed, cutoff) for one in (WORLD, moved))
    np.testing.assert_array_equal(WORLD.closed[ours], moved.closed[theirs])
    alike = WORLD.companies["industry"].to_numpy()[ours] == moved.companies["industry"].to_numpy()[theirs]
    assert (alike | WORLD.companies["industry"].isna().to_numpy()[ours]).all()


@pytest.mark.parametrize(
    ("positives", "others", "most", "rate"),
    [
        (10, 990, 1000, 1),  # as many rows as allowed
        (10, 991, 1000, 5),  # twenty others for each positive one: 200 of 991
        (10, 990, 100, 11),  # 90 of them, so that there are 100 rows in all
        (10, 990, 15, 99),  # as many others as positive rows at least
        (0, 500, 100, 500),
        (10, 1000, 1009, 5),
    ],
)
def test_one_in_so_many_is_what_leaves_the_others_that_are_wanted(
    positives: int, others: int, most: int, rate: int
) -> None:
    assert one_in(positives, others, negatives_per_positive=20, max_rows=most) == rate


def test_a_sample_without_other_rows_weighs_its_positive_ones_once() -> None:
    one = np.zeros(2, dtype=np.int32)
    assert Sample(one, one, np.array([True, True]), 0).weight.tolist() == [1, 1]
    assert Sample(one, one, np.array([True, False]), 40).weight.tolist() == [1, 40]


def test_a_panel_of_one_cutoff_is_counted_up_to_the_day_before_its_window_ends() -> None:
    closed = np.array([99, 100, 129, 130, NEVER_CLOSED], dtype=np.int32)
    assert count_rows(closed, np.array([100], dtype=np.int32), 30) == (4, 2)


# Since when one exists

DATED = FeatureSpec((7,))
DATED = replace(DATED, form=replace(DATED.form, has_since=True))


@pytest.mark.parametrize(
    ("since", "closed", "prospect", "label"),
    [
        (NEVER_BEGAN, 99, False, False),
        (NEVER_BEGAN, 100, True, True),
        (NEVER_BEGAN, 129, True, True),
        (NEVER_BEGAN, 130, True, False),
        (NEVER_BEGAN, NEVER_CLOSED, True, False),
        (99, 100, True, True),  # a whole day
        (99, NEVER_CLOSED, True, False),
        (100, 129, False, False),
        (100, NEVER_CLOSED, False, False),
        (110, 120, False, False),
        (98, 98, False, False),
    ],
)
def test_a_prospect_has_existed_for_a_day_and_converts_up_to_the_day_before_the_window_ends(
    since: int, closed: int, prospect: bool, label: bool
) -> None:
    found = labels(np.array([closed], np.int32), np.array([100], np.int32), 30, np.array([since], np.int32))
    assert [one.tolist() for one in found] == [[[prospect]], [[label]]]


@given(
    days=st.lists(
        st.tuples(st.just(NEVER_BEGAN) | st.integers(0, 30), st.just(NEVER_CLOSED) | st.integers(0, 30)),
        max_size=12,
    ),
    cutoffs=st.sets(st.integers(0, 30), max_size=5),
    horizon=st.integers(1, 12),
)
@example(days=[(5, 10)], cutoffs={3}, horizon=7)  # closes on the day on which the window has ended
def test_rows_are_counted_as_they_would_be_laid_out_since_whenever_companies_exist(
    days: list[tuple[int, int]], cutoffs: set[int], horizon: int
) -> None:
    since, closed = (np.array([one[at] for one in days], dtype=np.int32) for at in (0, 1))
    grid = np.array(sorted(cutoffs), dtype=np.int32)
    prospect, label = labels(closed, grid, horizon, since)
    assert count_rows(closed, grid, horizon, since) == (prospect.sum(), label.sum())
    prospect, label = labels(closed, grid, horizon)
    assert count_rows(closed, grid, horizon) == (prospect.sum(), label.sum())


def test_no_row_is_drawn_of_a_company_before_it_existed_for_a_day() -> None:
    since = np.random.default_rng(5).integers(GRID[0] - 20, GRID[-1], WORLD.closed.size).astype(np.int32)
    since[:50] = np.repeat(GRID[:10], 5)  # on a cutoff
    world = replace(WORLD, since=since)
    everyone = np.ones(since.size, dtype=bool)
    inputs = FeatureInputs.from_snapshot(world, DATED)
    sample = draw(inputs, world.closed, GRID, w.HORIZON, replace(HOW, one_in=1), everyone)
    prospect, label = labels(world.closed, GRID, w.HORIZON, since)
    assert pairs(sample) == {
        (int(c), int(GRID[t]), bool(label[c, t])) for c, t in zip(*np.nonzero(prospect), strict=True)
    }
    assert sample.others == (prospect & ~label).sum()


def test_companies_that_began_on_other_days_do_not_look_alike() -> None:
    world, cutoffs = never_used(alike=20, weeks=60)
    began = np.append(NEVER_BEGAN, np.repeat([w.MONDAY - 50, w.MONDAY - 40], 10)).astype(np.int32)
    inputs = FeatureInputs.from_snapshot(replace(world, since=began), DATED)
    sample = draw(inputs, world.closed, cutoffs, w.HORIZON, HOW, np.ones(21, dtype=bool))
    drawn = [sorted(sample.cutoff[sample.company == one].tolist()) for one in range(1, 21)]
    assert all(one == drawn[0] for one in drawn[:10])
    assert all(one == drawn[10] for one in drawn[10:])
    assert drawn[0] != drawn[10]


def test_companies_of_every_block_are_drawn_under_their_own_positions() -> None:
    n = BLOCK_COMPANIES + 3
    world, cutoffs = never_used(alike=n - 1, weeks=12)
    closed = np.full(n, cutoffs[0] - 1, dtype=np.int32)
    prospects = [1, BLOCK_COMPANIES - 1, BLOCK_COMPANIES, n - 1]
    closed[prospects] = [NEVER_CLOSED, cutoffs[0], NEVER_CLOSED, cutoffs[0] + 1]
    sample = sample_of(w.with_closed(world, closed), replace(HOW, one_in=1), cutoffs[:1])
    assert sample.company.tolist() == prospects
    assert sample.label.tolist() == [False, True, False, True]


def test_draws_and_the_order_by_content_are_the_same_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, order = sample_of(WORLD), by_content(inputs_of(WORLD), WORLD.closed, int(GRID[-1]))
    monkeypatch.setattr("ml_sys.features.sampling.BLOCK_COMPANIES", 7)
    assert pairs(sample_of(WORLD)) == pairs(expected)
    np.testing.assert_array_equal(by_content(inputs_of(WORLD), WORLD.closed, int(GRID[-1])), order)


def test_of_companies_that_look_alike_the_one_that_converts_first_comes_first() -> None:
    world, cutoffs = never_used(alike=6, weeks=12)
    closed = np.array([NEVER_CLOSED, 40_000, 30_000, NEVER_CLOSED, 35_000, 31_000, 50_000], dtype=np.int32)
    order = by_content(inputs_of(world), closed, int(cutoffs[-1]))
    assert [one for one in order.tolist() if one] == [2, 5, 4, 1, 6, 3]


@pytest.mark.parametrize(
    ("since", "closed", "counted"), [(100, 120, (0, 0)), (99, 120, (1, 1)), (100, 131, (0, 0))]
)
def test_who_begins_on_a_cutoff_is_counted_from_the_next_one_on(
    since: int, closed: int, counted: tuple[int, int]
) -> None:
    days = np.array([closed], dtype=np.int32), np.array([100], dtype=np.int32)
    assert count_rows(*days, 30, np.array([since], dtype=np.int32)) == counted


def test_companies_that_differ_in_their_first_attribute_alone_do_not_look_alike() -> None:
    usage = tuple(np.zeros(shape, np.int32) for shape in (0, 0, (0, 1)))
    attributes = tuple(Attribute(one, "number", one, one) for one in ("seats", "floors"))
    form = replace(forms.BARE, attributes=attributes, has_since=True)
    spec, since = replace(forms.BARE_SPEC, form=form), np.full(2, 17_000, np.int32)
    closed = np.full(2, NEVER_CLOSED, np.int32)
    orders = set()
    for seats in range(8):
        rows = Attributes.of(attributes, [(seats, 1), (seats + 100, 1)])
        orders.add(tuple(by_content(FeatureInputs.of(usage, rows, spec, since), closed, 18_000).tolist()))
    assert orders == {(0, 1), (1, 0)}
