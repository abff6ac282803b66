"""What the lists brought, from the store and the data to the terminal, JSON and the page."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.outcomes.lists import HandedOutList, ListEntry
from ml_sys.outcomes.lottery import Design, draw
from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings
from ml_sys.text import date_of

CAPACITY, LISTS, HORIZON = 20, 6, 30
DESIGN = Design("lottery", CAPACITY, 7, HORIZON)


def handed_out(snapshot, cutoff: int, waiting: dict[str, int]) -> tuple[HandedOutList, list[ListEntry]]:
    """Rank some prospects, those that will pay mostly on top, and draw whom to call."""
    rng = np.random.default_rng(cutoff)
    there = [
        at
        for at in np.flatnonzero(snapshot.closed >= cutoff)
        if waiting.get(snapshot.companies["id"].iloc[at], 0) <= cutoff
    ]
    soon = (snapshot.closed[there] < cutoff + HORIZON) & (snapshot.closed[there] != NEVER_CLOSED)
    probability = np.where(soon, 0.3, 0.02) * rng.uniform(0.5, 1.5, len(there))
    order = np.argsort(-probability)[:100]
    ids = [str(snapshot.companies["id"].iloc[there[at]]) for at in order]
    name = f"{date_of(cutoff)}-0"
    drawn = draw(ids, probability[order], DESIGN, list_id=name, cutoff=cutoff)
    entries = [
        ListEntry(
            one, rank + 1, float(probability[order[rank]]), "A" if rank < CAPACITY else "B",
            selected=bool(drawn.selected[rank]),
            inclusion_probability=float(drawn.inclusion_probability[rank]),
            group=str(drawn.group[rank]),
            waits_until=int(drawn.waits_until[rank]) if drawn.group[rank] else None,
        )
        for rank, one in enumerate(ids)
    ]  # fmt: skip
    waiting.update({one.entity_id: one.waits_until for one in entries if one.waits_until})
    listed = HandedOutList(name, cutoff, "1.0.0", "", "", HORIZON, CAPACITY, "lottery", 7, 100, 1.0, 100)
    return listed, entries


@pytest.fixture(scope="module")
def lists(snapshot) -> list[tuple[HandedOutList, list[ListEntry]]]:
    """Six weekly lists, the last of which waits for its outcome."""
    waiting: dict[str, int] = {}
    last = snapshot.as_of - HORIZON + 7
    return [handed_out(snapshot, last - 7 * back, waiting) for back in reversed(range(LISTS))]


@pytest.fixture
def place(ingested, lists, tmp_path) -> Path:
    copied = Path(shutil.copytree(ingested, tmp_path / "artifacts"))
    with opened_store(Settings(artifacts_dir=copied)) as store:
        for listed, entries in lists:
            store.hand_out(listed, entries)
    return copied


@pytest.fixture
def told(mlsys, place):
    """What the command says as JSON."""

    def ask(*arguments: object) -> dict:
        done = mlsys("impact", "--json", *arguments, artifacts=place)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def paying(snapshot, listed: HandedOutList, entries: list[ListEntry]) -> list[str]:
    """Those called who paid within the horizon."""
    closed = dict(zip(snapshot.companies["id"], snapshot.closed, strict=True))
    until = listed.cutoff + HORIZON
    return [
        one.entity_id for one in entries if one.selected and listed.cutoff <= closed[one.entity_id] < until
    ]


def test_every_mature_list_is_told_with_what_came_of_its_calls(told, snapshot, lists):
    found = told()
    assert [one["list_id"] for one in found["lists"]] == [listed.list_id for listed, _ in lists]
    for one, (listed, entries) in zip(found["lists"][:-1], lists[:-1], strict=True):
        assert one["calls"] == CAPACITY
        assert one["realised"] == len(paying(snapshot, listed, entries))
        assert one["cutoff"] == date_of(listed.cutoff)
    assert found["lists"][-1]["realised"] is None
    assert sum(one["realised"] for one in found["lists"][:-1]) > 5


def test_lists_whose_windows_overlap_are_compared_once_and_all_mature_ones_carry_the_effect(told):
    found = told()
    assert found["compared"] == 1
    assert found["total"]["rows"] == 100
    assert found["effect"]["lists"] == LISTS - 1
    assert found["effect"]["drawn"] == CAPACITY * (LISTS - 1)
    assert len(found["effect"]["running"]) == LISTS - 1
    assert found["by_rule"]["rows"] == CAPACITY
    assert found["strangers"] == 0


def test_the_terminal_says_what_being_called_did_before_any_table(mlsys, place):
    shown = mlsys("impact", artifacts=place)
    assert shown.returncode == 0, shown.stderr
    first = shown.stdout.splitlines()[0]
    assert re.fullmatch(r"Being called made .+ of 20 pay per week \(.+ to .+\); .+\.", first)
    for title in (
        "What being called did",
        "Promised and realised",
        "compared with a simple rule",
        "waits until",
    ):
        assert title in shown.stdout
    assert "the draw would show as much" in shown.stdout


def test_lists_before_a_day_can_be_left_out(told, lists):
    found = told("--since", date_of(lists[2][0].cutoff))
    assert [one["list_id"] for one in found["lists"]] == [listed.list_id for listed, _ in lists[2:]]


def customers(path: Path, snapshot, extra: list[tuple[str, int]]) -> Path:
    """A file of the snapshot's customers and some more."""
    paid = np.flatnonzero(snapshot.closed != NEVER_CLOSED)
    known = [(snapshot.companies["id"].iloc[at], int(snapshot.closed[at])) for at in paid]
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "CLOSEDATE", "MRR"])
        out.writerows([name, date_of(day), 100] for name, day in [*known, *extra])
    return path


