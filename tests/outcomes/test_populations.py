from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from ml_sys.outcomes.drift import JensenShannon, KolmogorovSmirnov, Sides, p_value, stability_index
from ml_sys.outcomes.monitoring import rung
from ml_sys.outcomes.populations import BLANK, Comparison, Population, _share_of_top, level_text, moved
from tests.outcomes.watched import LIMITS, beyond, by_name

N = 300


def population(seed=1):
    rng = np.random.default_rng(seed)
    ids = np.array([f"c{at}" for at in range(N)], dtype=object)
    levels = {
        "industry": rng.choice(np.array(["software", "retail", BLANK], dtype=object), N, p=[0.4, 0.2, 0.4])
    }
    rank = np.where(rng.random(N) < 0.1, np.nan, rng.normal(5, 1, N)).astype(np.float32)
    return Population(
        np.repeat(ids, 3),
        {"emails": rng.poisson(3, 3 * N) * (rng.random(3 * N) < 0.5)},
        ids,
        {"log_rank": rank},
        levels,
        {"industry": levels["industry"] == BLANK, "rank": np.isnan(rank)},
        {"industry": np.zeros(N, dtype=bool)},
        ids,
        np.zeros(N, dtype=np.int32),
        rng.beta(0.2, 20, N),
    )


def rings(now, before):
    comparison = Comparison(now, before, LIMITS, 7)
    found = rung([*comparison.input_checks(), *comparison.score_checks()], LIMITS.alpha)
    return {one.name for one in found if one.alarm}


def test_another_draw_of_the_same_rings_nothing():
    assert rings(population(2), population(1)) == set()


def test_the_same_seed_gives_the_same_p_values():
    one, other = (Comparison(population(2), population(1), LIMITS, 3).input_checks() for _ in range(2))
    assert one == other


def test_a_doubled_measure_rings_by_its_values_alone():
    emails = population(2).measures["emails"]
    assert rings(replace(population(2), measures={"emails": 2 * emails}), population()) == {
        "emails, of those"
    }


def test_a_measure_that_is_all_zero_rings_by_its_use():
    now = replace(population(2), measures={"emails": np.zeros(3 * N, dtype=int)})
    assert rings(now, population()) == {"emails, rows with any"}


def test_a_level_under_a_new_name_rings_as_such_and_as_unknown():
    now = population(2)
    renamed = now.levels["industry"] == "software"
    now = replace(
        now,
        levels={"industry": np.where(renamed, "it", now.levels["industry"])},
        unseen={"industry": renamed},
    )
    assert rings(now, population()) == {"industry", "industry, unknown to the version"}


def test_blanks_ring():
    now = population(2)
    more = now.blank["rank"] | (np.arange(N) % 4 == 0)
    now = replace(
        now,
        numbers={"log_rank": np.where(more, np.nan, now.numbers["log_rank"])},
        blank={**now.blank, "rank": more},
    )
    assert rings(now, population()) == {"rank, blank"}


def test_a_constant_score_is_flat_and_far_from_the_distribution_of_before():
    flat = replace(population(2), probability=np.full(N, 0.01))
    found = by_name(Comparison(flat, population(), LIMITS, 7).score_checks())
    assert found["expected conversions in the best tenth"].now == pytest.approx(0.1)
    assert found["expected conversions in the best tenth"].effect == pytest.approx(1.0)
    assert beyond(found.values()) == {"probabilities", "expected conversions in the best tenth"}


def test_lists_of_several_cutoffs_are_each_as_steep_as_they_are():
    one = population()
    twice = replace(
        one,
        score_company=np.tile(one.score_company, 2),
        score_cutoff=np.repeat(np.array([0, 28], dtype=np.int32), N),
        probability=np.append(one.probability, one.probability / 10),
    )
    found = by_name(Comparison(one, twice, LIMITS, 7).score_checks())[
        "expected conversions in the best tenth"
    ]
    assert found.now == pytest.approx(found.reference)


def test_nobody_and_nothing_ring_without_an_error():
    nobody = replace(
        population(),
        usage_company=np.empty(0, dtype=object),
        measures={"emails": np.empty(0, dtype=int)},
    )
    assert rings(nobody, population()) == set()


def test_features_that_moved_furthest_come_first_and_blanks_are_a_level():
    before = {"a": np.arange(50.0), "b": np.array(["x", None] * 25, dtype=object)}
    now = {"a": np.append(np.arange(49.0), np.nan), "b": np.array([float("nan"), "y"] * 25, dtype=object)}
    found = moved(now, before)
    assert [one.feature for one in found] == ["b", "a"]
    assert found[1].stability_index < 0.01
    assert moved(before, before)[0].stability_index == 0
    assert [level_text(value) for value in ("x", "", None, float("nan"))] == ["x", BLANK, BLANK, BLANK]


