"""What the store tells of lists: each in few words, its companies and what came of them, by id or by day."""

from __future__ import annotations

import pytest

from ml_sys.errors import NotEnoughDataError
from ml_sys.jobs.lists.records import (
    Company,
    NoSuchListError,
    Overview,
    handed_out_lists,
    plain_overview,
    show_list,
    what_is_known,
)
from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings
from tests.data.tables import Tables
from tests.outcomes.test_store import MONDAY, entry, listed

ONE = listed("2020-01-06-aa", MONDAY, design="lottery", capacity=2, prospects=9, recorded=3)
TWO = listed("2020-01-13-ab", MONDAY + 7, capacity=1)


@pytest.fixture
def settings(tmp_path):
    """Two lists, of whose companies the snapshot knows the customer c1, who paid on 2020-02-03."""
    tables = Tables(tmp_path)
    tables.customers[0] = tables.customers[0].replace("2020-02-10", "2020-02-03")
    tables.ingest()
    asked = Settings(artifacts_dir=tables.artifacts)
    with opened_store(asked) as store:
        store.hand_out(
            ONE,
            [
                entry("c1", 1, inclusion_probability=0.8, group="drawn", reasons=({"text": "why"},)),
                entry("n1", 2),
                entry("stranger", 3),
            ],
        )
        store.hand_out(TWO, [entry("c1", 1), entry("n1", 2, selected=False)])
    return asked


def test_what_is_known_is_that_of_the_latest_snapshot(settings, tmp_path):
    known = what_is_known(settings, ["n1", "stranger"])
    assert known.closed["c1"] == MONDAY + 28
    assert known.closed["n1"] > 10**6
    assert known.closed.keys() >= {"c1", "c2"}
    assert known.closed.keys().isdisjoint({"n2", "stranger"})
    nothing = what_is_known(Settings(artifacts_dir=tmp_path / "none"))
    assert (nothing.closed, nothing.as_of) == ({}, -1)


def test_each_list_is_told_in_few_words_the_earliest_first(settings):
    as_of = what_is_known(settings).as_of
    found = handed_out_lists(settings)
    # Of either list the customer was called and has paid within thirty days.
    assert found.lists == (
        Overview(ONE, 2, as_of >= MONDAY + 30, 1),
        Overview(TWO, 1, as_of >= MONDAY + 37, 1),
    )
    assert found.to_plain() == {"lists": [plain_overview(one) for one in found.lists]}


def test_of_a_list_that_is_not_mature_only_who_has_paid_is_counted(settings):
    young = listed("2020-02-03-ac", MONDAY + 28, capacity=3)
    with opened_store(settings) as store:
        store.hand_out(
            young, [entry(name, at + 1, selected=True) for at, name in enumerate(("c1", "n1", "n2"))]
        )
    assert handed_out_lists(settings).lists[-1] == Overview(young, 3, False, 1)


def test_a_list_from_which_nobody_was_to_be_called_is_shown_with_nobody(settings):
    with opened_store(settings) as store:
        store.hand_out(listed("2020-01-20-ad", MONDAY + 14), [entry("n1", 1, selected=False)])
    found = show_list(settings, "2020-01-20-ad")
    assert (found.companies, found.overview.called) == ((), 0)


def test_of_a_day_the_list_that_stands_is_meant_and_a_replaced_one_by_its_id_alone(settings):
    anew = listed("2020-01-13-ae", MONDAY + 7, capacity=1, reason="a better one")
    with opened_store(settings) as store:
        store.hand_out(anew, [entry("n1", 1)], replace_other=True)
    assert show_list(settings, "2020-01-13").overview.listed.list_id == "2020-01-13-ae"
    assert show_list(settings, "2020-01-31").overview.listed.list_id == "2020-01-13-ae"
    assert show_list(settings, "2020-01-13-ab").overview.listed.replaced_by == "2020-01-13-ae"


def test_a_list_in_few_words_is_plain_data():
    assert plain_overview(Overview(ONE, 2, True, 1)) == {
        "list_id": "2020-01-06-aa",
        "cutoff": "2020-01-06",
        "version": "1.0.0",
        "made_at": "2020-01-06T06:00:00.000+00:00",
        "design": "lottery",
        "capacity": 2,
        "prospects": 9,
        "recorded": 3,
        "selected": 2,
        "matures_on": "2020-02-05",
        "mature": True,
        "converted": 1,
        "replaced_by": None,
        "reason": "",
    }


