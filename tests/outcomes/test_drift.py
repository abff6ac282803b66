import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from ml_sys.outcomes.drift import (
    JensenShannon,
    KolmogorovSmirnov,
    Sides,
    Stability,
    benjamini_hochberg,
    p_value,
    stability_index,
)

RNG = np.random.default_rng(5)


def sides(n_before, n_now):
    return Sides.of(np.arange(n_before), np.arange(n_now) + n_before)


def test_the_distance_of_numbers_is_scipys_ties_included():
    before, now = RNG.integers(0, 9, 70), RNG.integers(2, 11, 50)
    found = KolmogorovSmirnov(np.append(before, now))(sides(70, 50).is_now[None])
    assert found[0] == pytest.approx(stats.ks_2samp(before, now).statistic)


def test_the_distance_of_flags_is_the_difference_of_their_shares():
    flags = np.array([True, False, False, False, True, True, True, False])
    assert KolmogorovSmirnov(flags)(sides(4, 4).is_now[None])[0] == 3 / 4 - 1 / 4


def test_the_distance_of_levels_is_scipys_with_levels_that_come_and_go():
    before, now = np.repeat([0, 1, 2], [5, 3, 2]), np.repeat([0, 1, 3], [4, 1, 3])
    found = JensenShannon(np.append(before, now))(sides(10, 8).is_now[None])
    assert found[0] == pytest.approx(jensenshannon([5, 3, 2, 0], [4, 1, 0, 3], base=2), abs=1e-6)


def test_levels_that_share_nothing_are_one_apart():
    assert JensenShannon(np.array([0, 0, 1, 1]))(sides(2, 2).is_now[None])[0] == pytest.approx(1.0)


@pytest.mark.parametrize("distance", [KolmogorovSmirnov, JensenShannon])
def test_nothing_on_one_side_is_no_distance(distance):
    assert distance(np.array([0, 1]))(np.array([[True, True]]))[0] == 0
    assert distance(np.array([], dtype=int))(np.zeros((1, 0), dtype=bool))[0] == 0


def test_the_stability_index_is_that_worked_out_by_hand():
    before, now = np.array(["a"] * 6 + ["b"] * 4, dtype=object), np.array(["a"] * 3 + ["b"] * 7, dtype=object)
    by_hand = (0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4)
    assert stability_index(before, now) == pytest.approx(by_hand)
    assert stability_index(before, before) == 0
    assert stability_index(before, now[:0]) == 0


def test_the_stability_index_of_numbers_goes_by_tenths_of_the_reference():
    before = np.arange(100.0)
    shifted = stability_index(before, before + 10)  # the first tenth empties, the last one doubles
    empty = 0.5 / 100.5
    p, q = np.full(10, 0.1), np.array([empty, *[10 / 100.5] * 8, 20 / 100.5])
    assert shifted == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=1e-9)


def test_adjusted_p_values_are_scipys():
    p = RNG.random(30) ** 3
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    assert benjamini_hochberg([]) == []


def test_companies_on_both_sides_swap_and_the_others_keep_their_numbers():
    both = Sides.of(np.array([1, 1, 2, 3, 4]), np.array([1, 2, 2, 5]))
    drawn = both.permuted(np.random.default_rng(0), 400)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 0] != drawn[:, 5]).all()
    one_sided = drawn[:, [3, 4, 8]]
    assert (one_sided.sum(axis=1) == 1).all()
    assert one_sided.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.08)
    assert drawn[:, 0].mean() == pytest.approx(1 / 2, abs=0.08)


def test_rows_that_repeat_by_company_are_no_more_evidence_than_companies():
    rng = np.random.default_rng(3)
    level = rng.normal(size=60)
    rows = np.repeat(level, 50)
    company = np.repeat(np.arange(60), 50)
    apart = Sides(company, company >= 30)
    _, p = p_value(apart, KolmogorovSmirnov(rows), permutations=500, rng=rng)
    assert stats.ks_2samp(rows[company < 30], rows[company >= 30]).pvalue < 1e-6
    assert p > 0.02


def test_p_values_of_chance_are_uniform():
    rng = np.random.default_rng(8)
    p = []
    for _ in range(200):
        values = rng.normal(size=80)
        company = np.append(np.arange(40), np.arange(40) + 20)
        p.append(p_value(Sides(company, np.arange(80) >= 40), KolmogorovSmirnov(values),
                         permutations=99, rng=rng)[1])  # fmt: skip
    assert np.mean(np.array(p) <= 0.05) < 0.1
    assert 0.45 < np.mean(p) < 0.65  # ties make them a little large


def test_a_shift_within_companies_has_the_least_p_value_there_is():
    rng = np.random.default_rng(8)
    values = rng.normal(size=60)
    paired = Sides.of(np.arange(60), np.arange(60))
    found, p = p_value(paired, KolmogorovSmirnov(np.append(values, values + 2)), permutations=300, rng=rng)
    assert p == 1 / 301
    assert found > 0.5


def test_some_rows_keep_their_companies_and_sides():
    whole = Sides.of(np.array([7, 8, 9]), np.array([9, 7]))
    part = whole.take(np.array([True, False, True, True, False]))
    assert part.company.tolist() == [0, 1, 1]
    assert part.is_now.tolist() == [False, False, True]


