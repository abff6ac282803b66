"""What earlier lists tell of a tier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_sys.jobs.lists.comparing import record, tier_records
from ml_sys.jobs.lists.records import Known
from ml_sys.outcomes.lists import ListEntry
from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings
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
    young = tier_records(store, lists, Known(closed, MONDAY + 30))
    assert young == {"A": "of 100 like this, 1 paid"}  # a0 and a1 of 200; of B there are too few
    both = tier_records(store, lists, Known(closed, LATER + 30))
    assert both == {"A": "of 100 like this, 1 paid", "B": "of 100 like this, none paid"}
    assert tier_records(store, lists, Known(closed, MONDAY + 29)) == {}
    assert (
        tier_records(store, [replace(one, settings_digest="") for one in lists], Known(closed, 10**5)) == {}
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
