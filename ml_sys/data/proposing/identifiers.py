"""Compare columns that may be identifiers: the values they share, and how well their names agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.judging.parts import key
from ml_sys.data.looking.columns import EMAIL
from ml_sys.data.proposing.answers import matches
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError
from ml_sys.text import PLURALS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import duckdb

    from ml_sys.data.looking.columns import SeenColumn
    from ml_sys.data.looking.looked import Looked
    from ml_sys.data.proposing.answers import Answers

# Words in the names of identifiers.
ID_WORDS = {"id", "ids", "uid", "uuid", "guid", "key", "pk", "fk", "ref", "no", "nr", "code"} | {
    *("serial", "imei", "mac"),
}
# Usual names of entities: two of these may be the same thing under two names.
ENTITY_WORDS = {
    *(
        "user",
        "member",
        "person",
        "client",
        "customer",
        "account",
        "company",
        "org",
        "organisation",
        "organization",
    ),
    *(
        "lead",
        "prospect",
        "reader",
        "kunde",
        "workspace",
        "team",
        "student",
        "learner",
        "contact",
        "subscriber",
        "visitor",
        "player",
        "tenant",
        "shop",
        "site",
    ),
}

Place = tuple[str, str]
_SURE, _LEAST_SCORE, _ONE_EACH = 0.9, 0.25, 0.98
LEAST_SHARED = 0.3


def singular(word: str) -> str:
    """Return the singular of a word.

    Examples
    --------
    >>> singular("companies"), singular("students"), singular("status")
    ('company', 'student', 'status')
    """
    known = next(((one, many) for one, many in PLURALS.items() if word.endswith(many)), None)
    if known:
        return word.removesuffix(known[1]) + known[0]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return (
        word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word
    )


def nouns(column: str, words: Sequence[str]) -> set[str]:
    """Return what an identifier identifies, by its name; empty if it is just "id"."""
    found = {singular(word) for word in words if word not in ID_WORDS}
    folded = column.casefold()
    if not found or len(words) > 1:
        return found
    least = 2 if folded.isascii() else 0
    ending = next(
        (one for one in ("uuid", "id", "nummer") if folded.endswith(one) and len(folded) > len(one) + least),
        "",
    )
    return {singular(folded[: -len(ending)])} if ending else found


def by_email(looked: Sequence[Looked]) -> list[str]:
    """Name e-mail addresses that would link tables; they are used as ids only if the user says so."""
    tables: dict[str, list[str]] = {}
    for one in looked:
        for column in one.columns.values():
            if column.personal == EMAIL:
                tables.setdefault(column.name, []).append(one.name)
    return [
        f"{name} of {', '.join(several)} is an e-mail address; to use it as the id, with addresses "
        f"in snapshots and lists, give --id {name}"
        for name, several in tables.items()
        if len(several) > 1
    ]


def lost_digits(connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked]) -> list[str]:
    """Name the identifiers that a spreadsheet wrote as 1.00E+12, which are no longer what they were."""
    found = []
    for one in looked:
        for column in one.columns.values():
            is_number = column.looks in {"whole", "number"}
            if is_number and (set(column.words) & ID_WORDS or column.name.casefold().endswith("id")):
                c = quoted(column.name)
                ((example,),) = connection.execute(
                    f"SELECT min({c}) FROM {one.table.view} "
                    f"WHERE regexp_full_match({c}, '[0-9.,]+[eE][+]?[0-9]+')"
                ).fetchall()
                if example:
                    found.append(
                        f"{one.name}.{column.name}: ids such as {example} have lost their last digits; "
                        "export them as text"
                    )
    return found


def by_email_alone(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], linked: Collection[str]
) -> list[tuple[Looked, str, str]]:
    """Return tables that only an e-mail address would link, with its column and what they lead to."""
    found = []
    places = [
        (one, column.name)
        for one in looked
        for column in one.columns.values()
        if column.personal == EMAIL and column.filled
    ]
    for one, column in (place for place in places if place[0].name not in linked and place[0].dates()):
        for other, theirs in (place for place in places if place[0].name in linked):
            ((share,),) = connection.execute(
                f"SELECT avg(CAST(m IN (SELECT {quoted(theirs)} FROM {other.table.view}) AS INT)) FROM "
                f"(SELECT DISTINCT {quoted(column)} AS m FROM {one.table.view} WHERE m IS NOT NULL)"
            ).fetchall()
            if share and share >= LEAST_SHARED:
                found.append((one, column, other.name))
                break
    return found


class Identifiers:
    """Compare the values of columns that may be identifiers."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], answers: Answers
    ) -> None:
        self.connection, self.answers = connection, answers
        self.looked = {one.name: one for one in looked}
        self.is_email_said = bool(answers.id) and any(
            matches(answers.id, one.name, column.name) and column.personal == EMAIL
            for one in looked
            for column in one.columns.values()
        )
        self.tables: dict[Place, str] = {}
        for one in looked:
            for column in one.columns.values():
                if self._may_identify(one, column):
                    self._keep(one, column)
        unique = {
            name.casefold() for table, name in self.tables if self.looked[table].columns[name].is_unique
        }
        for one in looked:  # an identifier in one table links other tables to it
            for column in one.columns.values():
                missing = (one.name, column.name) not in self.tables and one.table.has_header
                if missing and column.name.casefold() in unique and column.looks in {"whole", "text"}:
                    self._keep(one, column)
        if answers.id and not any(matches(answers.id, *place) for place in self.tables):
            present = ", ".join(f"{table}.{column}" for table, column in self.tables)
            raise InputError(
                f"--id {answers.id}: no table has this column", hint=f"possible identifiers are {present}"
            )
        self._shared: dict[tuple[Place, Place], float] = {}

    def _may_identify(self, one: Looked, column: SeenColumn) -> bool:
        if self.answers.id and matches(self.answers.id, one.name, column.name):
            return True
        if column.looks not in {"whole", "text"} or column.is_flag or column.is_range or not column.filled:
            return False
        words = set(column.words)
        named = (
            bool(words & ID_WORDS)
            or column.name.casefold().endswith(("id", "uuid"))
            or bool(len(words) == 1 and {singular(word) for word in words} & ENTITY_WORDS)
        )
        if column.personal:
            return named and column.personal != "a name" and column.is_unique
        return named or column.is_unique or (not one.table.has_header and column.distinct >= 20)

    def _keep(self, one: Looked, column: SeenColumn) -> None:
        name = f"keys_{len(self.tables)}"
        self.connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT DISTINCT {key(column.name)} AS k FROM {one.table.view} "
            f"WHERE {quoted(column.name)} IS NOT NULL"
        )
        self.tables[one.name, column.name] = name

    def shared(self, of: Place, among: Place) -> float:
        """Return the share of a column's values that occur in another column."""
        if (of, among) not in self._shared:
            asked = self.connection.execute(
                f"SELECT count(b.k) / count(*) FROM {self.tables[of]} AS a LEFT JOIN "
                f"{self.tables[among]} AS b USING (k)"
            ).fetchone()
            self._shared[of, among] = float(asked[0]) if asked else 0.0
        return self._shared[of, among]

    def column(self, place: Place) -> SeenColumn:
        """Return the column at a place."""
        return self.looked[place[0]].columns[place[1]]

    def nouns(self, place: Place) -> set[str]:
        """Return what an identifier identifies, by its name; empty in a table without a header."""
        has_header = self.looked[place[0]].table.has_header
        return nouns(place[1], self.column(place).words) if has_header else set()

    def agreement(self, of: Place, among: Place) -> float:
        """Return how well the names of two identifiers agree, from 0 to 1."""
        if self.answers.id and matches(self.answers.id, *of):
            return 1.0
        own, other = self.nouns(of), self.nouns(among)
        if own and of[1].casefold() == among[1].casefold():
            return 1.0
        table = {singular(word) for word in among[0].split("_")}
        if own & (other or table):
            return 0.95
        if not own and not other:  # both are just "id"
            return 0.7
        if not own:
            return 0.5
        if own & ENTITY_WORDS and (
            other & ENTITY_WORDS or (not other and (table & ENTITY_WORDS or not table))
        ):
            return 0.4
        return (
            0.5
            if not self.looked[of[0]].table.has_header or not self.looked[among[0]].table.has_header
            else 0.2
        )

    def by_another(self, table: str, ids: Mapping[str, str]) -> tuple[float, str, Place]:
        """Return how well a table leads to another identifier of entities, such as a payment service's.

        Returns
        -------
        score : float
            Zero where it leads to none.
        column : str
            Of the table.
        place : Place
            The second identifier, in a table that knows the first.
        """
        best = (0.0, "", ("", ""))
        for place in (one for one in self.tables if one[0] == table):
            for other in (one for one in self.tables if one[0] in ids and one[1] != ids[one[0]]):
                column = self.column(other)
                if other[0] == table or column.distinct < _ONE_EACH * column.filled:
                    continue
                shared = self.shared(place, other)
                score = shared * self.agreement(place, other)
                if shared >= _SURE and score > max(best[0], _LEAST_SCORE):
                    best = (score, place[1], other)
        return best
