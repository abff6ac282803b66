"""A list that was handed out: its id, and what came of a company on it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from ml_sys.outcomes.lists import (
    ListEntry,
    OtherListError,
    called,
    digest_of,
    list_id_of,
    storable,
    what_came,
)
from tests.outcomes.test_store import MONDAY, listed

RANKED = pd.DataFrame({"id": ["a", "b"], "probability": [0.5, 0.25], "group": ["", "cooling"]})


@pytest.mark.parametrize(
    ("closed", "as_of", "came"),
    [
        (None, MONDAY + 100, "not in the data"),
        (MONDAY - 1, MONDAY + 100, "not paid"),
        (MONDAY, MONDAY + 100, "paid"),
        (MONDAY + 29, MONDAY + 30, "paid"),
        (MONDAY + 30, MONDAY + 30, "not paid"),
        (MONDAY + 30, MONDAY + 29, "not yet known"),
        (MONDAY + 10, MONDAY + 10, "paid"),  # though the window is open still
        (MONDAY + 11, MONDAY + 10, "not yet known"),
        (10**6, MONDAY + 29, "not yet known"),
        (10**6, MONDAY + 30, "not paid"),
    ],
)
def test_what_came_of_a_company_is_what_the_data_know_of_its_window(closed, as_of, came):
    assert what_came(closed, listed(), as_of) == came


@pytest.mark.parametrize(("as_of", "mature"), [(MONDAY + 29, False), (MONDAY + 30, True)])
def test_a_list_is_mature_once_the_data_hold_its_whole_window(as_of, mature):
    assert listed().is_mature(as_of) == mature


def test_the_id_of_a_list_is_its_day_and_a_digest_of_all_that_it_was_made_from():
    def name(cutoff=MONDAY, version="1.0.0", digest="d", ranked=RANKED):
        return list_id_of(cutoff, version, digest, [ranked])

    first = name()
    assert first.startswith("2020-01-06-")
    assert len(first) == len("2020-01-06-") + 8
    assert name(ranked=RANKED.assign(tier=["A", "B"])) == first
    assert list_id_of(MONDAY, "1.0.0", "d", (RANKED[:1], RANKED[1:])) == first  # however it is cut
    others = {
        name(version="1.0.1"),
        name(digest="e"),
        name(ranked=RANKED[::-1]),
        name(ranked=RANKED.assign(probability=[0.5, 0.26])),
        name(ranked=RANKED.assign(group="")),
        name(ranked=RANKED.assign(id=["a", "c"])),
        name(ranked=RANKED.head(1)),
    }
    assert len(others | {first}) == 8
    assert name(cutoff=MONDAY + 7)[11:] != first[11:]


def test_the_digest_of_settings_knows_no_order():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1}) != digest_of({"a": 1, "b": [3]})
    assert len(digest_of({})) == 16


@pytest.mark.parametrize(
    ("text", "stored"),
    [("plain", "plain"), ("株", "株"), ("a\0b", "a\\x00b"), ("é\0", "é\\x00"), ("\ud800x", "\\ud800x")],
)
def test_what_no_database_can_hold_is_escaped(text, stored):
    assert storable(text) == stored


def test_those_to_call_come_by_rank():
    entries = [
        ListEntry(name, rank, 0.1, "A", rank != 2, 0.5) for name, rank in (("c", 3), ("a", 1), ("b", 2))
    ]
    assert [one.entity_id for one in called(entries)] == ["a", "c"]


def test_another_list_of_the_day_is_named_with_the_way_out():
    error = OtherListError(listed("ours"), replace(listed("theirs"), version="2.0.0"))
    assert error.message == "another list of 2020-01-06 was handed out: theirs (version 2.0.0)"
    assert error.hint == (
        'see it with mlsys lists show 2020-01-06; to replace it, give --replace --reason "…"'
    )
