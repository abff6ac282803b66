"""Nobody is asked to call a customer, and a list that was made remains what it was."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data import snapshot
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.jobs.lists.listed import ListRequest
from ml_sys.jobs.lists.paid_since import NOBODY, Payers, with_warning
from ml_sys.jobs.lists.paid_since import payers as paid_by
from ml_sys.jobs.lists.score import score_prospects
from ml_sys.outcomes.store import opened_store
from ml_sys.project import Project
from ml_sys.registry.store import Registry
from ml_sys.scoring.cooldown import PAID_SINCE
from ml_sys.settings import Settings
from ml_sys.text import date_of
from tests.data.tables import Tables
from tests.jobs.lists.test_handing_out import scored

# A Wednesday, and the Monday on which the last whole week of usage had ended.
EXPORTED, MONDAY = "2020-01-29", 18_288
NOW = datetime(2020, 1, 29, 12, tzinfo=UTC)
CALLS = 40


@pytest.fixture(scope="module")
def then(registered, three_tables, tmp_path_factory):
    """Artifacts as they were on the Wednesday: the model, and a snapshot of the tables of that day."""
    artifacts = Path(shutil.copytree(registered, tmp_path_factory.mktemp("then") / "artifacts"))
    ingest(artifacts, three_tables, EXPORTED)
    return artifacts


@pytest.fixture
def place(then, tmp_path):
    return Path(shutil.copytree(then, tmp_path / "artifacts"))


def ingest(artifacts, tables, as_of=None):
    names = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
    files = {role: str(tables / f"{name}.csv") for role, name in names.items()}
    Project(artifacts, ingest__files=files).ingest(as_of=as_of)


def pay(artifacts, later):
    """Let the latest tables say that companies became customers on some days after those of the snapshot."""
    pointer = artifacts / "snapshots" / snapshot.LATEST
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {snapshot.LATER: later}))


def score(artifacts, *, hand_out=False, as_of=None, replace_other=False, design="none", now=NOW):
    settings = Settings.model_validate(
        {"artifacts_dir": artifacts, "score": {"hand_out": hand_out}, "experiment": {"design": design}}
    )
    asked = ListRequest(as_of=as_of, capacity=CALLS, replace_other=replace_other, reason="they have paid")
    return score_prospects(Registry(artifacts), "1.0.0", settings, asked, now=now)


def payers(artifacts):
    """Who, as the snapshot says, paid between the Monday and the Wednesday."""
    known = snapshot.latest(artifacts)
    return set(known.companies["id"][(known.closed >= MONDAY) & (known.closed <= known.as_of)])


def entries(artifacts, listed):
    with opened_store(Settings(artifacts_dir=artifacts)) as store:
        return store.entries([listed.handed_out.listed.list_id])


def test_a_list_that_is_handed_out_goes_without_those_who_have_paid_since_and_stays_full(place):
    plain = score(place)
    paid = payers(place)
    assert paid
    assert paid <= set(plain.table["id"])
    top = plain.table["id"][1]  # one more, of whom the tables say so that were exported after the snapshot
    pay(place, {top: "2020-01-29", plain.table["id"][0]: "2020-01-30"})  # the other one not yet
    handed = score(place, hand_out=True)
    rest = plain.table[~plain.table["id"].isin(paid | {top})]
    assert handed.table["id"].tolist() == rest["id"].tolist()
    assert handed.handed_out.called == CALLS
    count = len(paid) + 1
    told = f"{count} companies became customers since 2020-01-27 and were taken out of the list"
    assert told in handed.scored.notes
    found = entries(place, handed)
    gone = found[found["group"] == PAID_SINCE].set_index("entity_id")
    assert set(gone.index) == paid | {top}
    assert gone["rank"].eq(0).all()
    assert gone["inclusion_probability"].eq(0).all()
    assert gone.loc[top, "probability"] == plain.table["probability"][1]
    assert not found[found["selected"]]["entity_id"].isin(gone.index).any()


def test_a_list_that_is_only_looked_at_warns_of_them(place):
    pay(place, {score(place).table["id"][0]: "2020-01-28"})
    shown = score(place)
    (warning,) = (one for one in shown.scored.warnings if "become" in one)
    assert "have become customers since 2020-01-27, of the first 40" in warning or "1 company has" in warning
    assert warning.endswith("a list that is handed out leaves them out (--hand-out)")
    assert with_warning(shown.scored, NOBODY, CALLS) is shown.scored


def test_chances_are_fixed_among_those_who_are_still_free(place):
    first = score(place).table["id"].head(3).tolist()
    pay(place, dict.fromkeys(first, "2020-01-28"))
    found = entries(place, score(place, hand_out=True, design="lottery"))
    pool = found[found["inclusion_probability"] > 0]
    assert len(pool) == 2 * CALLS
    assert pool["rank"].tolist() == list(range(1, 2 * CALLS + 1))
    assert pool["inclusion_probability"].sum() == pytest.approx(CALLS)
    assert not set(pool["entity_id"]) & (set(first) | payers(place))


def test_made_again_from_later_tables_it_is_the_list_that_was_handed_out(place, three_tables):
    handed = score(place, hand_out=True)
    ingest(place, three_tables)
    pay(place, {handed.table["id"][0]: "2020-02-03"})
    for again in (score(place, as_of=MONDAY), score(place, as_of=MONDAY, hand_out=True)):
        pd.testing.assert_frame_equal(again.table, handed.table, check_exact=True)
    assert again.handed_out.recorded == "same"


def test_a_list_of_the_past_that_was_not_handed_out_knows_nothing_of_what_came_later(place, three_tables):
    plain = score(place)
    ingest(place, three_tables)
    for hand_out in (False, True):
        again = score(place, as_of=MONDAY, hand_out=hand_out)
        pd.testing.assert_frame_equal(again.table, plain.table, check_exact=True)
        assert not any("become" in one for one in again.scored.warnings)


def test_who_pays_after_a_list_is_out_is_warned_of_and_leaves_it_where_it_is_replaced(place):
    handed = score(place, hand_out=True)
    best = handed.table["id"][0]
    pay(place, {best: "2020-01-29"})
    again = score(place, hand_out=True)
    assert again.handed_out.recorded == "same"
    assert again.scored.warnings[-1].endswith("the list was handed out before; do not call them")
    anew = score(place, hand_out=True, replace_other=True)
    assert anew.handed_out.recorded == "replaced"
    assert anew.table["id"].tolist() == handed.table["id"].tolist()[1:]


def test_conversions_that_the_tables_date_after_their_usage_stand_beside_the_snapshot(place, three_tables):
    assert snapshot.converted_later(place) == {}  # a day that was given ends all
    known = snapshot.latest(place)
    customers = pd.read_csv(three_tables / "customers.csv", dtype=str)
    tables = place.parent / "tables"
    shutil.copytree(three_tables, tables)
    customers.loc[0, "CLOSEDATE"] = "2020-12-24"
    customers.to_csv(tables / "customers.csv", index=False)
    ingest(place, tables)
    latest = snapshot.latest(place)
    assert date_of(latest.as_of) < "2020-12-24"
    assert snapshot.converted_later(place) == {
        customers["id"][0]: int(np.datetime64("2020-12-24").astype(int))
    }
    assert known.companies["id"].isin([customers["id"][0]]).any()


@pytest.mark.parametrize(
    ("known", "out", "is_out", "said"),
    [
        (set(), set(), False, ""),
        ({"c1"}, {"c1"}, False, ""),  # who is left out is not there to be called
        ({"c9"}, set(), False, ""),  # below the first that are looked at
        ({"c1"}, set(), False, "1 company has become customers since 2020-01-06, of the first 3: a list that "
         "is handed out leaves them out (--hand-out)"),
        ({"c1", "c2", "stranger"}, set(), True, "2 companies have become customers since 2020-01-06, of the "
         "first 3: the list was handed out before; do not call them"),
    ],
)  # fmt: skip
def test_who_has_paid_since_is_warned_of_at_the_top_of_a_list(known, out, is_out, said):
    made = scored(5)
    found = with_warning(made, Payers(frozenset(known), frozenset(out), is_out), 3)
    assert found.warnings == ((said,) if said else ())


@pytest.mark.parametrize(("hand_out", "anew"), [(False, False), (True, False), (True, True)])
def test_a_list_leaves_out_who_has_paid_where_it_is_handed_out_for_the_first_time_or_anew(
    tmp_path, hand_out, anew
):
    closed = np.array([MONDAY - 1, MONDAY, MONDAY + 9, NEVER_CLOSED])
    tables = Tables(tmp_path)
    whole = snapshot.parts(tables.ingest().path)
    latest = snapshot.Everyone(whole, pa.array(["a", "b", "c", "d"]), np.full(4, np.nan), closed, closed)
    pay(tables.artifacts, {"e": MONDAY - 1, "f": MONDAY, "g": MONDAY + 23, "h": MONDAY + 24})
    settings = Settings.model_validate({"artifacts_dir": tables.artifacts, "score": {"hand_out": hand_out}})
    # The clock stands at the 23rd day after the Monday: nobody has paid later than that.
    now = datetime.combine(date.fromisoformat(date_of(MONDAY + 23)), datetime.min.time(), UTC)
    found = paid_by(settings, latest, MONDAY, now, anew=anew)
    assert found.known == {"b", "c", "f", "g"}
    assert found.out == (found.known if hand_out else frozenset())
    assert not found.is_out
    assert paid_by(settings, None, MONDAY, now) == NOBODY
