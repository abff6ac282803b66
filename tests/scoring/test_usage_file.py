"""Usage of prospects out of a file, by the description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import latest
from ml_sys.data.sources import FileSource
from ml_sys.data.usage import UsageRows, values_dtype
from ml_sys.days import DAY_MICROSECONDS, Period
from ml_sys.errors import EmptyTableError, UsageError
from ml_sys.scoring.usage_file import of_prospects, read_usage
from ml_sys.settings import SchemaSettings
from tests.data.described import VISITS, day
from tests.made import NOW

BOUGHT = {"kind": "purchases", "id": "team", "at": "paid_on"}
EVENTS = {
    "kind": "events", "id": "team", "at": "when", "event": "what", "event_id": "key", "kinds": ["view"],
    "amounts": {"minutes": {"column": "minutes", "role": "amount", "digits": 1}},
}  # fmt: skip
DAILY = Coverage(Period("day"), min_coverage=0.0)


def schema_of(**usage):
    return SchemaSettings.model_validate({"tables": {"bought": BOUGHT, **usage}})


def test_events_of_a_file_are_counted_as_ingest_counts_them(tmp_path):
    (tmp_path / "e.csv").write_text(
        "key,team,when,what,minutes\n"
        "1,b,2024-03-01 09:00,view,1.25\n"
        "1,b,2024-03-01 09:00,view,1.25\n"
        "2,b,2024-03-01 10:00,rare,1\n"
        "3,a,2024-03-02,view,\n"
        "4,z,2024-03-05,view,1\n"
        "5,a,soon,view,1\n"
    )
    schema = schema_of(clicks=EVENTS)
    read = read_usage(tmp_path / "e.csv", schema, ["a", "b", "c"], DAILY)
    found = zip(read.company.tolist(), read.stamp.tolist(), read.values.tolist(), strict=True)
    assert list(found) == [(0, day("2024-03-02"), [1, 0, 0]), (1, day("2024-03-01"), [1, 1, 22])]
    assert read.strangers == 1
    assert read.covered_until == day("2024-03-06")
    assert read.values.dtype == values_dtype(schema.form())
    assert list(read.quarantine.rejected("clicks").values()) == [1]
    assert read.quarantine.merged("clicks") == {"repeated event, merged": 1}


def test_rows_of_periods_are_read_by_their_description(tmp_path):
    (tmp_path / "v.csv").write_text("team,day,visits\nb,2.3.2024,5\nb,2.3.2024,4\nz,1.3.2024,1\n")
    schema = schema_of(seen=VISITS | {"dates": "day-first"})
    read = read_usage(tmp_path / "v.csv", schema, ["b"], DAILY, not_after=day("2024-03-02"))
    assert (read.company.tolist(), read.stamp.tolist()) == ([0], [day("2024-03-02")])
    assert (read.values.tolist(), read.strangers) == ([[5]], 1)
    assert read.covered_until == day("2024-03-02")


def test_a_file_of_bad_rows_alone_is_read_and_one_without_any_row_is_refused(tmp_path):
    schema, path = schema_of(seen=VISITS), tmp_path / "v.csv"
    path.write_text("team,day,visits\nb,soon,5\n")
    read = read_usage(path, schema, ["b"], DAILY)
    assert (read.company.size, read.covered_until) == (0, None)
    assert sum(read.quarantine.rejected("usage").values()) == 1
    path.write_text("team,day,visits\n")
    with pytest.raises(EmptyTableError):
        read_usage(path, schema, ["b"], DAILY)


PEOPLE = {"kind": "links", "user": "who", "id": "team"}
LINKED = EVENTS | {"id": "", "user": "who", "link": "people"}


def test_several_tables_and_users_of_teams_are_read_side_by_side_as_ingest_reads_them(tmp_path):
    places = {name: str(tmp_path / f"{name}.csv") for name in ("seen", "clicks", "people", "bought")}
    for name, text in {
        "seen": "team,day,visits\nb,2024-03-01,5\na,2024-03-01,7\nz,2024-03-02,2\n",
        "clicks": "key,who,when,what,minutes\n1,ann,2024-03-01,view,1\n1,ann,2024-03-01,view,1\n"
        "2,bob,2024-03-03,rare,2.5\n3,eve,2024-03-03,view,9\n",
        "people": "who,team\nann,b\nann,a\nbob,a\n",
        "bought": "team,paid_on\nc,2024-03-02\n",
    }.items():
        Path(places[name]).write_text(text)
    schema = schema_of(seen=VISITS, clicks=LINKED, people=PEOPLE)
    usage = {name: where for name, where in places.items() if name != "bought"}
    read = read_usage(usage, schema, ["a", "b"], DAILY)
    assert (read.strangers, read.covered_until) == (1, day("2024-03-04"))
    assert read.quarantine.merged("clicks") == {"repeated event, merged": 1}
    ingest(Origin(FileSource(), schema, places), Rules(1.0, coverage=DAILY), tmp_path / "artifacts", now=NOW)
    known = latest(tmp_path / "artifacts")
    ids = known.companies["id"].tolist()
    stored = {
        (ids[at], stamp): values
        for at, stamp, values in zip(
            known.usage_company.tolist(), known.usage_stamp.tolist(), known.usage_values.tolist(), strict=True
        )
    }
    found = zip(read.company.tolist(), read.stamp.tolist(), read.values.tolist(), strict=True)
    assert {("ab"[at], stamp): values for at, stamp, values in found} == {
        (name, stamp): values for (name, stamp), values in stored.items() if name in "ab"
    }


def test_a_table_that_is_not_named_is_where_the_description_says(tmp_path):
    schema = schema_of(seen=VISITS | {"file": str(tmp_path / "v.csv")}, clicks=EVENTS)
    (tmp_path / "e.csv").write_text("key,team,when,what,minutes\n1,b,2024-03-01,view,1\n")
    (tmp_path / "v.csv").write_text("team,day,visits\nb,2024-03-01,5\n")
    read = read_usage({"clicks": str(tmp_path / "e.csv")}, schema, ["b"], DAILY)
    assert read.values.tolist() == [[5, 1, 0, 10]]
    (tmp_path / "newer.csv").write_text("team,day,visits\nb,2024-03-01,7\n")
    named = {"clicks": str(tmp_path / "e.csv"), "seen": str(tmp_path / "newer.csv")}
    assert read_usage(named, schema, ["b"], DAILY).values.tolist() == [[7, 1, 0, 10]]
    with pytest.raises(UsageError, match="the location of the table clicks is"):
        read_usage({"seen": "v.csv"}, schema, ["b"], DAILY)
    for name, near in (("bought", ""), ("click", "did you mean clicks? ")):
        with pytest.raises(UsageError, match=f"--table {name}: there is no such table of usage") as caught:
            read_usage({name: "b.csv"}, schema, ["b"], DAILY)
        assert caught.value.hint == f"{near}Give --table seen=FILE --table clicks=FILE"


def test_one_file_cannot_hold_several_usage_tables_or_users_that_need_a_link(tmp_path):
    several = schema_of(seen=VISITS, clicks=EVENTS)
    with pytest.raises(UsageError, match="one file cannot hold all described usage tables: seen, clicks"):
        read_usage(tmp_path / "none.csv", several, [], DAILY)
    linked = schema_of(clicks=LINKED, people=PEOPLE)
    with pytest.raises(UsageError, match="one file cannot hold") as caught:
        read_usage(tmp_path / "none.csv", linked, [], DAILY)
    assert caught.value.hint == "give a file for each: --table clicks=FILE --table people=FILE"


def test_the_kinds_and_the_measures_of_a_model_are_those_that_count(tmp_path):
    (tmp_path / "e.csv").write_text(
        "key,team,when,what,minutes\n"
        "1,b,2024-03-01 09:00,view,1.5\n2,b,2024-03-01 10:00,rare,1\n3,a,2024-03-02,rare,2\n"
    )
    open_kinds = {name: value for name, value in EVENTS.items() if name != "kinds"}
    wanted = schema_of(clicks=EVENTS | {"kinds": ["rare"]}).form()
    read = read_usage(tmp_path / "e.csv", schema_of(clicks=open_kinds), ["b", "a"], DAILY, wanted=wanted)
    found = zip(read.company.tolist(), read.values.tolist(), strict=True)
    assert list(found) == [(0, [1, 1, 25]), (1, [1, 0, 20])]  # rare, others and minutes, in their order
    fewer = replace(wanted, measures=wanted.measures[2:])
    alone = read_usage(tmp_path / "e.csv", schema_of(clicks=open_kinds), ["a"], DAILY, wanted=fewer)
    assert (alone.values.tolist(), alone.strangers) == ([[20]], 1)
    early = read_usage(
        tmp_path / "e.csv", schema_of(clicks=EVENTS), ["a"], DAILY, not_after=day("2024-03-02")
    )
    assert early.covered_until == day("2024-03-02")


def test_strangers_of_every_part_of_a_file_are_counted(tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    for name, rows in (("a", "x,2024-03-01,1\ny,2024-03-01,1"), ("b", "z,2024-03-02,1\nb,2024-03-02,1")):
        (folder / f"{name}.csv").write_text(f"team,day,visits\n{rows}\n")
    read = read_usage(folder, schema_of(seen=VISITS), ["b"], DAILY)
    assert (read.strangers, read.company.tolist(), read.covered_until) == (3, [0], day("2024-03-03"))


def test_tables_of_every_kind_lie_side_by_side_whoever_turns_up_first(tmp_path):
    texts = {
        "seen": "team,day,visits\nb,2024-03-01,2\nc,2024-03-01,3\na,2024-03-01,1\nb,2024-03-02,4\n",
        "clicks": "team,when,what\n"
        + "".join(f"{one},2024-03-01,view\n" for one in "abbccc")
        + "z,2024-03-01,view\nz,2024-03-02,view\ny,2024-03-02,view\n",
        "taps": "team,when,what\nb,2024-03-01,long\nc,2024-03-01,short\nc,2024-03-01,long\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text)
    places = {name: str(tmp_path / f"{name}.csv") for name in texts}
    events = {"kind": "events", "id": "team", "at": "when", "event": "what"}
    named = {"clicks": events | {"kinds": ["view"]}, "taps": events | {"kinds": ["short"]}}
    wanted = schema_of(seen=VISITS, **named).form()
    schema = schema_of(seen=VISITS, clicks=events, taps=events)
    read = read_usage(places, schema, ["c", "a", "b"], DAILY, wanted=wanted)
    assert wanted.measure_names == ("visits", "clicks_view", "clicks_other", "taps_short", "taps_other")
    found = zip(read.company.tolist(), read.stamp.tolist(), read.values.tolist(), strict=True)
    first, second = day("2024-03-01"), day("2024-03-02")
    assert list(found) == [
        (0, first, [3, 3, 0, 1, 1]),
        (1, first, [1, 1, 0, 0, 0]),
        (2, first, [2, 2, 0, 0, 1]),
        (2, second, [4, 0, 0, 0, 0]),
    ]
    assert read.strangers == 3  # rows of two companies


def test_measures_of_periods_are_given_in_the_order_of_the_model(tmp_path):
    two = {"visits": {"column": "visits"}, "pages": {"column": "pages"}}
    schema = schema_of(seen=VISITS | {"measures": two})
    (tmp_path / "v.csv").write_text("team,day,visits,pages\nb,2024-03-01,5,9\n")
    form = schema.form()
    wanted = replace(form, measures=form.measures[::-1])
    assert read_usage(tmp_path / "v.csv", schema, ["b"], DAILY, wanted=wanted).values.tolist() == [[9, 5]]
    assert read_usage(tmp_path / "v.csv", schema, ["b"], DAILY).values.tolist() == [[5, 9]]


def test_many_rows_of_a_prospect_keep_their_order_in_time() -> None:
    on = np.tile(np.arange(300), 3)
    rows = UsageRows(
        np.repeat(np.arange(3, dtype=np.int32), 300),
        on * DAY_MICROSECONDS,
        on[:, None],
        np.arange(on.size),
    )
    company, stamp, values, others = of_prospects(
        rows, CompanyIndex(["a", "z", "b"], frozenset()), ["b", "a"]
    )
    assert company.tolist() == [0] * 300 + [1] * 300
    assert stamp.tolist() == values[:, 0].tolist() == on[:600].tolist()
    assert others == 300
