from dataclasses import replace

import numpy as np
import pytest

from ml_sys.outcomes.monitoring import rung
from ml_sys.outcomes.populations import BLANK, Comparison, Population, moved, text
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
    assert [text(value) for value in ("x", "", None, float("nan"))] == ["x", BLANK, BLANK, BLANK]