def test_a_conversion_that_was_recorded_late_is_picked_up_from_a_newer_file(told, snapshot, lists, tmp_path):
    listed, entries = lists[0]
    paid = paying(snapshot, listed, entries)
    late = next(one.entity_id for one in entries if one.selected and one.entity_id not in paid)
    path = customers(tmp_path / "customers.csv", snapshot, [(late, listed.cutoff + 3)])
    found = told("--customers", path, "--as-of", date_of(snapshot.as_of))
    assert found["lists"][0]["realised"] == len(paid) + 1


def test_one_date_far_ahead_makes_no_list_mature(told, snapshot, lists, tmp_path):
    path = customers(tmp_path / "customers.csv", snapshot, [("slip", snapshot.as_of + 200)])
    found = told("--customers", path)
    assert found["lists"][-1]["realised"] is None


def test_a_file_of_calls_made_tells_what_a_call_does(told, lists, tmp_path):
    called = [one.entity_id for _, entries in lists for one in entries if one.selected][::2]
    path = tmp_path / "called.csv"
    path.write_text("id\n" + "\n".join(called) + "\n")
    complied = told("--called", path)["effect"]["complied"]
    assert complied["made"] == pytest.approx(0.5, abs=0.05)
    assert complied["strayed"] == 0


def test_the_page_holds_the_sentence_the_running_interval_and_every_list(mlsys, place, lists, tmp_path):
    path = tmp_path / "impact.html"
    shown = mlsys("impact", "--page", path, artifacts=place)
    page = path.read_text()
    assert shown.stdout.splitlines()[0] in page.replace("&#39;", "'")
    assert page.count("<svg") == 1
    assert "The effect as the weeks go by" in page
    assert all(listed.list_id in page for listed, _ in lists)
    assert "<script" not in page


def test_companies_that_the_data_do_not_hold_are_said(mlsys, place, lists):
    listed, _ = lists[0]
    with opened_store(Settings(artifacts_dir=place)) as store:
        older = HandedOutList("older", listed.cutoff - 7, "1.0.0", "", "", HORIZON, 1, "none", 7, 1, 1.0, 1)
        store.hand_out(older, [ListEntry("nobody", 1, 0.5, "A", selected=True, inclusion_probability=1.0)])
    shown = mlsys("impact", artifacts=place)
    assert "1 company of" in shown.stderr
    assert "not in the data" in shown.stderr


