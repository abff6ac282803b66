"""What a monitoring looks at: who is free on a day, what they have used lately, and what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.ingest_counts import ingest_counts
from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.days import WEEKLY
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.jobs.outcomes.observed import (
    Prospects,
    Scored,
    _about,
    _since_of,
    _unseen,
    counts_of,
    features_of,
    population,
    prospects_in,
    prospects_of,
    sampled,
)
from ml_sys.outcomes.populations import BLANK
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.settings.description import SchemaSettings
from tests.model import world as w

WORLD = w.small_world()
SCORER = RuleScorer.of("actions", WORLD.form, WEEKLY)
IDS = WORLD.companies["id"].to_numpy(dtype=object)
COMPLETE = WEEKLY.complete_on(WORLD.usage_stamp)


def scored_of(companies: np.ndarray, cutoffs: list[int], **columns: np.ndarray) -> Scored:
    """The same companies at some cutoffs, one after the other."""
    ids = np.tile(IDS[companies], len(cutoffs))
    return Scored(
        ids, np.repeat(cutoffs, companies.size).astype(np.int32), columns, np.arange(ids.size) / 100
    )


def test_prospects_have_existed_for_a_day_and_have_not_converted_before_it() -> None:
    closed, since = WORLD.closed.copy(), WORLD.since.copy()
    closed[:4] = w.CUTOFF + np.array([-1, 0, 1, 500])
    since[4:7] = w.CUTOFF + np.array([-1, 0, 1])
    closed[4:7] = w.CUTOFF + 500
    found = prospects_of(replace(WORLD, closed=closed, since=since), w.CUTOFF).frame["id"]
    assert set(IDS[:7]) & set(found) == set(IDS[[1, 2, 3, 4]])


def test_of_a_file_all_are_prospects_but_those_that_had_paid_before_the_day(tmp_path) -> None:
    closed = WORLD.closed.copy()
    closed[:3] = w.CUTOFF + np.array([-1, 0, 1])
    path = tmp_path / "free.csv"
    rows = [f"{name},5,1-10,retail" for name in [*IDS[:3], "stranger", "stranger", "strange\tid"]]
    path.write_text("\n".join(["id,ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY", *rows, ",5,1-10,retail", ""]))
    found = prospects_in(path, SchemaSettings(), SCORER.spec, replace(WORLD, closed=closed), w.CUTOFF)
    assert found.frame["id"].tolist() == [*IDS[1:3], "stranger", "strange\tid"]
    assert (found.read, found.rejected, found.merged) == (7, 1, 1)


def test_an_export_counts_rows_of_the_file_of_prospects_in_place_of_those_that_were_ingested(
    snapshot,
) -> None:
    counts = ingest_counts(snapshot.path)
    for prospects in (None, prospects_of(snapshot, snapshot.as_of)):
        found = counts_of(snapshot, prospects)
        assert (found.read, found.rejected, found.merged) == (counts.read, counts.rejected, counts.merged)
    found = counts_of(snapshot, Prospects(snapshot.companies, 9, 2, 1))
    assert found.read == {**counts.read, "noncustomers": 9}
    assert found.rejected == {**counts.rejected, "noncustomers": 2}
    assert found.merged == {**counts.merged, "noncustomers": 1}


def test_whom_a_snapshot_does_not_know_has_existed_at_any_time() -> None:
    world = replace(WORLD, since=np.arange(w.COMPANIES, dtype=np.int32))
    names = pd.Series([IDS[7], "stranger", IDS[-1]])
    assert _since_of(names, world).tolist() == [7, NEVER_BEGAN, w.COMPANIES - 1]


def test_a_number_of_which_no_value_means_none_is_blank_where_it_is_not_given() -> None:
    (rank,) = (one for one in SCORER.spec.form.attributes if one.none is not None)
    others = tuple(one for one in SCORER.spec.form.attributes if one is not rank)
    form = replace(SCORER.spec.form, attributes=(*others, replace(rank, none=None)))
    scorer = RuleScorer(SCORER.name, replace(SCORER.spec, form=form), SCORER.sign)
    columns = {"log_rank": np.array([1, np.nan]), rank.none_feature: np.array([0.0, 0.0])}
    found = population(scored_of(np.arange(2), [w.CUTOFF], **columns), scorer, WORLD, 4, 1.0)
    assert found.blank[rank.feature].tolist() == [False, True]
    assert set(found.numbers) == {"log_rank"}


def test_features_of_prospects_are_those_of_their_companies_since_they_exist() -> None:
    since = np.where(np.arange(w.COMPANIES) % 2 == 0, w.CUTOFF - 50, WORLD.since).astype(np.int32)
    world = replace(WORLD, since=since)
    prospects = prospects_of(world, w.CUTOFF)
    found = features_of(prospects, world, w.CUTOFF, SCORER.spec)
    every = feature_columns(
        FeatureInputs.from_snapshot(world, SCORER.spec), np.array([w.CUTOFF], dtype=np.int32), SCORER.spec
    )
    at = np.flatnonzero((world.closed >= w.CUTOFF) & (world.since < w.CUTOFF))
    for name, values in found.items():
        np.testing.assert_array_equal(values, every[name][at])


@pytest.mark.parametrize("weeks", [1, 4])
def test_usage_is_that_of_the_weeks_before_each_cutoff_of_the_companies_at_it(weeks: int) -> None:
    some, cutoffs = np.arange(40), [w.CUTOFF - 7, w.CUTOFF]
    found = population(scored_of(some, cutoffs), SCORER, WORLD, weeks, 1.0)
    rows = [
        np.flatnonzero(
            (cutoff - 7 * weeks < COMPLETE) & (cutoff >= COMPLETE) & np.isin(WORLD.usage_company, some)
        )
        for cutoff in cutoffs
    ]
    assert (COMPLETE[rows[1]] == w.CUTOFF).any()
    chosen = np.concatenate(rows)
    assert found.usage_company.tolist() == IDS[WORLD.usage_company[chosen]].tolist()
    for at, name in enumerate(WORLD.form.measure_names):
        np.testing.assert_array_equal(found.measures[name], WORLD.usage_values[chosen, at])


def test_companies_are_looked_at_on_their_last_day_and_scores_on_all() -> None:
    some = np.arange(6)
    industry = np.array([*"abcdef", "x", "x", None, "y", "", "z"], dtype=object)
    rank = np.array([1.0] * 6 + [2, 3, np.nan, 4, 5, 6], dtype=np.float32)
    unranked = np.array([0.0] * 6 + [0, 1, np.nan, 0, np.nan, 0], dtype=np.float32)
    employees = np.array([1.0] * 12, dtype=np.float32)
    scored = scored_of(
        some,
        [w.CUTOFF - 7, w.CUTOFF],
        industry=industry,
        log_rank=rank,
        unranked=unranked,
        employees=employees,
    )
    found = population(scored, SCORER, WORLD, 4, 1.0)
    assert found.company.tolist() == IDS[:6].tolist()
    assert found.levels["industry"].tolist() == ["x", "x", BLANK, "y", BLANK, "z"]
    assert found.blank["industry"].tolist() == [False, False, True, False, True, False]
    # Whether a rank was given is known by the flag that says that there is none.
    (rank_of,) = (name for name in found.blank if name != "industry")
    assert found.blank[rank_of].tolist() == [False, False, True, False, True, False]
    np.testing.assert_array_equal(found.numbers["log_rank"], rank[6:])
    assert "employees" not in found.numbers
    assert found.score_company.size == found.probability.size == 12
    assert found.score_cutoff.tolist() == [w.CUTOFF - 7] * 6 + [w.CUTOFF] * 6
    np.testing.assert_array_equal(found.probability, scored.probability)


def test_of_many_companies_a_sample_is_looked_at_in_every_part() -> None:
    some = np.arange(200)
    found = population(scored_of(some, [w.CUTOFF]), SCORER, WORLD, 4, 0.3)
    kept = IDS[:200][sampled(IDS[:200], 0.3)]
    assert 45 < kept.size < 75
    assert found.company.tolist() == found.score_company.tolist() == kept.tolist()
    assert set(found.usage_company) <= set(kept)


def test_a_level_is_unknown_where_the_version_has_not_learnt_it_and_a_blank_never_is() -> None:
    class Knows(RuleScorer):
        def is_known(self, category: str, level: str) -> bool:
            return (category, level) == ("industry", "x")

    knows = Knows(SCORER.name, SCORER.spec, SCORER.sign)
    column = np.array(["x", "y", BLANK], dtype=object)
    assert _unseen(knows, "industry", column).tolist() == [False, True, False]


def test_companies_are_alike_by_all_that_hardly_changes() -> None:
    about = _about(WORLD.companies, WORLD.form)
    frame = WORLD.companies
    alike = (
        frame["employee_range"].fillna("").to_numpy()[:, None]
        == frame["employee_range"].fillna("").to_numpy()
    ) & (frame["industry"].fillna("").to_numpy()[:, None] == frame["industry"].fillna("").to_numpy())
    np.testing.assert_array_equal(about[:, None] == about, alike)
