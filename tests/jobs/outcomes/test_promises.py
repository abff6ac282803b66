"""What lists promised when they were handed out is read from the store, and held against what came."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ml_sys.jobs.outcomes.monitor import monitor
from ml_sys.jobs.outcomes.promises import promises_kept
from ml_sys.outcomes.lists import HandedOutList, ListEntry
from ml_sys.outcomes.store import opened_store
from ml_sys.registry.store import Registry
from ml_sys.text import date_of


@pytest.fixture
def settings(registered, cheap_settings, tmp_path):
    """Of a folder with a version of one's own."""
    place = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    return cheap_settings.model_copy(update={"artifacts_dir": place})


def handed_out(settings, snapshot, factor, version="1.0.0", back=60):
    """Hand out the list of a day long past whose probabilities promise so many times what came."""
    cutoff = snapshot.as_of - back
    came = (snapshot.closed >= cutoff) & (snapshot.closed < cutoff + 30)
    free = snapshot.closed >= cutoff
    each = factor * came.sum() / free.sum()
    companies = [
        ListEntry(name, at + 1, each, "C", at < 5, float(at < 5), "", None)
        for at, name in enumerate(snapshot.companies["id"][free])
    ]
    companies.append(ListEntry("competitor", 0, 0.9, "A", False, 0.0, "excluded", None))
    listed = HandedOutList(
        f"then {back}",
        cutoff,
        version,
        "2020-01-01",
        "settings",
        30,
        5,
        "none",
        7,
        int(free.sum()),
        0.0,
        len(companies),
    )
    with opened_store(settings) as store:
        store.hand_out(listed, companies)
    return int(came.sum())


@pytest.mark.parametrize(("factor", "rings"), [(1, False), (5, True)])
def test_what_lists_handed_out_promised_is_read_from_the_store_and_held_against_what_came(
    settings, snapshot, factor, rings
):
    came = handed_out(settings, snapshot, factor)
    found = monitor(Registry(settings.artifacts_dir), settings, day=snapshot.as_of)
    (one,) = found.handed_out
    assert (one.cutoff, one.came, one.expected) == (
        date_of(snapshot.as_of - 60),
        came,
        pytest.approx(factor * came),
    )
    assert [check.name for check in found.alarms] == ["conversions that lists handed out promised"] * rings


def test_of_many_lists_the_latest_count_and_each_is_held_against_its_own_outcome(
    settings, snapshot, everyone
):
    came = {back: handed_out(settings, snapshot, 1 + back / 100, back=back) for back in (130, 95, 60)}
    few = settings.model_copy(update={"monitor": settings.monitor.model_copy(update={"lists": 2})})
    found, probabilities, notes = promises_kept(few, "1.0.0", everyone)
    assert [(one.cutoff, one.came, one.prospects) for one in found] == [
        (date_of(snapshot.as_of - back), came[back], int((snapshot.closed >= snapshot.as_of - back).sum()))
        for back in (95, 60)
    ]
    for one, each, back in zip(found, probabilities, (95, 60), strict=True):
        assert one.expected == pytest.approx((1 + back / 100) * came[back])
        assert each.sum() == pytest.approx(one.expected)
    assert notes == ()


def test_lists_of_other_versions_say_nothing_of_this_one(settings, snapshot, everyone):
    handed_out(settings, snapshot, 5, version="0.9.0")
    assert promises_kept(settings, "1.0.0", everyone) == ((), [], ())


def test_a_store_that_cannot_be_read_is_said_and_stops_no_monitor(settings, snapshot, everyone):
    (settings.artifacts_dir / "outcomes.sqlite").write_bytes(b"no database" * 100)
    lists, _, (note,) = promises_kept(settings, "1.0.0", everyone)
    assert lists == ()
    assert note.startswith("handed-out lists are not checked: ")