def test_without_any_list_it_says_how_to_hand_one_out(mlsys, ingested):
    shown = mlsys("impact", artifacts=ingested)
    assert shown.returncode == 1
    assert "--hand-out" in shown.stderr


def test_a_day_is_asked_for_with_a_file_only(mlsys, place):
    assert mlsys("impact", "--as-of", "2020-01-01", artifacts=place).returncode == 2


def test_a_company_called_from_one_list_counts_as_called_on_that_list_alone(
    mlsys, ingested, snapshot, tmp_path
):
    place = Path(shutil.copytree(ingested, tmp_path / "artifacts"))
    ids = snapshot.companies["id"][snapshot.closed == NEVER_CLOSED].tolist()[:2]
    first = snapshot.as_of - 3 * HORIZON
    with opened_store(Settings(artifacts_dir=place)) as store:
        for number, cutoff in enumerate((first, first + 42)):  # the one is called first, then the other
            listed = HandedOutList(f"list {number}", cutoff, "1", "", "", HORIZON, 1, "lottery", 7, 2, 1.0, 2)
            entries = [
                ListEntry(
                    name, at + 1, 0.1, "A", at == number, 0.5, "drawn" if at == number else "control", None
                )
                for at, name in enumerate(ids)
            ]
            store.hand_out(listed, entries)
    path = tmp_path / "called.csv"
    path.write_text(f"id\n{ids[0]}\n")
    done = mlsys("impact", "--json", "--called", path, artifacts=place)
    told = json.loads(done.stdout)
    assert (told["effect"]["complied"]["made"], told["effect"]["complied"]["strayed"]) == (0.5, 0)
    assert told["notes"] == [
        f"{path}: ids without days (called_on), so each company counts as called on the day of the list "
        "that was to call it"
    ]
    assert "ids without days" in mlsys("impact", "--called", path, artifacts=place).stderr


def test_a_call_with_a_day_counts_between_the_hand_out_and_the_end_of_the_window(
    mlsys, ingested, snapshot, tmp_path
):
    place = Path(shutil.copytree(ingested, tmp_path / "artifacts"))
    cutoff, closed = snapshot.as_of - 3 * HORIZON, snapshot.closed
    ids = snapshot.companies["id"]
    paid = ids[(closed >= cutoff) & (closed < cutoff + HORIZON)].tolist()[:2]
    names = [*paid, *ids[closed == NEVER_CLOSED].tolist()[:6]]
    out, until = cutoff + 2, cutoff + HORIZON
    made_at = f"{date_of(out)}T06:00:00+00:00"
    listed = HandedOutList("list", cutoff, "1", made_at, "", HORIZON, 4, "lottery", 7, 8, 1.0, 8)
    with opened_store(Settings(artifacts_dir=place)) as store:
        store.hand_out(
            listed,
            [
                ListEntry(name, at + 1, 0.1, "A", at < 4, 0.5, "drawn" if at < 4 else "control")
                for at, name in enumerate(names)
            ],
        )
    path = tmp_path / "called.csv"
    # Of the four drawn the first two count, the third came too late and the fourth was called before.
    days = (out, until - 1, until, out - 1, out + 9)
    calls = [f"{name},{date_of(day)}" for name, day in zip(names, days, strict=False)]
    path.write_text("\n".join(["id,called_on", *calls, ""]))
    done = mlsys("impact", "--json", "--called", path, artifacts=place)
    told = json.loads(done.stdout)
    complied = told["effect"]["complied"]
    assert (complied["made"], complied["strayed"]) == (2 / 4, 1 / 4)
    # All chances are a half: two more of the drawn paid, and one call more was made among them.
    assert complied["per_call"]["value"] == pytest.approx((2 - 0) / (2 - 1))
    assert told["notes"] == [
        f"{path}: 2 of 5 calls with a day not counted: the company was on no current list that day"
    ]
    path.write_text(f"id,called_on\n{names[0]},yesterday\n")
    failed = mlsys("impact", "--called", path, artifacts=place)
    assert failed.returncode == 1
    assert f"{path}, line 2: called_on is not an ISO date" in failed.stderr
