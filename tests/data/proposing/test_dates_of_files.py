"""Dates that may be read in two ways, and those that are not read."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.looking.dates import AMBIGUOUS, SPREADSHEET
from ml_sys.data.proposing.answers import Answers, Asker
from ml_sys.data.proposing.dates_of_files import are_dates, unread_dates, with_days, with_formats
from ml_sys.errors import InputError
from tests.data.proposing.small import column, day, looked, seen


def dated(name, *formats):
    """A table whose columns of dates are written in some ways."""
    return looked(name, *[column(f"d{at}", "date", format=one) for at, one in enumerate(formats)])


def formats(tables, said="", asker=None):
    notes: list[str] = []
    found = with_formats(tables, said, asker or Asker(), notes)
    return {f"{one.name}.{name}": of.format for one in found for name, of in one.columns.items()}, notes


@pytest.mark.parametrize(
    ("header", "row", "name", "day"),
    [
        ("id Year Month Day n", ["a", "2024", "2", "9", "7"], "Year_Month_Day", "2024-02-09"),
        ("n id 月 年", ["7", "a", "02", "2024"], "年_月", "2024-02-01"),
        ("id year month day", ["a", "2024", "x", "9"], "", ""),
        ("id year month day at", ["a", "2024", "2", "9", "2024-02-09"], "", ""),
    ],
)
def test_a_year_a_month_and_a_day_of_their_own_columns_are_one_where_there_is_no_other_date(
    header, row, name, day
):
    with duckdb.connect() as connection:
        before = seen(connection, "log", header, [row])
        found = with_days(connection, before)
        if not name:
            assert found is before
            return
        assert [one.name for one in found.dates()] == [name]
        assert not set(name.split("_")) & set(found.columns)
        for column_, source in ((f'"{name}"', "log"), (found.table.columns[name], "log")):
            asked = f"SELECT CAST({column_} AS VARCHAR) FROM {source}"  # noqa: S608 - the test's own
            assert connection.execute(asked).fetchone() == (day,)


def test_dates_of_one_sign_are_read_as_others_of_these_files_are_and_it_is_said():
    found, notes = formats([dated("a", f"{AMBIGUOUS}/", "iso"), dated("b", "%m/%d/%Y", "%d-%m-%Y")])
    assert found == {"a.d0": "%m/%d/%Y", "a.d1": "iso", "b.d0": "%m/%d/%Y", "b.d1": "%d-%m-%Y"}
    assert notes == ["a.d0 is read as MM/DD/YYYY, like other dates in these files"]


@pytest.mark.parametrize(
    ("said", "form"), [("DD/MM/YYYY", "%d-%m-%Y"), ("mm-dd", "%m-%d-%Y"), ("dd", "%d-%m-%Y")]
)
def test_an_answer_holds_for_dates_of_every_sign(said, form):
    found, notes = formats([dated("a", f"{AMBIGUOUS}-", f"{AMBIGUOUS}.")], said)
    assert found == {"a.d0": form, "a.d1": form.replace("-", ".")}
    assert notes == []


def test_what_the_files_say_goes_before_the_answer():
    assert formats([dated("a", f"{AMBIGUOUS}-", "%d-%m-%Y")], "MM/DD/YYYY")[0]["a.d0"] == "%d-%m-%Y"


def test_each_sign_is_asked_about_once():
    asked = []
    asker = Asker(lambda question, among: asked.append((question, among)) or among[1])
    slash, dash = f"{AMBIGUOUS}/", f"{AMBIGUOUS}-"
    found, notes = formats([dated("a", slash, slash, dash), dated("b", slash)], asker=asker)
    assert set(found.values()) == {"%m/%d/%Y", "%m-%d-%Y"}
    assert [among for _, among in asked] == [["DD/MM/YYYY", "MM/DD/YYYY"], ["DD-MM-YYYY", "MM-DD-YYYY"]]
    assert asked[0][0] == "a.d0: which date format is this? No day is after the 12th."
    assert [one.split()[0] for one in notes] == ["a.d1", "b.d0"]


def test_months_that_are_written_as_names_do_not_say_how_numbers_are_meant():
    with pytest.raises(InputError, match=r"a\.d1: which date format is this"):
        formats([dated("a", "%d-%b-%Y", f"{AMBIGUOUS}-")])


def test_files_that_speak_against_each_other_do_not_decide():
    tables = [dated("a", "%d/%m/%Y", "%m/%d/%Y", f"{AMBIGUOUS}/")]
    with pytest.raises(InputError, match=r"a\.d2: which date format is this"):
        formats(tables)
    assert formats(tables, "MM/DD/YYYY")[0]["a.d2"] == "%m/%d/%Y"


def test_days_of_a_spreadsheet_are_said():
    found, notes = formats([dated("a", SPREADSHEET, "iso")])
    assert found["a.d0"] == SPREADSHEET
    assert notes == ["a.d0 is read as spreadsheet days, such as 45000 for 2023-03-15"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"at": "users.day"}, ""),
        ({"since": "DAY", "dates": "mm/dd/yyyy"}, ""),
        ({"at": "users.size"}, "--at users.size: not a column of dates"),
        ({"since": "log.day"}, "--since log.day: not a column of dates"),
        ({"dates": "YYYY"}, "--dates YYYY: not a date format"),
    ],
)
def test_an_answer_about_dates_names_some(answers, said):
    tables = [looked("users", day("day"), column("size")), looked("log", column("size"))]
    if not said:
        are_dates(tables, Answers(**answers))
        return
    with pytest.raises(InputError, match=said) as caught:
        are_dates(tables, Answers(**answers))
    assert "users.day" in caught.value.hint or "DD/MM/YYYY" in caught.value.hint


def test_texts_that_look_like_dates_and_are_called_so_are_named_where_nearly_all_do():
    like = [f"3 of May 0{at % 9}, 2024"[:1] + f"/{1 + at % 9}/24 2 PM" for at in range(19)]
    with duckdb.connect() as connection:
        table = seen(connection, "t", "start_date name", [[one, one] for one in [*like, "soon", None]])
        assert unread_dates(connection, [table]) == [
            f"t.start_date: dates such as {like[0]!r} cannot be read; write YYYY-MM-DD HH:MM"
        ]
        nothing = seen(connection, "v", "start_date", [[None], [None]])
        assert unread_dates(connection, [nothing]) == []
        fewer = seen(connection, "u", "start_date", [[one] for one in [*like[1:], "soon"]])
        assert unread_dates(connection, [fewer]) == []
