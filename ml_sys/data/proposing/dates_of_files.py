"""Decide the date formats of the files that a description is proposed for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.data.looking import dates
from ml_sys.data.looking.columns import columns_of
from ml_sys.data.looking.looked import Looked
from ml_sys.data.proposing.answers import Asker, matches
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ml_sys.data.proposing.answers import Answers

_MOST = 0.95
# What a year, a month and a day are called that stand in columns of their own.
_PARTS_OF_A_DAY = (
    {"year", "yyyy", "jahr", "annee", "année", "anio", "año", "ano", "anno", "年", "年份"},
    {"month", "mm", "monat", "mois", "mes", "mês", "mese", "月", "月份"},
    {"day", "dd", "tag", "jour", "dia", "día", "giorno", "日", "日期"},
)


def with_days(connection: duckdb.DuckDBPyConnection, one: Looked) -> Looked:
    """Put a year, a month and a day in columns of their own together, where a table has no other date.

    Without a column of the day, it is the first of the month.
    """
    called = {name.strip().casefold(): name for name in one.columns}
    parts = [next((called[word] for word in called if word in words), "") for words in _PARTS_OF_A_DAY]
    if one.dates() or not all(parts[:2]):
        return one
    named = [part for part in parts if part]
    name = "_".join(part.strip() for part in named)
    first = "" if parts[2] else ", '1'"
    view, table = one.table.view, one.table
    texts = [f"CAST({table.columns[part]} AS VARCHAR)" for part in named]
    days, seen = (
        f"TRY_CAST(concat_ws('-', {', '.join(of)}{first}) AS DATE)" for of in (texts, map(quoted, named))
    )
    ((known,),) = connection.execute(f"SELECT avg(CAST({seen} IS NOT NULL AS INT)) FROM {view}").fetchall()
    if known < _MOST:
        return one
    connection.execute(f"ALTER TABLE {view} ADD COLUMN {quoted(name)} VARCHAR")
    connection.execute(f"UPDATE {view} SET {quoted(name)} = {seen}")
    columns = {other: sql for other, sql in table.columns.items() if other not in named}
    table = replace(table, columns={**columns, name: days})
    return Looked(table, columns_of(connection, table))


def are_dates(looked: list[Looked], answers: Answers) -> None:
    """Check that answers about dates name columns of dates and a known format.

    Raises
    ------
    InputError
        If they do not.
    """
    present = [(table.name, column.name) for table in looked for column in table.dates()]
    for flag, answer in (("--at", answers.at), ("--since", answers.since)):
        if answer and not any(matches(answer, *place) for place in present):
            among = ", ".join(".".join(place) for place in present)
            raise InputError(f"{flag} {answer}: not a column of dates", hint=f"columns of dates are {among}")
    if answers.dates and answers.dates[:1].casefold() not in {"d", "m"}:
        raise InputError(f"--dates {answers.dates}: not a date format", hint="give DD/MM/YYYY or MM/DD/YYYY")


def with_formats(looked: list[Looked], said: str, asker: Asker, notes: list[str]) -> list[Looked]:
    """Decide ambiguous date formats by other dates with the same separator, or ask."""
    numbered = {
        one.format
        for table in looked
        for one in table.dates()
        if one.format.startswith(("%d", "%m")) and one.format != dates.NAMED_MONTH
    }
    signs = [form[2] for form in numbered]
    # If files contradict each other, they decide nothing.
    told = {form[2]: form for form in numbered if signs.count(form[2]) == 1}
    notes += [
        f"{table.name}.{one.name} is read as spreadsheet days, such as 45000 for 2023-03-15"
        for table in looked
        for one in table.dates()
        if one.format == dates.SPREADSHEET
    ]
    found = []
    for table in looked:
        columns = dict(table.columns)
        for name, one in table.columns.items():
            if not one.format.startswith(dates.AMBIGUOUS):
                continue
            sign = one.format.removeprefix(dates.AMBIGUOUS)
            forms = {
                form.replace("-", sign): f"%{form[0].lower()}{sign}%{form[3].lower()}{sign}%Y"
                for form in ("DD-MM-YYYY", "MM-DD-YYYY")
            }
            where = f"{table.name}.{name}"
            if sign in told:
                notes.append(
                    f"{where} is read as {dates.spoken(told[sign])}, like other dates in these files"
                )
            elif said:
                told[sign] = list(forms.values())[0 if said.casefold().startswith("d") else 1]
            else:
                chosen = asker.choose(
                    f"{where}: which date format is this? No day is after the 12th.", list(forms), "--dates"
                )
                told[sign] = forms[chosen]
            columns[name] = replace(one, format=told[sign])
        found.append(replace(table, columns=columns))
    return found


def unread_dates(connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked]) -> list[str]:
    """Name the columns that seem to hold dates in a format that cannot be read."""
    found = []
    for table in looked:
        for one in table.columns.values():
            if one.looks != "text" or not dates.is_named_like_a_date("_".join(one.words)):
                continue
            c = quoted(one.name)
            ((alike, example),) = connection.execute(
                f"SELECT avg(CAST(regexp_full_match({c}, '{dates.SOME_DATE}') AS INT)), any_value({c}) "
                f"FROM {table.table.view} WHERE {c} IS NOT NULL"
            ).fetchall()
            if alike and alike >= _MOST:
                where = f"{table.name}.{one.name}"
                found.append(f"{where}: dates such as {example!r} cannot be read; write YYYY-MM-DD HH:MM")
    return found
