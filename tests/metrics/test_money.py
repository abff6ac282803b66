"""Money: what the top of a list is expected to bring a month, and what past lists brought."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.metrics.money import GAIN_DEPTHS, Money, Worth, money, worth_of
from ml_sys.metrics.scored_lists import MODEL, ScoredLists

CUTOFF, COMPANIES = 1000, 400
RNG = np.random.default_rng(2)
# The first 50 were customers before, the next 20 convert at the cutoff, the others never.
CLOSED = np.full(COMPANIES, NEVER_CLOSED, dtype=np.int32)
CLOSED[:50], CLOSED[50:70] = CUTOFF - 30, CUTOFF + 5
MRR = np.full(COMPANIES, np.nan)
MRR[:50], MRR[50:70] = RNG.gamma(2, 100, 50), RNG.gamma(2, 100, 20)


def lists(cutoffs: tuple[int, ...] = (CUTOFF,), scores: np.ndarray | None = None) -> ScoredLists:
    there = np.flatnonzero(CLOSED >= CUTOFF)
    company = np.tile(there, len(cutoffs)).astype(np.int32)
    n = company.size
    label = CLOSED[company] != NEVER_CLOSED
    probability = np.where(label, 0.3, 0.01) if scores is None else scores[company]
    return ScoredLists(
        cutoff=np.repeat(cutoffs, there.size).astype(np.int32),
        company=company,
        label=label,
        seen=np.ones(n, bool),
        closed=CLOSED[company],
        value=MRR[company],
        scores={MODEL: probability, "rule": -probability},
        threshold=np.full(n, 0.1),
        tier=np.full(n, "A"),
    )


def found(**changes: object) -> Money:
    asked = {
        "lists": lists(), "closed": CLOSED, "value": MRR, "days_apart": 30, "capacities": (10, 50),
        "resamples": 300, "confidence": 0.95, "seed": 1,
    }  # fmt: skip
    judged = money(**{**asked, **changes})  # type: ignore[arg-type]
    assert judged is not None
    return judged


def test_a_company_is_worth_its_probability_times_what_earlier_customers_pay() -> None:
    ten, fifty = found().past
    mean = MRR[:50].mean()
    assert ten.worth.expected == pytest.approx(10 * 0.3 * mean)
    assert fifty.worth.expected == pytest.approx((20 * 0.3 + 30 * 0.01) * mean)
    assert (ten.worth.calls, fifty.worth.calls) == (10, 50)
    assert ten.worth.low <= ten.worth.expected <= ten.worth.high


def test_what_a_list_brought_is_the_mrr_of_those_called_who_converted() -> None:
    assert found().past[1].realised == pytest.approx(MRR[50:70].sum())


def test_what_customers_pay_who_closed_later_plays_no_part() -> None:
    changed = np.where(CLOSED == CUTOFF + 5, 1e9, MRR)
    one, other = found().past[0].worth, found(value=changed).past[0].worth
    assert one == other


def test_a_company_that_pays_on_the_day_of_a_list_is_a_prospect_and_no_customer_of_before() -> None:
    closed = np.where(CLOSED == CUTOFF + 5, CUTOFF, CLOSED).astype(np.int32)
    changed = np.where(closed == CUTOFF, 1e9, MRR)
    judged = found(closed=closed, value=changed)
    assert judged.customers == 50
    assert [one.worth for one in judged.past] == [one.worth for one in found().past]
    assert judged.gains == found(value=changed).gains
    nobody_before = np.where(closed == CUTOFF, MRR, np.nan)
    asked = {"days_apart": 30, "capacities": (10,), "resamples": 10, "confidence": 0.95, "seed": 1}
    assert money(lists(), closed, nobody_before, **asked) is None  # type: ignore[arg-type]


def test_a_converter_with_a_negative_mrr_takes_nothing_from_what_the_others_brought() -> None:
    rows = lists()
    refunded = rows.company == 50
    judged = found(lists=replace(rows, value=np.where(refunded, -1000.0, rows.value)))
    assert judged.past[1].realised == pytest.approx(MRR[51:70].sum())


def test_a_converter_whose_mrr_is_not_known_brought_what_earlier_customers_pay() -> None:
    rows = lists()
    judged = found(lists=replace(rows, value=np.where(rows.company == 50, np.nan, rows.value)))
    assert judged.past[1].realised == pytest.approx(MRR[51:70].sum() + MRR[:50].mean())


def test_an_mrr_of_zero_or_less_counts_as_zero_and_is_told() -> None:
    changed = MRR.copy()
    changed[:5] = (-100.0, 0.0, -1.0, 0.0, -7.0)
    judged = found(value=changed)
    assert (judged.customers, judged.not_positive) == (50, 5)
    assert judged.past[0].worth.expected == pytest.approx(3 * np.maximum(changed[:50], 0).mean())


def test_lists_whose_windows_overlap_count_once() -> None:
    judged = found(lists=lists((CUTOFF - 14, CUTOFF - 7, CUTOFF)))
    assert judged.past[0].lists == 1
    assert judged.past == found().past


def test_customers_are_counted_up_to_the_latest_of_the_lists() -> None:
    judged = found(lists=lists((CUTOFF, CUTOFF + 35)))
    assert judged.past[0].lists == 2
    assert judged.customers == 70  # the 50 of before, and those who paid between the two


def test_without_a_customer_whose_mrr_is_known_nothing_is_said() -> None:
    asked = {"days_apart": 30, "capacities": (10,), "resamples": 10, "confidence": 0.95, "seed": 1}
    assert money(lists(), CLOSED, np.full(COMPANIES, np.nan), **asked) is None  # type: ignore[arg-type]


def test_gains_are_the_share_of_mrr_reached_at_each_depth() -> None:
    gains = found().gains
    top = int(np.ceil(0.05 * 350))
    assert gains[MODEL][GAIN_DEPTHS.index(0.05)] == pytest.approx(MRR[50 : 50 + top].sum() / MRR[50:70].sum())
    assert gains[MODEL][GAIN_DEPTHS.index(0.1)] == pytest.approx(1)
    assert gains["rule"][GAIN_DEPTHS.index(0.5)] == 0


def test_the_interval_of_a_worth_holds_what_comes_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    probability, population = np.full(60, 0.08), rng.gamma(2, 100, 100_000)
    inside = 0
    for world in range(200):
        past = rng.choice(population, 80)
        came = rng.choice(population, int((rng.random(60) < probability).sum())).sum()
        worth = worth_of(probability, past, resamples=300, confidence=0.9, seed=world)
        inside += worth.low <= came <= worth.high
    assert 0.84 <= inside / 200 <= 0.97


def test_gains_of_several_lists_add_up_what_each_of_them_brought() -> None:
    asked = {"days_apart": 30, "capacities": (10,), "resamples": 10, "confidence": 0.95, "seed": 1}
    two = ScoredLists(
        cutoff=np.array([1000] * 4 + [1035] * 4, dtype=np.int32),
        company=np.arange(8, dtype=np.int32),
        label=np.array([1, 0, 0, 0, 0, 0, 1, 0], dtype=bool),
        seen=np.ones(8, bool),
        closed=np.full(8, 2000, dtype=np.int32),
        value=np.array([30.0, 0, 0, 0, 0, 0, 70.0, 0]),
        scores={MODEL: np.array([4.0, 3, 2, 1, 4, 3, 2, 1])},
        threshold=np.full(8, 0.5),
        tier=np.full(8, "A"),
    )
    closed, value = np.array([990], dtype=np.int32), np.array([50.0])
    judged = money(two, closed, value, **asked)  # type: ignore[arg-type]
    assert judged is not None
    # A fifth of four is one call, half of them are two: the first list's converter comes first of all.
    at = [judged.gains[MODEL][GAIN_DEPTHS.index(depth)] for depth in (0.2, 0.5)]
    assert at == pytest.approx([0.3, 0.3])
    deeper = money(replace(two, scores={MODEL: np.array([4.0, 3, 2, 1, 1, 2, 3, 4])}), closed, value, **asked)  # type: ignore[arg-type]
    assert deeper is not None
    assert deeper.gains[MODEL][GAIN_DEPTHS.index(0.5)] == pytest.approx(1)


def test_few_customers_make_a_worth_uncertain_however_many_are_called() -> None:
    # All of many will pay: what they bring hangs on which of four customers there happened to be.
    worth = worth_of(np.ones(4000), np.array([0.0, 0, 0, 100]), resamples=200, confidence=0.9, seed=1)
    assert worth.expected == pytest.approx(100_000)
    assert worth.low < 40_000
    assert worth.high > 160_000


def test_in_gains_a_converter_whose_mrr_is_not_known_brings_the_mean_in_which_refunds_are_nothing() -> None:
    one = ScoredLists(
        cutoff=np.full(10, 1000, dtype=np.int32),
        company=np.arange(10, dtype=np.int32),
        label=np.isin(np.arange(10), (0, 9)),
        seen=np.ones(10, bool),
        closed=np.full(10, 2000, dtype=np.int32),
        value=np.array([100.0, *[0] * 8, np.nan]),
        scores={MODEL: -np.arange(10.0)},
        threshold=np.full(10, 0.5),
        tier=np.full(10, "A"),
    )
    closed, value = np.array([990, 991], dtype=np.int32), np.array([300.0, -100.0])
    asked = {"days_apart": 30, "capacities": (10,), "resamples": 10, "confidence": 0.95, "seed": 1}
    judged = money(one, closed, value, **asked)  # type: ignore[arg-type]
    assert judged is not None
    assert judged.gains[MODEL][GAIN_DEPTHS.index(0.5)] == pytest.approx(100 / (100 + 150))


def rows_of(cutoff: list[int], label: list[int], value: list[float], score: list[float]) -> ScoredLists:
    n = len(cutoff)
    return ScoredLists(
        cutoff=np.array(cutoff, dtype=np.int32),
        company=np.arange(n, dtype=np.int32),
        label=np.array(label, dtype=bool),
        seen=np.ones(n, bool),
        closed=np.full(n, 2000, dtype=np.int32),
        value=np.array(value),
        scores={MODEL: np.array(score)},
        threshold=np.full(n, 0.5),
        tier=np.full(n, "A"),
    )


def test_several_lists_add_up_calls_expectation_interval_and_what_they_brought() -> None:
    # Whoever is called is sure to pay; customers before the first list pay 100, one between the two 300, and
    # one on the first day itself, who is no customer of before, 100,000.
    two = rows_of([1000] * 3 + [1035] * 3, [1, 1, 0, 1, 0, 0], [50, np.nan, 0, 70, 0, 0], [1, 1, 0.5] * 2)
    closed, value = np.array([990, 991, 1000], dtype=np.int32), np.array([100.0, 100.0, 100_000.0])
    asked = {"days_apart": 30, "capacities": (1, 2), "resamples": 40, "confidence": 0.95, "seed": 1}
    judged = money(two, closed, np.minimum(value, 100), **asked)  # type: ignore[arg-type]
    assert judged is not None
    assert (judged.customers, judged.not_positive) == (3, 0)
    one, both = judged.past
    assert (one.capacity, one.lists, one.worth) == (1, 2, Worth(2, 200, 200, 200))
    assert (both.capacity, both.lists, both.worth) == (2, 2, Worth(4, 400, 400, 400))
    assert (one.realised, both.realised) == (50 + 70, 50 + 100 + 70)
    first = money(two.take(two.cutoff == 1000), closed, value, **asked)  # type: ignore[arg-type]
    assert first is not None
    # Where a draw holds nobody who was a customer before the list, those who were stand in.
    assert [past.worth for past in first.past] == [Worth(1, 100, 100, 100), Worth(2, 200, 200, 200)]


def test_customers_are_drawn_anew_and_as_many_as_there_are() -> None:
    many = rows_of([1000] * 900, [0] * 900, [0.0] * 900, [1.0] * 900)
    closed, value = np.full(2, 990, dtype=np.int32), np.array([0.0, 100.0])
    asked = {"days_apart": 30, "capacities": (900,), "resamples": 300, "confidence": 0.2, "seed": 1}
    judged = money(many, closed, value, **asked)  # type: ignore[arg-type]
    assert judged is not None
    worth = judged.past[0].worth
    # Of two customers drawn with replacement, half of the draws hold both.
    assert worth.expected == 45_000
    assert 35_000 < worth.low < worth.high < 55_000


def test_gains_weigh_each_list_once_and_equals_in_the_order_of_the_rows() -> None:
    closed, value = np.array([990], dtype=np.int32), np.array([50.0])
    asked = {"days_apart": 30, "capacities": (10,), "resamples": 5, "confidence": 0.95, "seed": 1}
    uneven = rows_of([1000] * 2 + [1035] * 10, [1, 0] + [0] * 9 + [1], [40.0] * 12, [2, 1] + [0.5] * 10)
    judged = money(uneven, closed, value, **asked)  # type: ignore[arg-type]
    assert judged is not None
    assert judged.gains[MODEL] == (0.5,) * len(GAIN_DEPTHS)
    level = rows_of([1000] * 400, [1] * 8 + [0] * 392, [10.0] * 400, [0.5] * 400)
    judged = money(level, closed, value, **asked)  # type: ignore[arg-type]
    assert judged is not None
    assert judged.gains[MODEL] == (0.5, 1, 1, 1, 1, 1)


def test_gains_are_told_at_six_depths_and_not_at_all_where_nothing_came() -> None:
    assert GAIN_DEPTHS == (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
    asked = {"days_apart": 30, "capacities": (1,), "resamples": 5, "confidence": 0.95, "seed": 1}
    nothing = rows_of([1000] * 3, [0] * 3, [0.0] * 3, [0.1] * 3)
    judged = money(nothing, np.array([990], dtype=np.int32), np.array([50.0]), **asked)  # type: ignore[arg-type]
    assert judged is not None
    assert np.isnan(judged.gains[MODEL]).tolist() == [True] * 6
    assert judged.past[0].realised == 0


def test_a_refund_is_worth_nothing_and_takes_nothing_from_the_others() -> None:
    found = worth_of(np.ones(4), np.array([-1000.0, 100.0]), resamples=200, confidence=0.95, seed=1)
    assert (found.calls, found.expected) == (4, 200)
    assert 0 <= found.low <= found.high <= 400
    assert worth_of(np.full(4, 0.25), np.ones(3), resamples=5, confidence=0.9, seed=1).calls == 4


def test_lists_exactly_so_many_days_apart_count_each_and_a_list_has_no_more_calls_than_rows() -> None:
    both = lists((CUTOFF, CUTOFF + 30))
    judged = found(lists=both, capacities=(10, 1000))
    assert [one.lists for one in judged.past] == [2, 2]
    assert [one.worth.calls for one in judged.past] == [20, 700]
    assert found(lists=both, days_apart=31).past[0].lists == 1


def test_gains_are_those_of_the_lists_that_count() -> None:
    # The list a week before ranks the other way round, and counts for nothing.
    before, last = lists((CUTOFF - 7,), scores=-MRR_OR_NOTHING), lists()
    both = ScoredLists(
        *(np.concatenate([getattr(one, name) for one in (before, last)]) for name in FIELDS[:6]),
        {name: np.concatenate([before.scores[name], last.scores[name]]) for name in last.scores},
        *(np.concatenate([getattr(one, name) for one in (before, last)]) for name in FIELDS[6:]),
    )
    assert found(lists=both).gains == found().gains


FIELDS = ("cutoff", "company", "label", "seen", "closed", "value", "threshold", "tier")
MRR_OR_NOTHING = np.nan_to_num(MRR)
