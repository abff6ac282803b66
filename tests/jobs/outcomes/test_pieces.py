"""What is looked at part by part is what the whole holds, each company once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product

import numpy as np
import pytest

from ml_sys.data import snapshot
from ml_sys.data.snapshot import Everyone, Snapshot
from ml_sys.days import WEEKLY
from ml_sys.engine.mapping import Engine
from ml_sys.jobs.outcomes.observed import (
    earlier_checks_of,
    features_of,
    number_of,
    population,
    prospects_of,
    usage_checks_of,
)
from ml_sys.jobs.outcomes.pieces import HERE, n_pieces, over_pieces, pairs
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


def today(data: Snapshot | Everyone, rule: RuleScorer, share: float, engine: Engine = HERE) -> Today:
    every = snapshot.load(data.path)
    reference = features_of(prospects_of(every, CUTOFF), every, CUTOFF - 7, rule.spec)
    return today_of(prospects_of(data, CUTOFF), data, CUTOFF, rule, share, reference, engine)


def same(one: Today, other: Today) -> None:
    np.testing.assert_array_equal(one.probability, other.probability)
    assert one.moves == other.moves
    assert one.some.ids.tolist() == other.some.ids.tolist()
    np.testing.assert_array_equal(one.some.probability, other.some.probability)
    for name, values in one.some.columns.items():
        np.testing.assert_array_equal(values, other.some.columns[name])


def placed(piece: Snapshot, place: np.ndarray) -> list[tuple[int, str]]:
    return list(zip(place, piece.companies["id"], strict=True))


def test_each_company_is_in_one_piece_at_its_place(stored: dict[int, Everyone], whole: Snapshot) -> None:
    for data, n in ((whole, 1), *((one, n) for n, one in stored.items())):
        assert n_pieces(data) == n
        found = {int(at): name for at, name in chain.from_iterable(over_pieces(placed, data))}
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


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[dict[str, Engine]]:
    """Two processes of this machine, and a cluster of two."""
    pytest.importorskip("distributed", reason="Dask is an extra, and not installed")
    cluster = Engine("dask", workers=2)
    with cluster.held():
        yield {"processes": Engine(workers=2), "cluster": cluster}


ELSEWHERE = [
    pytest.param(n_parts, where, marks=pytest.mark.slow)  # starts processes
    for n_parts, where in product((3, 16), ("processes", "cluster"))
]


def engine_of(where: str, request: pytest.FixtureRequest) -> Engine:
    return HERE if where == "here" else request.getfixturevalue("elsewhere")[where]


@pytest.mark.parametrize(("n_parts", "where"), [(1, "here"), (3, "here"), (16, "here"), *ELSEWHERE])
def test_what_a_monitoring_looks_at_is_the_same_in_however_many_parts(
    stored: dict[int, Everyone],
    whole: Snapshot,
    rule: RuleScorer,
    n_parts: int,
    where: str,
    request: pytest.FixtureRequest,
) -> None:
    data, engine = stored[n_parts], engine_of(where, request)
    assert number_of(prospects_of(data, CUTOFF), data, CUTOFF) == len(prospects_of(whole, CUTOFF).frame)
    expected = usage_checks_of(whole, rule.spec, CUTOFF + 3, LIMITS)
    assert usage_checks_of(data, rule.spec, CUTOFF + 3, LIMITS, engine) == expected
    assert len(expected) == 4
    none = prospects_of(data, CUTOFF)
    for then in (whole, stored[3], stored[16]):
        found = earlier_checks_of(data, then, none, rule.spec, LIMITS, engine)
        assert found == earlier_checks_of(whole, whole, none, rule.spec, LIMITS)
        assert [one.now for one in found if one.name == "past usage rows found again"] == [1.0]
    cutoffs = np.array([CUTOFF - 14, CUTOFF - 7], dtype=np.int32)
    ours = made_again(data, rule, cutoffs, 14, engine).outcomes
    theirs = made_again(whole, rule, cutoffs, 14).outcomes
    for name in ("score", "label", "cutoff", "company"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize(
    ("n_parts", "share", "where"),
    [
        *((n, share, "here") for n, share in ((1, 1.0), (3, 0.5), (16, 1.0), (16, 0.01))),
        pytest.param(16, 0.5, "processes", marks=pytest.mark.slow),
        pytest.param(16, 0.5, "cluster", marks=pytest.mark.slow),
    ],
)
def test_what_a_version_makes_of_today_is_the_same_in_however_many_parts(
    stored: dict[int, Everyone],
    whole: Snapshot,
    rule: RuleScorer,
    n_parts: int,
    share: float,
    where: str,
    request: pytest.FixtureRequest,
) -> None:
    engine, data = engine_of(where, request), stored[n_parts]
    ours, theirs = today(data, rule, share, engine), today(whole, rule, share)
    same(ours, theirs)
    one = population(theirs.some, rule, data, 4, 1.0, engine)
    other = population(theirs.some, rule, whole, 4, 1.0)
    assert one.usage_company.tolist() == other.usage_company.tolist()
    for name, values in one.measures.items():
        np.testing.assert_array_equal(values, other.measures[name])
    probability = probabilities_of(prospects_of(data, CUTOFF), data, CUTOFF, rule, engine)
    np.testing.assert_array_equal(probability, theirs.probability)