def four(**changed) -> Population:
    """Four companies: what they did, are and score."""
    ids = np.array(list("abcd"), dtype=object)
    base = Population(
        np.array(list("aabc"), dtype=object),
        {"emails": np.array([0, 2, 4, 0])},
        ids,
        {"rank": np.array([1.0, 2.0, np.nan, 6.0], dtype=np.float32)},
        {"industry": np.array(["x", "x", "y", BLANK], dtype=object)},
        {"industry": np.array([False, False, False, True])},
        {"industry": np.array([False, False, True, False])},
        ids,
        np.zeros(4, dtype=np.int32),
        np.array([0.4, 0.2, 0.1, 0.1]),
    )
    return replace(base, **changed)


def test_every_check_of_a_population_is_told_by_hand():
    now = four(
        measures={"emails": np.array([3, 5, 7, 0])},
        numbers={"rank": np.array([1.0, 4.0, 8.0, np.nan], dtype=np.float32)},
        levels={"industry": np.array(["x", "y", "y", "y"], dtype=object)},
        blank={"industry": np.zeros(4, dtype=bool)},
        unseen={"industry": np.array([True, True, True, False])},
        probability=np.array([0.25, 0.25, 0.25, 0.25]),
    )
    comparison = Comparison(now, four(), LIMITS, 7)
    found = {one.name: one for one in [*comparison.input_checks(), *comparison.score_checks()]}
    told = {name: (one.group, one.now, one.reference, one.unit, one.limit) for name, one in found.items()}
    most = LIMITS.max_distance
    assert told == {
        "emails, rows with any": ("inputs", 0.75, 0.5, "share", LIMITS.max_use_change),
        "emails, of those": ("inputs", 5, 3, "value", most),
        "rank": ("inputs", 4, 2, "value", most),
        "industry": ("inputs", 0.25, 0.5, "share", most),
        "industry, blank": ("inputs", 0, 0.25, "share", LIMITS.max_blank_rise),
        "industry, unknown to the version": ("inputs", 0.75, 0.25, "share", LIMITS.max_unseen_rise),
        "probabilities": ("scores", 0.25, pytest.approx(0.15), "value", LIMITS.max_score_distance),
        "expected conversions in the best tenth": ("scores", 0.25, 0.5, "share", LIMITS.max_flattening),
    }
    effects = {name: one.effect for name, one in found.items()}
    assert effects == {
        "emails, rows with any": pytest.approx(1 / 3),
        "emails, of those": pytest.approx(2 / 3),
        "rank": pytest.approx(1 / 3),
        "industry": pytest.approx(jensenshannon([1, 3, 0], [2, 1, 1], base=2), abs=1e-6),
        "industry, blank": 0.25,
        "industry, unknown to the version": 0.5,
        "probabilities": 0.75,
        # A tenth has a quarter where it had half; were it flat, it would have a tenth.
        "expected conversions in the best tenth": pytest.approx(1 - 0.15 / 0.4),
    }
    assert found["expected conversions in the best tenth"].p is None
    assert all(0 < one.p <= 1 for name, one in found.items() if "tenth" not in name)


def test_a_measure_that_nobody_used_on_one_side_has_no_values_to_compare():
    unused = four(measures={"emails": np.zeros(4, dtype=int)})
    for now, before in ((unused, four()), (four(), unused)):
        names = [one.name for one in Comparison(now, before, LIMITS, 7).input_checks()]
        assert names[:2] == ["emails, rows with any", "rank"]


def test_the_best_tenth_is_of_each_list_and_one_company_at_least():
    one = four(
        score_cutoff=np.array([0, 0, 7, 7], dtype=np.int32), probability=np.array([0.3, 0.1, 0.2, 0.2])
    )
    (_, top) = Comparison(one, four(), LIMITS, 7).score_checks()
    assert top.now == pytest.approx((0.75 + 0.5) / 2)
    nothing = four(probability=np.zeros(4))
    assert Comparison(nothing, four(), LIMITS, 7).score_checks()[1].now == 0


def test_equal_moves_are_named_in_order():
    same = {"b": np.arange(20.0), "a": np.arange(20.0)}
    assert [one.feature for one in moved(same, same)] == ["a", "b"]
    # What was is the reference, whose tenths count.
    skewed, even = {"a": np.arange(100.0) ** 3}, {"a": np.arange(100.0) * 10_000}
    assert moved(skewed, even)[0].stability_index == stability_index(even["a"], skewed["a"])


