"""What is said of the list of a week beside that of the week before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ml_sys.jobs.lists.handing_out import HandedOut
from ml_sys.jobs.lists.listed import Listed
from ml_sys.jobs.outcomes.weeks_list import _since, weeks_list
from ml_sys.outcomes.lists import ListEntry
from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings
from tests.data.tables import Tables
from tests.jobs.lists.test_handing_out import drawn_of, scored
from tests.outcomes.test_store import MONDAY, listed


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A list of 2020-01-06, whose call c1 paid on 2020-02-03, and an earlier one."""
    tables = Tables(tmp_path)
    tables.customers[0] = tables.customers[0].replace("2020-02-10", "2020-02-03")
    tables.ingest()
    asked = Settings(artifacts_dir=tables.artifacts)
    called = [
        ListEntry(name, at + 1, 0.5, "A", at < 3, float(at < 3))
        for at, name in enumerate(["c1", "n1", "n2", "n3"])
    ]
    with opened_store(asked) as store:
        store.hand_out(listed("2019-12-30-aa", MONDAY - 7), [ListEntry("n9", 1, 0.5, "A", True, 1.0)])
        store.hand_out(listed("2020-01-06-aa", MONDAY), called)
        store.hand_out(listed("2020-02-10-aa", MONDAY + 35), [ListEntry("n1", 1, 0.5, "A", True, 1.0)])
    return asked


def test_calls_are_held_against_those_of_the_last_list_before_the_day(settings: Settings) -> None:
    found = _since(settings, {"n1", "n3", "n8", "n9"}, MONDAY + 35)
    assert found is not None
    # n1 again; n3 was on the list, but was not to be called; c1, who paid, and n2 are gone.
    assert (found.list_id, found.new, found.again, found.gone, found.paid) == ("2020-01-06-aa", 3, 1, 2, 1)
    nobody = _since(settings, set(), MONDAY + 35)
    assert nobody is not None
    assert (nobody.new, nobody.again, nobody.gone, nobody.paid) == (0, 0, 3, 1)
    stays = _since(settings, {"c1"}, MONDAY + 35)
    assert stays is not None
    assert (stays.gone, stays.paid) == (2, 0)


@pytest.mark.parametrize(
    ("paid_on", "counts"),
    [("2020-01-05", 0), ("2020-01-06", 1), ("2020-02-12", 1), ("2020-02-13", 0)],
)
def test_who_paid_since_did_so_from_the_day_of_the_list_to_the_end_of_what_is_known(
    tmp_path: Path, paid_on: str, counts: int
) -> None:
    tables = Tables(tmp_path)  # exported on 2020-02-12
    tables.customers[0] = tables.customers[0].replace("2020-02-10", paid_on)
    tables.ingest()
    settings = Settings(artifacts_dir=tables.artifacts)
    with opened_store(settings) as store:
        store.hand_out(listed("a", MONDAY), [ListEntry("c1", 1, 0.5, "A", True, 1.0)])
    found = _since(settings, set(), MONDAY + 35)
    assert found is not None
    assert (found.gone, found.paid) == (1, counts)


def test_before_the_first_list_there_is_none_to_hold_calls_against(settings: Settings) -> None:
    assert _since(settings, {"n1"}, MONDAY - 7) is None


def test_the_first_calls_are_told_and_what_all_calls_promise(settings: Settings) -> None:
    made = scored(5, day="2020-02-10")  # of probabilities .6, .475, .35, .225 and .1
    handed_out = HandedOut(listed("b", MONDAY + 35), "new", drawn_of(made, 0, 1, 2))
    few = settings.model_copy(update={"score": settings.score.model_copy(update={"top": 2})})
    found = weeks_list(few, Listed(made, handed_out=handed_out))
    assert [one.probability for one in found.first] == made.table["probability"].tolist()[:2]
    assert found.called == 3
    assert found.expected == pytest.approx(0.6 + 0.475 + 0.35)
    assert found.since is not None
    assert found.since.list_id == "2020-01-06-aa"
    all_of_them = weeks_list(settings, Listed(made, handed_out=replace(handed_out)))
    assert len(all_of_them.first) == 3
