"""What earlier lists tell of a tier."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from ml_sys.jobs.lists.comparing import COLUMN, RECORD, _paid, record, tier_records, with_history
from ml_sys.jobs.lists.records import KnownConversions
from ml_sys.outcomes.lists import ListEntry
from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings
from tests.data.tables import Tables
from tests.jobs.lists.test_handing_out import scored
from tests.outcomes.test_store import MONDAY, listed

LATER = MONDAY + 7


@pytest.fixture
def store(tmp_path):
    """Two lists of 200 companies of tier A and 50 of tier B, a week apart, and one that was a file."""
    with opened_store(Settings(artifacts_dir=tmp_path)) as opened:
        companies = [ListEntry(f"a{n}", n + 1, 0.1, "A", False, 0.0) for n in range(200)]
        companies += [ListEntry(f"b{n}", n + 201, 0.01, "B", False, 0.0) for n in range(50)]
        for name, cutoff in (("one", MONDAY), ("two", LATER)):
            opened.hand_out(listed(name, cutoff), companies)
        opened.hand_out(listed("file", MONDAY - 7, settings_digest=""), companies)
        yield opened


def test_a_tier_s_record_counts_mature_lists_and_conversions_within_their_horizon(store):
    free = {f"{tier}{n}": 10**6 for tier in "ab" for n in range(200)}
    closed = free | {"a0": MONDAY, "a1": MONDAY + 29, "a2": MONDAY + 36, "a3": MONDAY + 37, "a4": MONDAY - 1}
    lists = store.lists()
    young = tier_records(store, lists, KnownConversions(closed, MONDAY + 30))
    assert young == {"A": "of 100 like this, 1 paid"}  # a0 and a1 of 200; of B there are too few
    both = tier_records(store, lists, KnownConversions(closed, LATER + 30))
    assert both == {"A": "of 100 like this, 1 paid", "B": "of 100 like this, none paid"}
    assert tier_records(store, lists, KnownConversions(closed, MONDAY + 29)) == {}
    assert (
        tier_records(
            store, [replace(one, settings_digest="") for one in lists], KnownConversions(closed, 10**5)
        )
        == {}
    )


@pytest.mark.parametrize(
    ("paid", "companies", "told"),
    [
        (7, 100, "of 100 like this, 7 paid"),
        (1, 101, "of 1,000 like this, 10 paid"),
        (0, 120, "of 120 like this, none paid"),
    ],
)
def test_few_are_told_by_the_thousand(paid, companies, told):
    assert record(paid, companies) == told


@pytest.mark.parametrize(
    ("paid", "companies", "told"),
    [
        (1, 100, "of 100 like this, 1 paid"),
        (1, 1000, "of 1,000 like this, 1 paid"),
        (14, 200, "of 100 like this, 7 paid"),
    ],
)
def test_a_record_is_told_by_the_hundred_from_one_in_a_hundred_on(paid, companies, told):
    assert record(paid, companies) == told


def test_a_tier_has_a_record_from_a_hundred_companies_on(tmp_path):
    with opened_store(Settings(artifacts_dir=tmp_path)) as opened:
        companies = [ListEntry(f"a{n}", n + 1, 0.1, "A", False, 0.0) for n in range(100)]
        companies += [ListEntry(f"b{n}", n + 101, 0.01, "B", False, 0.0) for n in range(99)]
        opened.hand_out(listed("one", MONDAY), companies)
        known = KnownConversions({}, MONDAY + 30)
        assert tier_records(opened, opened.lists(), known) == {"A": "of 100 like this, none paid"}


def test_a_tier_s_record_is_of_the_latest_twenty_six_mature_lists(tmp_path):
    with opened_store(Settings(artifacts_dir=tmp_path)) as opened:
        companies = [ListEntry(f"a{n}", n + 1, 0.1, "A", False, 0.0) for n in range(4)]
        for week in range(27):
            opened.hand_out(listed(f"list {week:02d}", MONDAY + 7 * week), companies)
        known = KnownConversions({"a0": MONDAY, "a1": 10**6}, MONDAY + 7 * 27 + 30)
        # Only on the first list, the twenty-seventh from the end, would a0 count as paid.
        assert tier_records(opened, opened.lists(), known) == {"A": "of 104 like this, none paid"}


def test_who_paid_on_the_day_of_the_list_before_did_so_since():
    entries = pd.DataFrame({"entity_id": ["a", "b", "c", "d", "stranger"]})
    known = KnownConversions({"a": MONDAY - 1, "b": MONDAY, "c": LATER - 1, "d": LATER}, LATER)
    assert _paid(known, entries, listed("one", MONDAY), LATER) == 2


@pytest.fixture
def place(tmp_path):
    """Artifacts whose snapshot knows that c1 paid on 2020-02-03, and a list of 2020-01-06."""
    tables = Tables(tmp_path)
    tables.customers[0] = tables.customers[0].replace("2020-02-10", "2020-02-03")
    tables.ingest()
    settings = Settings(artifacts_dir=tables.artifacts)
    entries = [
        ListEntry("c0", 1, 0.6, "A", True, 1.0),
        ListEntry("c1", 2, 0.25, "B", False, 0.0),
        ListEntry("c2", 3, 0.5, "B", False, 0.0),
        ListEntry("c3", 4, 0.3, "B", False, 0.0),
    ]
    with opened_store(settings) as store:
        store.hand_out(listed("2019-12-30-aa", MONDAY - 7), [ListEntry("c0", 1, 0.1, "A", False, 0.0)])
        store.hand_out(listed("2020-01-06-aa", MONDAY), entries)
        store.hand_out(listed("2020-02-10-aa", MONDAY + 35), [ListEntry("c4", 1, 0.6, "A", True, 1.0)])
    return settings


def test_a_list_is_told_beside_the_last_one_before_its_day(place):
    made = scored(5, day="2020-02-10")  # of probabilities .6, .475, .35, .225 and .1
    found = with_history(place, made)
    columns = found.table.columns.tolist()
    assert columns[columns.index("cutoff") + 1] == COLUMN == "since_last_week"
    assert found.table[COLUMN].tolist() == ["called", "rising", "cooling", "cooling", "new"]
    assert RECORD not in columns
    assert found.notes == (
        "since the list of 2020-01-06: 1 new, 1 rising, 2 cooling, 1 called; of all companies on it 1 paid",
    )
    assert COLUMN not in made.table  # the list itself stays as it was
    earlier = with_history(place, scored(5, day="2020-02-03"))
    assert earlier.notes[0].endswith("of all companies on it 0 paid")  # who paid on that day had not before


def test_without_an_earlier_list_or_a_company_there_is_nothing_to_tell(place, tmp_path):
    first = scored(3, day="2019-12-30")
    assert with_history(place, first) is first
    nowhere = scored(3)
    assert with_history(Settings(artifacts_dir=tmp_path / "none"), nowhere) is nowhere
    empty = replace(nowhere, ranked=nowhere.table.head(0))
    assert with_history(place, empty) is empty
