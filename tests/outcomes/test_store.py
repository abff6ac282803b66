"""Lists that were handed out are kept as they were, once, and one a day counts."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ml_sys.errors import StorageError
from ml_sys.outcomes.lists import HandedOutList, ListEntry, OtherListError
from ml_sys.outcomes.store import exists, opened_store
from ml_sys.settings import Settings, StoreSettings

MONDAY = 18_267
WEEK = 7


def listed(name="a", cutoff=MONDAY, **other):
    values = {
        "list_id": name, "cutoff": cutoff, "version": "1.0.0", "made_at": "2020-01-06T06:00:00.000+00:00",
        "settings_digest": "0", "horizon_days": 30, "capacity": 2, "design": "none", "seed": 2**40,
        "prospects": 3, "expected": 0.625, "recorded": 3,
    }  # fmt: skip
    return HandedOutList(**values | other)


def entry(entity_id, rank, **other):
    values = {"probability": 1 / (rank + 1), "tier": "A", "selected": rank < 3, "inclusion_probability": 0.5}
    return ListEntry(entity_id, rank, **values | other)


THREE = (
    entry("7", 1, reasons=({"text": "“12 people” used contacts", "contribution": 0.1 + 0.2},)),
    entry("株式会社", 2, group="certain", waits_until=MONDAY + 30),
    entry("'; DROP TABLE lists; --", 3, group="control", waits_until=MONDAY + 60),
)


def test_a_list_is_read_back_as_it_was_handed_out(store):
    assert store.hand_out(listed(), THREE) == ("new", listed())
    assert store.lists() == [listed()]
    frame = store.entries(["a"])
    assert frame["entity_id"].tolist() == [one.entity_id for one in THREE]
    assert frame["cutoff"].tolist() == [MONDAY] * 3
    assert frame["probability"].tolist() == [one.probability for one in THREE]
    assert frame["selected"].tolist() == [True, True, False]
    assert frame["waits_until"].isna().tolist() == [True, False, False]
    assert [store.company("a", one.entity_id) for one in THREE] == list(THREE)
    assert store.company("a", "8") is None


def test_handing_the_same_list_out_again_changes_nothing(store):
    store.hand_out(listed(), THREE)
    again = listed(made_at="2020-01-07T06:00:00.000+00:00")
    assert store.hand_out(again, ()) == ("same", listed())
    assert store.lists() == [listed()]
    assert len(store.entries(["a"])) == 3


def test_another_list_of_the_day_is_refused_unless_it_replaces_the_one_that_is_there(store):
    store.hand_out(listed(), THREE)
    other = listed("b", reason="a caller fell ill")
    with pytest.raises(OtherListError, match="2020-01-06 was handed out: a") as caught:
        store.hand_out(other, THREE[:1])
    assert "--replace --reason" in caught.value.hint
    assert store.lists() == [listed()]
    assert store.hand_out(other, THREE[:1], replace_other=True) == ("replaced", other)
    assert store.lists() == [other]
    assert store.lists(replaced=True) == [listed(replaced_by="b"), other]


def test_a_list_that_was_replaced_can_be_handed_out_again(store):
    store.hand_out(listed(), THREE)
    store.hand_out(listed("b", reason="first"), THREE[:1], replace_other=True)
    store.hand_out(listed(reason="back"), THREE, replace_other=True)
    assert store.lists() == [listed(reason="back")]
    assert len(store.entries(["a"])) == 3


def test_a_reason_without_a_list_to_replace_is_no_reason(store):
    assert store.hand_out(listed(reason="whatever"), (), replace_other=True) == ("new", listed())


def test_lists_come_by_day_and_from_and_to_one(store):
    lists = [listed(name, MONDAY + WEEK * at) for at, name in enumerate("abcd")]
    for one in reversed(lists):
        store.hand_out(one, ())
    assert store.lists() == lists
    assert store.lists(MONDAY + WEEK, MONDAY + 2 * WEEK) == lists[1:3]
    assert store.lists(until=MONDAY - 1) == []
    assert store.entries([]).empty


def test_who_was_called_last_counts_between_two_days_that_do_not(store):
    for at, names in enumerate(("ab", "bc", "cd")):
        store.hand_out(listed(names, MONDAY + WEEK * at), [entry(one, 1) for one in names])
    found = store.last_called(after=MONDAY - 1, before=MONDAY + 2 * WEEK + 1)
    assert found == {"a": MONDAY, "b": MONDAY + WEEK, "c": MONDAY + 2 * WEEK, "d": MONDAY + 2 * WEEK}
    between = store.last_called(after=MONDAY, before=MONDAY + 2 * WEEK)
    assert between == dict.fromkeys("bc", MONDAY + WEEK)


def test_who_was_not_to_be_called_or_stood_on_a_replaced_list_was_not_called(store):
    store.hand_out(listed("a"), [entry("x", 1, selected=False), entry("y", 2)])
    store.hand_out(listed("b", reason="r"), [entry("z", 1)], replace_other=True)
    assert store.last_called(after=0, before=MONDAY + 1) == {"z": MONDAY}


def test_a_company_waits_until_its_day_and_for_lists_before_only(store):
    store.hand_out(listed(), THREE)
    assert store.waiting(MONDAY) == {}
    assert store.waiting(MONDAY + 1) == {"株式会社": MONDAY + 30, THREE[2].entity_id: MONDAY + 60}
    assert store.waiting(MONDAY + 30) == {THREE[2].entity_id: MONDAY + 60}
    assert store.waiting(MONDAY + 60) == {}


def test_a_company_is_forgotten_on_every_list_and_the_others_keep_their_ranks(store):
    for at in range(2):
        store.hand_out(listed(f"list {at}", MONDAY + at), THREE)
    assert store.forget("7", dry_run=True) == 2
    assert store.forget("7") == 2
    assert store.forget("7") == 0
    frame = store.entries(["list 0", "list 1"])
    assert frame["rank"].tolist() == [2, 3, 2, 3]


def test_tiers_are_counted_without_those_that_were_taken_out(store):
    store.hand_out(
        listed(),
        [
            *THREE,
            entry("b", 4, tier="B"),
            entry("out", 0, group="excluded"),
            entry("x", 0, group="paid since"),
        ],
    )
    store.hand_out(listed("b", MONDAY + 7), THREE)
    assert store.companies_by_tier(["a", "b"]) == {"A": 6, "B": 1}
    assert sorted(store.entries_of(["7", "b", "out", "x"], ["a", "b"])) == [
        ("a", "7", "A"), ("a", "b", "B"), ("b", "7", "A")
    ]  # fmt: skip
    assert store.entries_of([], ["a"]) == []
    assert store.paid_before(MONDAY) == {"x"}
    assert store.paid_before(MONDAY + 7) == frozenset()
    assert store.paid_before(MONDAY + 1) is None


def test_ids_that_no_database_holds_are_kept_escaped(store):
    store.hand_out(listed(), [entry("\udcff", 1), entry("a\0b", 2)])
    assert store.entries(["a"])["entity_id"].tolist() == ["\\udcff", "a\\x00b"]
    assert store.forget("\udcff") == 1
    assert store.forget("a\0b") == 1


def test_a_crash_while_a_list_is_handed_out_leaves_none_of_it(store):
    store.hand_out(listed(), THREE)

    def broken():
        yield THREE[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.hand_out(listed("b", reason="r"), broken(), replace_other=True)
    assert store.lists(replaced=True) == [listed()]


def test_of_many_that_hand_out_a_list_of_a_day_at_once_one_does(settings):
    with opened_store(settings):
        pass

    def hand_out(number):
        with opened_store(settings) as store:
            try:
                return store.hand_out(listed(f"list {number % 2}"), THREE)[0]
            except OtherListError:
                return "refused"

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(hand_out, range(8)))
    assert found == ["new", *["refused"] * 4, *["same"] * 3]


def test_a_list_with_a_company_twice_is_refused_whole(store):
    with pytest.raises(StorageError):
        store.hand_out(listed(), [THREE[0], replace(THREE[0], rank=2)])
    assert store.lists() == []


def test_the_store_is_there_for_the_next_command(settings):
    with opened_store(settings) as first:
        first.hand_out(listed(), THREE)
    with opened_store(settings) as second:
        assert second.lists() == [listed()]


@pytest.mark.slow  # starts processes
def test_who_may_only_read_sees_the_lists_and_hands_none_out(tmp_path, bound_by_rights):
    with opened_store(Settings(artifacts_dir=tmp_path)) as opened:
        opened.hand_out(listed(), THREE)
    (tmp_path / "outcomes.sqlite").chmod(0o444)
    tmp_path.chmod(0o555)
    command = [*bound_by_rights, sys.executable, "-m", "ml_sys", "--artifacts", str(tmp_path)]

    def run(*args):
        return subprocess.run([*command, *args], capture_output=True, text=True, cwd="/", check=False)

    try:
        shown = run("lists", "--json")
        forgotten = run("forget", "7")
    finally:
        tmp_path.chmod(0o755)
    assert [one["list_id"] for one in json.loads(shown.stdout)["lists"]] == ["a"], shown.stderr
    assert forgotten.returncode == 1
    assert "readonly database" in forgotten.stderr or "Permission denied" in forgotten.stderr


def test_of_lists_not_looked_at_as_a_whole_those_are_read_that_could_have_been_called(store):
    chances = (1.0, 0.25, 0.0)
    companies = [entry(str(at), at + 1, inclusion_probability=one) for at, one in enumerate(chances)]
    store.hand_out(listed(), companies)
    assert store.entries(["a"], only_pool=True)["entity_id"].tolist() == ["0", "1"]
    assert store.entries(["a"], only_called=True)["entity_id"].tolist() == ["0", "1"]
    assert len(store.entries(["a"])) == 3


def test_a_list_of_before_is_taken_over_for_days_that_have_none(store):
    store.hand_out(listed(), THREE)
    old = [(listed("old", MONDAY), THREE), (listed("older", MONDAY - WEEK), THREE[:1])]
    assert store.take_over(old) == 1
    assert [one.list_id for one in store.lists(replaced=True)] == ["older", "a"]
    assert store.take_over([]) == 0


def test_a_store_at_an_address_is_taken_to_be_there(tmp_path):
    here = Settings(artifacts_dir=tmp_path)
    assert not exists(here)
    assert exists(here.model_copy(update={"store": StoreSettings(url="postgresql://somebody@nowhere/there")}))
    with opened_store(here):
        pass
    assert exists(here)


def test_remembered_lists_are_recorded_once_even_where_another_list_took_their_place(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    rows = "rank,id,probability,tier,model_version,cutoff\n1,7,0.25,A,1.0.0,2020-01-06\n"
    (folder / "2020-01-06.csv").write_text(rows)
    here = Settings(artifacts_dir=tmp_path)
    with opened_store(here) as store:
        assert [one.cutoff for one in store.lists()] == [MONDAY]
        store.hand_out(listed("b", reason="anew"), THREE, replace_other=True)
        assert store.forget("7") == 2
    with opened_store(here) as store:
        assert [one.list_id for one in store.lists()] == ["b"]
        assert len(store.lists(replaced=True)) == 2
