"""The list of a snapshot's free companies is the same in however many parts, and wherever they are scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.snapshot import Everyone, parts
from ml_sys.engine.mapping import Engine
from ml_sys.scoring.batch import score_companies
from ml_sys.scoring.from_snapshot.by_part import score_free
from ml_sys.scoring.from_snapshot.free import all_free, usage_of
from ml_sys.scoring.scored_list import ListOptions, ScoredList
from tests.data.tables import Tables, usage_row
from tests.scoring.test_prospects import day
from tests.scoring.test_reasons import NARROW, fitted

CUTOFF = day("2020-02-03")
INDUSTRIES = ("RETAIL", "", "QUARRYING", "WHALING", "ALCHEMY", "COOPERAGE")
HERE = Engine(workers=1)


@pytest.fixture(scope="module")
def scorer():
    return fitted(NARROW, n_estimators=5).scorer


@pytest.fixture(scope="module")
def asked() -> ListOptions:
    """With everything that a list may hold: some taken out, cooling down, waiting; reasons of the first."""
    return ListOptions(
        "1.2.0",
        CUTOFF,
        14,
        reasons=2,
        reasons_top=7,
        listed={"m3": CUTOFF - 7, "m40": CUTOFF - 21, "m41": CUTOFF - 35},
        cooldown_weeks=4,
        waiting=("m5", "m50"),
        excluded=frozenset({"m1", "m39", "m8"}),
        paid_since=frozenset({"m22", "n3"}),
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Everyone]:
    return stored_in(tmp_path_factory.mktemp("by_part"))


def stored_in(folder: Path) -> dict[int, Everyone]:
    """The same seventy companies in one, three and sixteen parts."""
    tables = Tables(folder)
    rng = np.random.default_rng(7)
    tables.noncustomers += [
        f"{rng.integers(1, 900)},6 to 10,{INDUSTRIES[n % len(INDUSTRIES)]},m{n}" for n in range(60)
    ]
    tables.usage += [
        usage_row(f"m{n}", f"2020-01-{6 + 7 * week:02d}", tuple(map(str, rng.integers(0, 9, 8))))
        for n in range(60)
        for week in range(4)
        if rng.random() < 0.6
    ]
    places = ((n, tables.folder / str(n)) for n in (1, 3, 16))
    return {
        n: Everyone.of(parts(tables.ingest(artifacts_dir=place, partitions=n).path)) for n, place in places
    }


def same(one: ScoredList, other: ScoredList) -> None:
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    pd.testing.assert_frame_equal(one.excluded, other.excluded, check_exact=True)
    assert one.input_order.tolist() == other.input_order.tolist()
    assert (one.notes, one.warnings, one.reasons) == (other.notes, other.warnings, other.reasons)
    assert one.group.tolist() == other.group.tolist()


@pytest.fixture(scope="module")
def expected(scorer, asked: ListOptions, stored: dict[int, Everyone]) -> ScoredList:
    """What a file of the same companies is given."""
    known = stored[1]
    free = all_free(known, CUTOFF)
    return score_companies(scorer, free, usage_of(known, free.rows.ids, scorer.spec), asked, customers={})


@pytest.mark.parametrize("each", [HERE.each, None])
@pytest.mark.parametrize("n_parts", [1, 3, 16])
def test_a_list_is_the_same_from_however_many_parts(
    scorer, asked, stored, expected, n_parts: int, each
) -> None:
    found = score_free(scorer, stored[n_parts], asked, CUTOFF, each)
    same(found, expected)
    assert len(found.reasons) == asked.reasons_top
    (told,) = [one for one in found.warnings if one.startswith("industry: ")]
    assert "(5 values: " in told  # all as frequent: the first that occur come first


def test_a_list_without_reasons_and_exclusions_is_the_same_too(scorer, stored) -> None:
    plain = ListOptions("1.2.0", CUTOFF, 14)
    one, several = (score_free(scorer, stored[n], plain, CUTOFF, HERE.each) for n in (1, 16))
    pd.testing.assert_frame_equal(one.table, several.table, check_exact=True)
    assert one.notes == several.notes
    assert several.excluded is None


def test_usage_that_is_complete_too_late_is_told_of_all_parts_together(scorer, stored) -> None:
    early = ListOptions("1.2.0", day("2020-01-05"), 14)
    for known in stored.values():
        (told,) = [
            one
            for one in score_free(scorer, known, early, early.cutoff, HERE.each).warnings
            if "usage is complete" in one
        ]
        assert told == "no usage is complete by 2020-01-05: the ranking uses attributes only"


@pytest.mark.slow
@pytest.mark.parametrize("engine", [Engine(workers=2), Engine(kind="dask", workers=2)])
def test_a_list_is_the_same_wherever_its_parts_are_scored(scorer, asked, stored, expected, engine) -> None:
    same(score_free(scorer, stored[3], replace(asked), CUTOFF, engine.each), expected)