def test_a_list_is_shown_with_those_to_call_and_what_came_of_them(settings):
    as_of = what_is_known(settings).as_of
    found = show_list(settings, "2020-01-06-aa")
    assert found.overview == handed_out_lists(settings).lists[0]
    first, second = found.companies
    assert (first.entry.entity_id, first.came, first.paid_on) == ("c1", "paid", MONDAY + 28)
    expected = "not paid" if as_of >= MONDAY + 30 else "not yet known"
    assert second == Company(entry("n1", 2), expected, None)
    plain = found.to_plain()
    assert {name: value for name, value in plain.items() if name != "list"} == plain_overview(found.overview)
    assert plain["list"][0] == {
        "id": "c1",
        "rank": 1,
        "probability": 0.5,
        "tier": "A",
        "selected": True,
        "inclusion_probability": 0.8,
        "group": "drawn",
        "reasons": ({"text": "why"},),
        "outcome": "paid",
        "paid_on": "2020-02-03",
    }
    assert (plain["list"][1]["id"], plain["list"][1]["paid_on"]) == ("n1", None)


def test_a_company_that_was_not_to_be_called_is_shown_where_it_is_asked_for(settings):
    (only,) = show_list(settings, "2020-01-06-aa", "stranger").companies
    assert (only.entry.selected, only.came, only.paid_on) == (False, "not in the data", None)
    with pytest.raises(NoSuchListError) as none:
        show_list(settings, "2020-01-06-aa", "n9")
    assert none.value.message == "'n9' is not recorded on list 2020-01-06-aa"
    assert none.value.hint == "3 of its 9 companies are recorded"


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("2020-01-06-aa", ONE),
        ("2020-01-06-", ONE),
        ("2020-01-13-ab", TWO),
        ("2020-01-06", ONE),
        ("2020-01-12", ONE),
        ("2020-01-13", TWO),
        ("2030-01-01", TWO),
    ],
)
def test_a_list_is_named_by_its_id_the_beginning_of_it_or_a_day(settings, named, meant):
    assert show_list(settings, named).overview.listed == meant


def test_what_names_no_list_or_several_is_said_with_the_way_out(settings, tmp_path):
    for named, said, hint in (
        ("2020-01-", "2020-01-: more than one list has an id that begins like this", "See mlsys lists"),
        ("nonsense", "nonsense: no list has an id that begins like this", "see mlsys lists"),
        ("2020-01-05", "2020-01-05: there is no list of that day or before", "the first is of 2020-01-06"),
        (
            "2020-01-13-aa",
            "2020-01-13-aa: no list has an id that begins like this",
            "did you mean 2020-01-13-ab? See mlsys lists",
        ),
    ):
        with pytest.raises(NoSuchListError) as none:
            show_list(settings, named)
        assert none.value.message == said
        assert hint in none.value.hint
    with pytest.raises(NotEnoughDataError, match="no list was handed out yet") as nothing:
        show_list(Settings(artifacts_dir=tmp_path / "none"), "2020-01-06")
    assert nothing.value.hint == "hand one out with mlsys score FILE --hand-out"
    assert handed_out_lists(Settings(artifacts_dir=tmp_path / "none")).to_plain() == {"lists": []}
    empty = Settings(artifacts_dir=tmp_path / "empty")
    with opened_store(empty):
        pass
    with pytest.raises(NoSuchListError) as none:
        show_list(empty, "2020-01-06")
    assert none.value.hint == "none was handed out yet"


def test_a_list_that_was_replaced_is_told_of_where_asked_for_and_found_by_its_id_alone(settings):
    other = listed("2020-01-13-bb", MONDAY + 7, reason="better")
    with opened_store(settings) as store:
        store.hand_out(other, [entry("n1", 1)], replace_other=True)
    assert [one.listed.list_id for one in handed_out_lists(settings).lists] == [ONE.list_id, other.list_id]
    every = handed_out_lists(settings, replaced=True).lists
    assert {one.listed.list_id for one in every} == {ONE.list_id, TWO.list_id, other.list_id}
    old = show_list(settings, TWO.list_id).overview
    assert plain_overview(old)["replaced_by"] == other.list_id
    assert show_list(settings, "2020-01-13").overview.listed.list_id == other.list_id
    assert plain_overview(show_list(settings, "2020-01-13").overview)["reason"] == "better"
