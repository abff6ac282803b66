"""Tables of any form come to one snapshot, as their description says."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.companies import CONFLICT, CUSTOMER_IN_QUARANTINE
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.ingest_counts import ingest_counts
from ml_sys.data.purchases import PurchaseRows, converted_by, first_of_each, unusable
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot import MANIFEST
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.errors import MissingColumnError, TooManyRejectedError
from ml_sys.form import form_from_plain
from ml_sys.settings import SchemaSettings
from tests.data.described import VISITS, day, ingested, told, write
from tests.data.tables import companies_of

EDTECH = Path(__file__).parents[3] / "shared" / "data" / "edtech"
TEAMS = {"kind": "entities", "id": "team", "since": "born"}
BOUGHT = {"kind": "purchases", "id": "team", "at": "paid_on", "value": "euros"}
LOG = """day,team,visits
    2024-03-01,a,1
    2024-03-02,b,2
    2024-03-03,c,3"""


def test_two_tables_of_entities_with_names_of_their_own_are_united(tmp_path):
    files = write(
        tmp_path,
        paying="key,signed,plan_size\na,2024-03-02,5\n",
        trials="name,plan_size\na,\nb,7\nc,8\n",
        seen=LOG,
    )
    description = {
        "tables": {
            "paying": {"kind": "entities", "id": "key", "converted_on": "signed"},
            "trials": {"kind": "entities", "id": "name"},
            "seen": VISITS,
        },
        "attributes": {"size": {"kind": "number", "column": "plan_size"}},
    }
    snapshot, report = ingested(tmp_path, description, files)
    assert snapshot.companies["id"].tolist() == ["a", "b", "c"]
    assert snapshot.companies["size"].tolist() == [5, 7, 8]
    assert snapshot.closed.tolist() == [day("2024-03-02"), NEVER_CLOSED, NEVER_CLOSED]
    assert list(report.tables) == ["paying", "trials", "seen"]
    assert report.tables["trials"].merged == {"also a customer": 1}
    assert told(snapshot) == [("a", "2024-03-01", 1), ("b", "2024-03-02", 2), ("c", "2024-03-03", 3)]


def one_table(**more):
    return {
        "tables": {"teams": {"kind": "entities", "id": "team", "converted_on": "paid"} | more, "seen": VISITS}
    }


def test_in_a_table_of_all_entities_a_blank_day_has_not_converted(tmp_path):
    files = write(tmp_path, teams="team,paid\na,2024-03-02\nb,\nc,\n", seen=LOG)
    snapshot, report = ingested(tmp_path, one_table(), files)
    assert (snapshot.closed != NEVER_CLOSED).tolist() == [True, False, False]
    assert not report.tables["teams"].rejected


def test_where_every_row_has_converted_one_without_its_day_is_a_bad_row(tmp_path):
    files = write(tmp_path, teams="team,paid\na,2024-03-02\nb,\n", seen=LOG)
    _, report = ingested(tmp_path, one_table(all_converted=True), files)
    assert report.tables["teams"].rejected == {"paid is blank": 1}


def test_two_days_of_conversion_contradict_each_other_in_whichever_tables_they_are(tmp_path):
    files = write(
        tmp_path, one="team,paid\na,2024-03-02\n", two="team,paid\na,2024-03-03\nb,\nc,\n", seen=LOG
    )
    table = {"kind": "entities", "id": "team", "converted_on": "paid"}
    snapshot, report = ingested(tmp_path, {"tables": {"one": table, "two": table, "seen": VISITS}}, files)
    assert snapshot.companies["id"].tolist() == ["b", "c"]
    assert [one.rejected for one in report.tables.values()] == [
        {CONFLICT: 1}, {CONFLICT: 1}, {LOST_COMPANY: 1}
    ]  # fmt: skip


def test_reasons_speak_of_entities_as_the_description_does(tmp_path):
    files = write(
        tmp_path, one="team,paid\na,2024-03-02\nb,\nb,\n", two="team,paid\na,2024-03-03\nc,\n", seen=LOG
    )
    table = {"kind": "entities", "id": "team", "converted_on": "paid"}
    words = {"entity": {"one": "Übung", "many": "Übungen"}, "customer": {"one": "payer", "many": "payers"}}
    description = {"tables": {"one": table, "two": table, "seen": VISITS}, "words": words}
    _, report = ingested(tmp_path, description, files)
    reasons = [dict(one.rejected) | dict(one.merged) for one in report.tables.values()]
    assert reasons[0] == {"conflicting Übung rows": 1, "duplicate Übung, merged": 1}
    assert reasons[2] == {"its Übung is in quarantine": 1}
    assert not [reason for one in reasons for reason in one if "company" in reason]
    assert ingest_counts(report.path).merged == {"one": 1}


BUYING = {"tables": {"teams": TEAMS, "bought": BOUGHT, "seen": VISITS}}
BORN = "team,born\na,2024-02-01\nb,2024-02-02\nc,\n"


def test_the_first_purchase_is_the_conversion_and_its_money_the_value(tmp_path):
    files = write(
        tmp_path,
        teams=BORN,
        bought="""team,paid_on,euros
            a,2024-03-09 10:00,90
            a,2024-03-02 09:00,20
            a,2024-03-02 08:00,10
            a,2024-03-02 08:00,15
            z,2024-03-03,1""",
        seen=LOG + "\n2024-03-12,b,1",
    )
    snapshot, report = ingested(tmp_path, BUYING, files)
    assert snapshot.closed.tolist() == [day("2024-03-02"), NEVER_CLOSED, NEVER_CLOSED]
    assert snapshot.companies["value"][0] == 15
    assert np.isnan(snapshot.companies["value"][1])
    assert report.tables["bought"].rejected == {UNKNOWN_ID: 1}
    assert report.tables["bought"].accepted == 4
    assert snapshot.since.tolist() == [day("2024-02-01"), day("2024-02-02"), NEVER_BEGAN]


def test_who_bought_on_a_day_that_cannot_be_read_is_no_prospect(tmp_path):
    files = write(tmp_path, teams=BORN, bought="team,paid_on,euros\na,soon,3\nb,2024-03-02,x\n", seen=LOG)
    snapshot, report = ingested(tmp_path, BUYING, files)
    assert snapshot.companies["id"].tolist() == ["b", "c"]
    assert report.tables["teams"].rejected == {CUSTOMER_IN_QUARANTINE: 1}
    assert report.tables["seen"].rejected == {LOST_COMPANY: 1}
    assert report.tables["bought"].blanked == {"euros is not a number": 1}


def test_a_purchase_before_the_day_that_a_table_names_is_the_conversion(tmp_path):
    at = day("2024-03-02") * DAY_MICROSECONDS
    rows = pd.DataFrame({"line": [2], "id": ["a"], "at": [at], "value": [9.0], "converts": [True]})
    table = PurchaseRows("bought", rows, "bought.csv", frozenset({"a", "q"}))
    assert unusable([table]) == {"q"}
    companies = pd.DataFrame({"id": ["a", "b"], "converted_on": np.int32(day("2024-03-05")), "value": 1.0})
    index, first = CompanyIndex(["a", "b"], frozenset()), first_of_each([table])
    found = converted_by(companies_of(companies), index, first)
    assert found.converted_on.tolist() == [day("2024-03-02"), day("2024-03-05")]
    assert found.value.tolist() == [9, 1]
    earlier = companies.assign(converted_on=np.int32(day("2024-03-01")))
    assert converted_by(companies_of(earlier), index, first).value.tolist() == [1, 1]


def test_since_is_the_earliest_day_and_conversions_by_it_are_said(tmp_path):
    files = write(
        tmp_path,
        teams="team,born\na,2024-03-02\na,2024-03-01\nb,2024-03-02\nc,2024-03-03\n",
        bought="team,paid_on,euros\na,2024-03-01,1\nb,2024-03-01,1\n",
        seen=LOG,
    )
    snapshot, report = ingested(tmp_path, BUYING, files)
    assert snapshot.since.tolist() == [day("2024-03-01"), day("2024-03-02"), day("2024-03-03")]
    assert [note for note in report.notes if "set aside" in note] == [
        "1 customer converted on the first day: set aside, as there is nothing before it to learn from",
        "1 customer converted before the first day: set aside, as one of the two dates is wrong",
    ]


def test_without_a_table_of_entities_the_ids_of_usage_and_purchases_are_the_entities(tmp_path):
    files = write(tmp_path, bought="team,paid_on,euros\nd,2024-03-02,5\nb,bad,1\n", seen=LOG)
    snapshot, report = ingested(tmp_path, {"tables": {"bought": BOUGHT, "seen": VISITS}}, files)
    assert snapshot.companies["id"].tolist() == ["a", "c", "d"]
    assert (snapshot.closed != NEVER_CLOSED).tolist() == [False, False, True]
    assert [row[0] for row in told(snapshot)] == ["a", "c"]
    assert report.tables["seen"].rejected == {LOST_COMPANY: 1}


ATTRIBUTES = {
    "rank": {"kind": "number", "scale": "log", "none": 999, "missing": ["n/a"]},
    "debt": {"kind": "number"},
    "stage": {"kind": "ordered", "levels": ["Seed", "Growth", "Late"]},
    "staff": {"kind": "range"},
    "country": {"kind": "category", "missing": ["unknown"]},
    "demo": {"kind": "flag"},
}


def test_attributes_of_every_kind_are_read_and_bad_ones_are_blank(tmp_path):
    files = write(
        tmp_path,
        teams="""team,born,rank,debt,stage,staff,country,demo
            a,2024-01-01,999,-5,late,11 to 25,DE,yes
            b,2024-01-01,12.5,,Seed,10k+,Unknown,FALSE
            c,2024-01-01,-1,x,middle,,,maybe
            d,2024-01-01,N/A,0,,,,""",
        bought="team,paid_on,euros\na,2024-03-02,1\n",
        seen=LOG,
    )
    snapshot, report = ingested(tmp_path, BUYING | {"attributes": ATTRIBUTES}, files)
    known = snapshot.companies.set_index("id")
    np.testing.assert_array_equal(known["rank"], [np.inf, 12.5, np.nan, np.nan])
    np.testing.assert_array_equal(known["debt"], [-5, np.nan, np.nan, 0])
    np.testing.assert_array_equal(known["demo"], [1, 0, np.nan, np.nan])
    for name, said in {
        "stage": ["Late", "Seed", None, None],
        "staff": ["11 to 25", "10k+", None, None],
        "country": ["DE", None, None, None],
    }.items():
        assert known[name].astype(object).where(known[name].notna(), None).tolist() == said
    assert report.tables["teams"].blanked == {
        "debt is not a number": 1,
        "demo is neither yes nor no": 1,
        "rank is not positive": 1,
        "stage is not one of its levels": 1,
    }
    assert report.tables["teams"].accepted == 4


def test_a_table_may_lack_an_attribute_that_another_has_and_that_is_said(tmp_path):
    files = write(
        tmp_path, teams="team,paid\na,2024-03-02\n", others="team,country\na,DE\nb,FR\nc,\n", seen=LOG
    )
    described = one_table()
    described["tables"]["others"] = {"kind": "entities", "id": "team"}
    described["attributes"] = {"country": {"kind": "category"}}
    snapshot, report = ingested(tmp_path, described, files)
    assert snapshot.companies["country"][:2].tolist() == ["DE", "FR"]
    assert "teams: has no column for country, which stays blank unless another table has it" in report.notes


def test_an_attribute_that_no_table_has_or_a_table_should_have_is_missing(tmp_path):
    files = write(tmp_path, teams="team,paid,land\na,2024-03-02,DE\n", seen=LOG)
    named = {"attributes": {"country": {"kind": "category"}}}
    with pytest.raises(MissingColumnError, match="column 'country' is missing"):
        ingested(tmp_path, one_table() | named, files)
    with pytest.raises(MissingColumnError, match="column 'country' is missing"):
        ingested(tmp_path, one_table(attributes=["country"]) | named, files)
    snapshot, _ = ingested(tmp_path, one_table() | named | {"columns": {"country": "land"}}, files)
    assert snapshot.companies["country"].tolist() == ["DE"]


def test_several_usage_tables_lie_side_by_side_each_reduced_by_itself(tmp_path):
    app = {
        "kind": "periods",
        "id": "team",
        "at": "day",
        "measures": {
            "people": {"column": "people", "role": "users"},
            "minutes": {"column": "minutes", "role": "amount", "digits": 1},
        },
    }
    files = write(
        tmp_path,
        teams="team,paid\na,2024-03-02\nb,\nc,\n",
        seen=LOG + "\n2024-03-01,a,9",
        app="team,day,people,minutes\na,2024-03-01,2,0.25\na,2024-03-02,1,0.35\nb,2024-03-02,1,1.5\nb,2024-03-02,1,-1\n",
    )
    described = one_table()
    described["tables"]["app"] = app
    snapshot, report = ingested(tmp_path, described, files)
    assert snapshot.form.measure_names == ("visits", "minutes", "people")
    assert snapshot.usage_values.dtype == np.int64
    assert told(snapshot) == [
        ("a", "2024-03-01", 9, 2, 2),
        ("a", "2024-03-02", 0, 4, 1),
        ("b", "2024-03-02", 2, 15, 1),
        ("c", "2024-03-03", 3, 0, 0),
    ]
    assert report.tables["seen"].rejected == {"conflicting usage row": 1}
    assert report.tables["app"].rejected == {"minutes is negative": 1}


def test_a_snapshot_keeps_its_form_and_is_another_by_another_meaning(tmp_path):
    files = write(tmp_path, teams="team,paid\na,2024-03-02\nb,\nc,\n", seen=LOG)
    snapshot, report = ingested(tmp_path, one_table(), files)
    manifest = json.loads((report.path / MANIFEST).read_text())
    assert form_from_plain(manifest["form"]) == snapshot.form == SchemaSettings(**one_table()).form()
    assert manifest["time_zone"] == "UTC"
    worded = one_table() | {"words": {"entity": {"one": "team", "many": "teams"}}}
    ids = {ingested(tmp_path, one, files)[1].id for one in (one_table(), worded)}
    assert ingested(tmp_path, worded, files)[1].words.entity.many == "teams"
    elsewhere = ingested(tmp_path, one_table() | {"time_zone": "Europe/Berlin"}, files)[1].id
    assert len({*ids, elsewhere}) == 3
    assert report.id in ids


@pytest.mark.parametrize(
    ("dates", "first", "second"),
    [
        ("day-first", "01.03.2024", "2.3.2024 00:00"),
        ("day-first", "01-03-2024", "2024-03-02"),
        ("month-first", "03/01/2024", "3/2/2024"),
        ("epoch_s", "1709251200", "1709337600.0"),
        ("epoch_ms", "1709251200000", "1.7093376e12"),
    ],
)
def test_days_are_read_however_they_are_written(tmp_path, dates, first, second):
    files = write(
        tmp_path,
        teams="team,paid\na,2024-03-02\nb,\n",
        seen=f"team,day,visits\na,{first},1\nb,{second},2\nb,tomorrow,2\n",
    )
    described = one_table()
    described["tables"]["seen"] = VISITS | {"dates": dates}
    snapshot, report = ingested(tmp_path, described, files)
    assert told(snapshot) == [("a", "2024-03-01", 1), ("b", "2024-03-02", 2)]
    assert len(report.tables["seen"].rejected) == 1


def test_seconds_that_are_taken_for_milliseconds_are_refused_and_milliseconds_for_seconds(tmp_path):
    files = write(tmp_path, teams="team,paid\na,2024-03-02\n", seen="team,day,visits\na,1709251200,1\n")
    described = one_table()
    described["tables"]["seen"] = VISITS | {"dates": "epoch_ms"}
    _, report = ingested(tmp_path, described, files, as_of="2024-03-05")
    assert report.tables["seen"].rejected == {"day lies outside 1970 to 2099": 1}
    files |= write(tmp_path, seen="team,day,visits\na,1709251200000,1\n")
    described["tables"]["seen"] = VISITS | {"dates": "epoch_s"}
    _, report = ingested(tmp_path, described, files, as_of="2024-03-05")
    assert report.tables["seen"].rejected == {"day lies outside 1970 to 2099": 1}


def test_days_and_moments_are_those_of_the_time_zone_whatever_the_clocks_do(tmp_path):
    # Berlin: one hour ahead of UTC until 01:00 UTC on 31 March 2024, two from then on.
    files = write(
        tmp_path,
        teams="team,paid\na,2024-03-31T21:30:00Z\nb,2024-03-31T22:30:00Z\nc,2024-03-30T23:30:00Z\n",
        seen="""team,day,visits
            a,2024-03-30T23:00:00Z,1
            a,2024-03-31T22:00:00+00:00,2
            b,2024-04-01,3
            c,2024-03-31T23:00:00+02:00,4""",
    )
    snapshot, _ = ingested(tmp_path, one_table() | {"time_zone": "Europe/Berlin"}, files, as_of="2024-04-09")
    closed = snapshot.closed.astype("datetime64[D]").astype(str).tolist()
    assert closed == ["2024-03-31", "2024-04-01", "2024-03-31"]
    assert told(snapshot) == [
        ("a", "2024-03-31", 1), ("a", "2024-04-01", 2), ("b", "2024-04-01", 3), ("c", "2024-04-01", 4)
    ]  # fmt: skip


def test_the_day_of_the_export_is_that_of_the_time_zone(tmp_path):
    files = write(tmp_path, teams="team,paid\na,2024-03-01\nb,\nc,\n", seen=LOG)
    late = datetime(2024, 3, 2, 23, 30, tzinfo=UTC)
    in_utc = ingested(tmp_path, one_table(), files, now=late)[1]
    in_berlin = ingested(tmp_path, one_table() | {"time_zone": "Europe/Berlin"}, files, now=late)[1]
    assert (in_utc.as_of, in_berlin.as_of) == ("2024-03-02", "2024-03-03")


EVENTS = {"kind": "events", "id": "team", "at": "when", "event": "what", "user": "who"}


def test_events_become_usage_of_periods(tmp_path):
    files = write(
        tmp_path,
        teams=BORN,
        bought="team,paid_on,euros\na,2024-03-05,1\n",
        clicks="""team,when,what,who,minutes
            a,2024-03-01 09:00,view,ann,1.5
            a,2024-03-01 10:00,view,bob,
            a,2024-03-01 11:00,save,ann,2
            b,2024-03-02 08:00,rare,,1
            q,2024-03-02 08:00,view,,1
            b,2024-03-09 08:00,view,,1""",
    )
    minutes = {"minutes": {"column": "minutes", "role": "amount", "digits": 1}}
    table = EVENTS | {"kinds": ["view", "save"], "amounts": minutes}
    description = {"tables": {"teams": TEAMS, "bought": BOUGHT, "clicks": table}}
    snapshot, report = ingested(tmp_path, description, files, as_of="2024-03-09")
    assert snapshot.form.measure_names == (
        "clicks_view", "clicks_save", "clicks_other", "minutes", "clicks_users"
    )  # fmt: skip
    assert told(snapshot) == [("a", "2024-03-01", 2, 1, 0, 35, 2), ("b", "2024-03-02", 0, 0, 1, 10, 0)]
    assert report.tables["clicks"].rejected == {UNKNOWN_ID: 1, "its period is not complete": 1}
    assert report.tables["clicks"].accepted == 4


def test_users_lead_to_their_entities_and_repeated_events_count_once(tmp_path):
    files = write(
        tmp_path,
        bought="team,paid_on,euros\nt1,2024-03-05,1\n",
        people="who,team\nann,t1\nbob,t2\n",
        clicks="key,when,who\n1,2024-03-01,ann\n1,2024-03-01,ann\n2,2024-03-01,bob\n3,2024-03-02,eve\n",
    )
    tables = {
        "bought": BOUGHT,
        "people": {"kind": "links", "user": "who", "id": "team"},
        "clicks": {
            "kind": "events", "id": "", "at": "when", "user": "who", "link": "people", "event_id": "key"
        },
    }  # fmt: skip
    snapshot, report = ingested(tmp_path, {"tables": tables}, files, as_of="2024-03-09")
    assert told(snapshot) == [("t1", "2024-03-01", 1, 1), ("t2", "2024-03-01", 1, 1)]
    assert report.tables["clicks"].merged == {"repeated event, merged": 1}
    assert report.tables["clicks"].rejected == {UNKNOWN_ID: 1}
    assert report.tables["people"].accepted == 2


def test_kinds_are_those_of_before_the_holdout_and_then_those_of_the_last_snapshot(tmp_path):
    rows = ["team,when,what,who"]
    said = (("01", "old", "x"), ("03", "new", "x"), ("03", "new", "y"))
    rows += [f"a,2024-{month}-{d:02},{kind},{who}" for month, kind, who in said for d in range(1, 29)]
    files = write(tmp_path, bought="team,paid_on,euros\na,2024-03-05,1\n", clicks="\n".join(rows))
    description = {"tables": {"bought": BOUGHT, "clicks": EVENTS | {"max_kinds": 1}}}
    first = ingested(tmp_path, description, files, unseen_days=40)[0]
    assert first.form.tables[0].kinds == ("old",)
    again = ingested(tmp_path, description, files, unseen_days=0)[0]
    assert again.form == first.form
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert ingested(elsewhere, description, files, unseen_days=0)[0].form.tables[0].kinds == ("new",)


@pytest.mark.skipif(not EDTECH.exists(), reason="the tables of lessons are not there")
def test_lessons_watched_become_a_snapshot_by_a_description_alone(tmp_path):
    tables = {
        "students": {"kind": "entities", "id": "student_id", "since": "date_registered"},
        "lessons": {
            "kind": "events", "id": "student_id", "at": "date_watched",
            "amounts": {"minutes": {"column": "minutes_watched", "role": "amount", "digits": 1}},
        },
        "bought": {"kind": "purchases", "id": "student_id", "at": "date_purchased"},
    }  # fmt: skip
    description = {
        "tables": tables, "attributes": {"country": {"kind": "category", "column": "student_country"}}
    }  # fmt: skip
    files = {
        "students": str(EDTECH / "student_info.csv"),
        "lessons": str(EDTECH / "student_learning.csv"),
        "bought": str(EDTECH / "student_purchases.csv"),
    }
    snapshot, report = ingested(tmp_path, description, files)
    assert snapshot.form.measure_names == ("lessons_events", "minutes")
    assert len(snapshot.companies) > 30_000
    assert (snapshot.closed != NEVER_CLOSED).sum() > 1000
    assert all(one.accepted > 0.95 * one.read for one in report.tables.values())
    assert (snapshot.usage_values[:, 1] > 0).mean() > 0.9


def test_the_description_that_the_manual_shows_is_one():
    manual = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    shown = tomllib.loads(manual.split("```toml\n")[1].split("```")[0])["schema"]
    form = SchemaSettings.model_validate(shown).form()
    assert form.measure_names == ("visits", "minutes")
    assert form.has_since


def test_dates_that_are_written_otherwise_are_said_with_how_to_describe_them(tmp_path):
    files = write(tmp_path, teams="team,paid\na,02.03.2024\nb,\n", seen=LOG)
    with pytest.raises(TooManyRejectedError, match="paid is not an ISO date") as caught:
        ingested(tmp_path, one_table(), files, max_rejected_share=0.05)
    assert "set dates under [schema.tables.teams] to day-first" in caught.value.hint
    files |= write(tmp_path, teams="team,paid\na,\n", seen="team,day,visits\na,soon,1\n")
    with pytest.raises(TooManyRejectedError, match="day is not an ISO date"):
        ingested(tmp_path, one_table(), files, max_rejected_share=0.05)


def test_in_each_month_those_count_that_exist_and_not_those_that_converted_on_the_first_day(tmp_path):
    files = write(
        tmp_path,
        teams="team,born\na,2024-01-01\nb,2024-02-10\nc,2024-02-20\n",
        bought="team,paid_on,euros\na,2024-02-05,1\nb,2024-02-10,1\nc,2024-02-25,1\n",
        seen="day,team,visits\n2024-01-05,a,1\n2024-02-26,c,1\n",
    )
    _, report = ingested(tmp_path, BUYING, files)
    found = [(one.month, one.free, one.conversions) for one in report.conversion]
    assert found == [("2024-01", 1, 0), ("2024-02", 2, 2)]
