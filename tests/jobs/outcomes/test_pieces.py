"""What is looked at part by part is what the whole holds, each company once."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ml_sys.data import snapshot
from ml_sys.data.snapshot import Everyone, Snapshot
from ml_sys.days import WEEKLY
from ml_sys.jobs.outcomes.observed import (
    earlier_checks_of,
    features_of,
    number_of,
    population,
    prospects_of,
    usage_checks_of,
)
from ml_sys.jobs.outcomes.pieces import n_pieces, pairs, pieces
from ml_sys.jobs.outcomes.shadow import made_again
from ml_sys.jobs.outcomes.today import Today, probabilities_of, today_of
from ml_sys.outcomes.monitoring import Limits
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.settings import Settings
from tests.scoring.from_snapshot.test_by_part import CUTOFF, stored_in

LIMITS = Limits(**Settings().monitor.model_dump(exclude={"challengers", "lists"}))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Everyone]:
    return stored_in(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="module")
def whole(stored: dict[int, Everyone]) -> Snapshot:
    return snapshot.load(stored[3].path)


@pytest.fixture(scope="module")
def rule(whole: Snapshot) -> RuleScorer:
    return RuleScorer.of("actions", whole.form, WEEKLY)


def today(data: Snapshot | Everyone, rule: RuleScorer, share: float) -> Today:
    every = snapshot.load(data.path)
    reference = features_of(prospects_of(every, CUTOFF), every, CUTOFF - 7, rule.spec)
    return today_of(prospects_of(data, CUTOFF), data, CUTOFF, rule, share, reference)


def same(one: Today, other: Today) -> None:
    np.testing.assert_array_equal(one.probability, other.probability)
    assert one.moves == other.moves
    assert one.some.ids.tolist() == other.some.ids.tolist()
    np.testing.assert_array_equal(one.some.probability, other.some.probability)
    for name, values in one.some.columns.items():
        np.testing.assert_array_equal(values, other.some.columns[name])


def test_each_company_is_in_one_piece_at_its_place(stored: dict[int, Everyone], whole: Snapshot) -> None:
    for data, n in ((whole, 1), *((one, n) for n, one in stored.items())):
        assert n_pieces(data) == n
        found = {
            int(at): name
            for piece, place in pieces(data)
            for at, name in zip(place, piece.companies["id"], strict=True)
        }
        assert found == dict(enumerate(whole.companies["id"]))


@pytest.mark.parametrize(("before", "now"), list(product((1, 3, 16), repeat=2)))
def test_earlier_parts_meet_the_parts_that_hold_their_companies_now(
    stored: dict[int, Everyone], before: int, now: int
) -> None:
    met: list[str] = []
    for theirs, ours, asked in pairs(stored[before], stored[now]):
        names = theirs.companies["id"][asked].tolist()
        assert set(names) <= set(ours.companies["id"])
        met += names
    assert sorted(met) == stored[1].ids.to_pylist()


@pytest.mark.parametrize("n_parts", [1, 3, 16])
def test_what_a_monitoring_looks_at_is_the_same_in_however_many_parts(
    stored: dict[int, Everyone], whole: Snapshot, rule: RuleScorer, n_parts: int
) -> None:
    data = stored[n_parts]
    assert number_of(prospects_of(data, CUTOFF), data, CUTOFF) == len(prospects_of(whole, CUTOFF).frame)
    expected = usage_checks_of(whole, rule.spec, CUTOFF + 3, LIMITS)
    assert usage_checks_of(data, rule.spec, CUTOFF + 3, LIMITS) == expected
    assert len(expected) == 4
    none = prospects_of(data, CUTOFF)
    for then in (whole, stored[3]):
        found = earlier_checks_of(data, then, none, rule.spec, LIMITS)
        assert found == earlier_checks_of(whole, whole, none, rule.spec, LIMITS)
        assert [one.now for one in found if one.name == "past usage rows found again"] == [1.0]
    cutoffs = np.array([CUTOFF - 14, CUTOFF - 7], dtype=np.int32)
    ours, theirs = (made_again(one, rule, cutoffs, 14).outcomes for one in (data, whole))
    for name in ("score", "label", "cutoff", "company"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize(("n_parts", "share"), [(1, 1.0), (3, 0.5), (16, 1.0), (16, 0.01)])
def test_what_a_version_makes_of_today_is_the_same_in_however_many_parts(
    stored: dict[int, Everyone], whole: Snapshot, rule: RuleScorer, n_parts: int, share: float
) -> None:
    ours, theirs = today(stored[n_parts], rule, share), today(whole, rule, share)
    same(ours, theirs)
    one, other = (population(theirs.some, rule, data, 4, 1.0) for data in (stored[n_parts], whole))
    assert one.usage_company.tolist() == other.usage_company.tolist()
    for name, values in one.measures.items():
        np.testing.assert_array_equal(values, other.measures[name])
    probability = probabilities_of(prospects_of(stored[n_parts], CUTOFF), stored[n_parts], CUTOFF, rule)
    np.testing.assert_array_equal(probability, theirs.probability)