def test_the_first_twenty_of_a_block_that_come_as_far_are_enough():
    rng, level = np.random.default_rng(1), np.zeros(30)
    found = p_value(sides(15, 15), KolmogorovSmirnov(level), permutations=5000, rng=rng)
    assert found == (0, 1)
    asked: list[int] = []

    def distance(is_now):
        asked.append(len(is_now))
        return np.where(np.arange(len(is_now)) < 7, 1.0, 0.0) if len(asked) > 1 else np.ones(len(is_now))

    assert p_value(sides(15, 15), distance, permutations=5000, rng=rng) == (1, (1 + 21) / (1 + 300))
    assert asked == [1, 100, 100, 100]
    asked.clear()
    assert p_value(sides(15, 15), distance, permutations=130, rng=rng) == (1, (1 + 14) / (1 + 130))
    assert asked == [1, 100, 30]


def test_companies_are_numbered_from_nothing_and_the_reference_comes_first():
    both = Sides.of(np.array(["b", "a"]), np.array(["a", "c", "c"]))
    assert both.company.tolist() == [1, 0, 0, 2, 2]
    assert both.is_now.tolist() == [False, False, True, True, True]


def test_the_stability_index_counts_an_empty_bin_as_half_a_row_and_a_border_to_the_bin_below():
    before, now = np.arange(10.0), np.array([9.0])
    # Borders at the tenths: nine is of the last bin alone.
    q = np.array([*[0.5] * 9, 1.0]) / 5.5
    assert stability_index(before, now) == pytest.approx(((q - 0.1) * np.log(q / 0.1)).sum())
    # Of three ones and a two the tenths are 1, 1.1, 1.4 and 1.7: a one is of the first bin of five.
    two, on = np.array([1.0, 1.0, 1.0, 2.0]), np.array([1.0])
    p, q = np.array([3, 0.5, 0.5, 0.5, 1]) / 5.5, np.array([1, 0.5, 0.5, 0.5, 0.5]) / 3
    assert stability_index(two, on) == pytest.approx(((q - p) * np.log(q / p)).sum())


def test_without_rows_on_either_side_nothing_has_moved():
    some, none = np.arange(5.0), np.empty(0)
    assert stability_index(none, some) == stability_index(some, none) == 0


def test_numbers_that_leave_the_only_one_of_the_reference_have_moved():
    before, now = np.zeros(100), np.repeat([0.0, 1.0], 50)
    p, q = np.array([100, 0.5]) / 100.5, np.array([0.5, 0.5])
    assert stability_index(before, now) == pytest.approx(((q - p) * np.log(q / p)).sum())


NUMBERS = st.lists(st.sampled_from([-2.0, 0.0, 0.0, 1.0, 1.5, 7.0, 1e9]), max_size=14)
WORDS = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=10)


@settings(max_examples=15)
@given(st.one_of(st.tuples(NUMBERS, NUMBERS), st.tuples(WORDS, WORDS)))
def test_the_stability_index_is_the_one_of_counting_bin_by_bin(rows):
    reference, now = rows
    words = any(isinstance(one, str) for one in (*reference, *now))
    if not reference or not now:
        expected = 0.0
    else:
        edges = set() if words else {float(np.quantile(reference, tenth / 10)) for tenth in range(1, 10)}
        bins = sorted({*reference, *now}) if words else range(len(edges) + 1)

        def place(value):
            return value if words else sum(edge < value for edge in edges)

        placed = [[place(one) for one in side] for side in rows]
        counts = [[max(side.count(at), 0.5) for at in bins] for side in placed]
        if not words:  # bins beyond the last that any row is in do not count
            last = max(*placed[0], *placed[1])
            counts = [side[: last + 1] for side in counts]
        shares = [[one / sum(side) for one in side] for side in counts]
        expected = sum((q - p) * math.log(q / p) for p, q in zip(*shares, strict=True))
    arrays = [np.array(side, dtype=object if words else float) for side in rows]
    assert stability_index(*arrays) == pytest.approx(expected, abs=1e-9)


@given(NUMBERS, NUMBERS)
def test_the_distance_of_numbers_is_the_largest_gap_between_shares_up_to_any_of_them(before, now):
    both = [*before, *now]
    gaps = [
        abs(sum(one <= edge for one in now) / len(now) - sum(one <= edge for one in before) / len(before))
        for edge in both
    ] if before and now else []  # fmt: skip
    found = KolmogorovSmirnov(np.array(both, float))(np.array([[False] * len(before) + [True] * len(now)]))
    assert found.tolist() == [pytest.approx(max(gaps, default=0.0))]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12), st.integers(0, 9))
def test_companies_change_sides_as_wholes_and_as_many_of_one_side_stay_on_it(rows, seed):
    company = np.array([one for one, _ in rows], dtype=np.intp)
    is_now = np.array([one for _, one in rows], dtype=bool)
    on = {one: {side for other, side in rows if other == one} for one, _ in rows}
    alone = [one for one, two in on.items() if len(two) == 1]
    drawn = Sides(company, is_now).permuted(np.random.default_rng(seed), 7)
    assert drawn.shape == (7, len(rows))
    for sides_of in drawn.tolist():
        changed = {
            one: {side != was for (other, was), side in zip(rows, sides_of, strict=True) if other == one}
            for one in on
        }
        assert all(len(one) == 1 for one in changed.values())
        became = [(True in on[one]) != (True in changed[one]) for one in alone]
        assert sum(became) == sum(True in on[one] for one in alone)


@pytest.mark.parametrize("kind", [np.float32, object])
def test_the_stability_index_of_parts_is_that_of_the_whole(kind):
    rng = np.random.default_rng(5)
    before, now = (rng.integers(low, 9, 60).astype(kind) for low in (0, 2))
    stability = Stability(before)
    for part in (now[:0], now[:7], now[7:8], now[8:]):
        stability.add(stability.counted(part))
    assert stability.index() == stability_index(before, now) > 0
    assert Stability(before).index() == Stability(before[:0]).index() == 0
