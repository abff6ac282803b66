"""Find out what a column holds: numbers, dates or texts, how many, and whether they are personal."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf, nan
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.data.looking import dates
from ml_sys.data.reading.sql import quoted
from ml_sys.form import name_of

if TYPE_CHECKING:
    import duckdb

    from ml_sys.data.looking.sniffing import Sniffed

# Number of rows whose values are compared with patterns.
_SAMPLE = 20_000
# Distinct whole numbers up to this many times the number of rows are row numbers.
_CLOSE = 4
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_IP = r"([0-9]{1,3}\.){3}[0-9]{1,3}"
_PHONE = r"(\+[0-9]|\(?0)[0-9 ()/.-]{6,}[0-9]"
_ROUND = "[0-9][0-9,.]*[kKmM]?"
_RANGE = rf"{_ROUND}\s*(to|-|–|through)\s*{_ROUND}|{_ROUND}\s*(\+|or more|and more)"
_VALUES = {"email": _EMAIL, "ip": _IP, "phone": _PHONE, "range": _RANGE, **dates.PATTERNS}
_FLAGS = {"yes", "no", "true", "false", "0", "1", "t", "f", "y", "n"}

EMAIL = "an e-mail address"
_PERSONAL = {
    "email": EMAIL,
    "mail": EMAIL,
    "phone": "a phone number",
    "mobile": "a phone number",
    "telephone": "a phone number",
    "tel": "a phone number",
    "fax": "a phone number",
    "firstname": "a name",
    "lastname": "a name",
    "surname": "a name",
    "fullname": "a name",
    "username": "a name",
    "nickname": "a name",
    "vorname": "a name",
    "nachname": "a name",
    "telefon": "a phone number",
    "anschrift": "an address",
    "adresse": "an address",
    "strasse": "an address",
    "plz": "an address",
    "geburtsdatum": "a date of birth",
    "address": "an address",
    "street": "an address",
    "zip": "an address",
    "zipcode": "an address",
    "postcode": "an address",
    "postal": "an address",
    "ip": "an IP address",
    "ssn": "a personal number",
    "passport": "a personal number",
    "iban": "a personal number",
    "dob": "a date of birth",
    "birthday": "a date of birth",
    "birthdate": "a date of birth",
    "birth": "a date of birth",
    "latitude": "a place",
    "longitude": "a place",
    "linkedin": "a personal page",
}
# Words that say whose name it is.
_NAMED = {
    *("first", "last", "full", "middle", "given", "family", "display", "nick", "owner"),
    *("user", "customer", "contact", "company", "account", "student", "member", "workspace", "team"),
    *("organisation", "organization", "org"),
}
# Next to these a name is a person's, however many have the same name.
_OF_PERSONS = {"first", "last", "full", "middle", "given", "family", "nick", "contact", "owner"}
# Next to one of the words above, these mean that something is counted, or done by mail.
_COUNTED = {
    *("count", "number", "verified", "has", "opens", "opened", "clicks", "sent", "actions", "users", "in"),
}

Looks = Literal["whole", "number", "date", "text"]


@dataclass(frozen=True)
class SeenColumn:
    """A column of a table that was looked at.

    Attributes
    ----------
    name : str
        As in the table.
    looks : {"whole", "number", "date", "text"}
    filled : int
        Number of rows with a value.
    distinct : int
        Number of different values.
    rows : int
        Number of rows in the table.
    low, high : float
        Smallest and largest number; NaN if it has none.
    format : str
        Of dates; see :mod:`ml_sys.data.looking.dates`.
    personal : str
        The kind of personal data; empty if there is none.
    is_range, is_flag : bool
        Whether texts are ranges of numbers, or yes and no.
    """

    name: str
    looks: Looks
    filled: int
    distinct: int
    rows: int
    low: float = nan
    high: float = nan
    format: str = ""
    personal: str = ""
    is_range: bool = False
    is_flag: bool = False

    @property
    def words(self) -> list[str]:
        """The name as words in lower case."""
        return words_of(self.name)

    @property
    def is_unique(self) -> bool:
        """Whether (nearly) every row has a unique value."""
        return self.filled >= 0.98 * self.rows and self.distinct >= 0.98 * self.filled

    @property
    def is_serial(self) -> bool:
        """Whether it numbers the rows: distinct whole numbers in a dense range."""
        return self.looks == "whole" and self.is_unique and self.high - self.low < _CLOSE * self.rows

    @property
    def filled_share(self) -> float:
        """Share of the rows with a value."""
        return self.filled / max(self.rows, 1)


def words_of(name: str) -> list[str]:
    """Return a name as words in lower case.

    Examples
    --------
    >>> words_of("minutesWatched"), words_of("USER_ID")
    (['minutes', 'watched'], ['user', 'id'])
    """
    return name_of(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).split("_")


def columns_of(connection: duckdb.DuckDBPyConnection, table: Sniffed) -> dict[str, SeenColumn]:
    """Return the description of each column of a table, by name."""
    names = list(table.columns)
    whole = _asked(
        connection,
        ", ".join(f"count({quoted(one)}), count(DISTINCT {quoted(one)})" for one in names),
        table.view,
    )
    made = {}
    for at, name in enumerate(names):
        filled, distinct = whole[2 * at : 2 * at + 2]
        made[name] = _judged(connection, table, SeenColumn(name, "text", filled, distinct, table.rows))
    return made


def _judged(connection: duckdb.DuckDBPyConnection, table: Sniffed, column: SeenColumn) -> SeenColumn:
    if not column.filled:
        return column
    c = quoted(column.name)
    number = f"TRY_CAST({c} AS DOUBLE)"
    counts = [f"count(*) FILTER (regexp_full_match({c}, '{pattern}'))" for pattern in _VALUES.values()]
    counts += [
        f"count(*) FILTER (isfinite({number}))",
        f"count(*) FILTER (isfinite({number}) AND {number} = floor({number}))",
        f"min({number}) FILTER (isfinite({number}))",
        f"max({number}) FILTER (isfinite({number}))",
    ]
    sample = (
        f"(SELECT {c} FROM {table.view} WHERE {c} IS NOT NULL USING SAMPLE "
        f"reservoir({_SAMPLE} ROWS) REPEATABLE (7))"
    )
    n, *found, numbers, wholes, low, high = _asked(connection, f"count(*), {', '.join(counts)}", sample)
    shares = {name: count / n for name, count in zip(_VALUES, found, strict=True)}
    least, most = (nan if one is None else float(one) for one in (low, high))
    name = "_".join(column.words)
    is_number = numbers >= 0.98 * n
    column = replace(column, personal=_personal(column, shares, is_number=is_number))
    format_ = dates.format_of(name, shares, least if is_number else inf, most if is_number else inf)
    if format_ in {"dashed", "dotted", "slashed"}:
        first, second = (
            f"max(TRY_CAST(regexp_extract({c}, '^([0-9]+)[^0-9]([0-9]+)', {at}) AS INT))" for at in (1, 2)
        )
        parts = _asked(connection, f"{first}, {second}", table.view)
        format_ = dates.parts_format(format_, *parts)
    if format_:
        return replace(column, looks="date", format=format_)
    if is_number:
        flag = column.distinct == 2 and {least, most} == {0.0, 1.0}
        looks: Looks = "whole" if wholes == numbers else "number"
        return replace(column, looks=looks, low=least, high=most, is_flag=flag)
    flag = column.distinct == 2 and _texts(connection, table, column.name) <= _FLAGS
    return replace(column, is_range=shares["range"] >= 0.8, is_flag=flag)


def _personal(column: SeenColumn, shares: dict[str, float], *, is_number: bool) -> str:
    words = set(column.words)
    if shares["email"] >= 0.5:
        return EMAIL
    if shares["ip"] >= 0.8:
        return "an IP address"
    if shares["phone"] >= 0.8 and not is_number and not any(shares[one] >= 0.5 for one in dates.PATTERNS):
        return "a phone number"
    many = column.distinct > 0.2 * column.filled
    if (many or words & _OF_PERSONS) and "name" in words and words - {"name"} <= _NAMED:
        return "a name"
    kinds = [kind for word, kind in _PERSONAL.items() if word in words]
    counted = words & _COUNTED
    return kinds[0] if kinds and not counted and many and column.distinct > 2 else ""


def _texts(connection: duckdb.DuckDBPyConnection, table: Sniffed, name: str) -> set[str]:
    asked = connection.execute(
        f"SELECT DISTINCT lower({quoted(name)}) FROM {table.view} WHERE {quoted(name)} IS NOT NULL"
    )
    return {str(one[0]) for one in asked.fetchall()}


def _asked(connection: duckdb.DuckDBPyConnection, what: str, source: str) -> tuple[Any, ...]:
    found = connection.execute(f"SELECT {what} FROM {source}").fetchone()
    if found is None:
        raise AssertionError
    return tuple(found)