def test_effects_are_those_of_sides_of_different_sizes():
    """Two companies more before; a rank of zero or less is a rank; three levels."""
    ids = np.array(list("abcdef"), dtype=object)
    before = four(
        company=ids,
        numbers={"rank": np.array([-1.0, 0.0, 2.0, 3.0, np.nan, 5.0], dtype=np.float32)},
        levels={"industry": np.array(["x", "x", "y", BLANK, BLANK, BLANK], dtype=object)},
        blank={"industry": np.array([False, False, False, True, True, True])},
        unseen={"industry": np.array([False, False, True, False, False, False])},
        score_company=ids,
        score_cutoff=np.zeros(6, dtype=np.int32),
        probability=np.array([0.4, 0.3, 0.3, 0.1, 0.1, 0.1]),
    )
    now = four()
    comparison = Comparison(now, before, LIMITS, 7)
    found = {one.name: one for one in [*comparison.input_checks(), *comparison.score_checks()]}
    ranks = before.numbers["rank"][[0, 1, 2, 3, 5]]
    assert (found["rank"].now, found["rank"].reference) == (2, 2)
    assert found["rank"].effect == pytest.approx(ks_2samp([1.0, 2.0, 6.0], ranks).statistic)
    assert found["industry"].effect == pytest.approx(jensenshannon([2, 1, 1], [2, 1, 3], base=2), abs=1e-6)
    assert found["industry, blank"].effect == pytest.approx(1 / 2 - 1 / 4)
    assert found["industry, unknown to the version"].effect == pytest.approx(1 / 4 - 1 / 6)
    apart = ks_2samp(now.probability, before.probability).statistic
    assert found["probabilities"].effect == pytest.approx(apart)


def test_a_ranking_that_was_flat_cannot_become_flatter():
    ids = np.array([f"c{at}" for at in range(20)], dtype=object)
    level = four(probability=np.full(20, 0.1), score_company=ids, score_cutoff=np.zeros(20, dtype=np.int32))
    assert Comparison(level, level, LIMITS, 7).score_checks()[1].effect == pytest.approx(1)
    assert Comparison(four(), level, LIMITS, 7).score_checks()[1].effect < 0


@pytest.mark.parametrize(("size", "first"), [(4, 1), (14, 1), (16, 2), (26, 3)])
def test_a_tenth_is_rounded_to_the_nearest_company(size, first):
    falling = np.arange(size, 0, -1, dtype=np.float64)
    share = _share_of_top(falling, np.zeros(size, dtype=np.int32))
    assert share == pytest.approx(falling[:first].sum() / falling.sum())


def test_blanks_of_numbers_are_left_out_of_how_far_a_feature_moved():
    before = np.arange(40.0)
    now = np.where(np.arange(60) < 20, np.nan, np.arange(60.0) - 20)
    (found,) = moved({"a": now}, {"a": before})
    assert found.stability_index == 0


def test_each_p_value_is_of_the_rows_that_the_check_is_told_of():
    now, before = (
        four(
            measures={"emails": np.array(emails)},
            numbers={"rank": np.array(rank, dtype=np.float32)},
            levels={"industry": np.array(list(levels), dtype=object)},
            blank={"industry": np.array(blank, dtype=bool)},
            unseen={"industry": np.array(unseen, dtype=bool)},
        )
        for emails, rank, levels, blank, unseen in (
            ([3, 5, 0, 1], [1, 4, np.nan, 9], "xyyz", [0, 0, 1, 1], [1, 1, 1, 0]),
            ([0, 2, 0, 9], [3, np.nan, np.nan, 8], "xxyy", [0, 0, 0, 1], [0, 1, 0, 0]),
        )
    )
    rng = np.random.default_rng([11, 0xD81F7])
    usage = Sides.of(before.usage_company, now.usage_company)
    known = Sides.of(before.company, now.company)
    emails = np.append(before.measures["emails"], now.measures["emails"])
    rank = np.append(before.numbers["rank"], now.numbers["rank"])
    told = [
        (usage, KolmogorovSmirnov(emails > 0)),
        (usage.take(emails > 0), KolmogorovSmirnov(emails[emails > 0])),
        (known.take(~np.isnan(rank)), KolmogorovSmirnov(rank[~np.isnan(rank)])),
        (known, JensenShannon(np.array([0, 0, 1, 1, 0, 1, 1, 2]))),
        (known, KolmogorovSmirnov(np.append(before.blank["industry"], now.blank["industry"]))),
        (known, KolmogorovSmirnov(np.append(before.unseen["industry"], now.unseen["industry"]))),
    ]
    expected = [p_value(*one, permutations=LIMITS.permutations, rng=rng) for one in told]
    found = Comparison(now, before, LIMITS, 11).input_checks()
    assert [one.p for one in found] == [p for _, p in expected]
    assert [one.effect for one in found[1:]] == [effect for effect, _ in expected[1:]]
