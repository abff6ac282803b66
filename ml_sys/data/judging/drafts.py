"""Drafts of described tables: the role of each column, and how the file is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ml_sys.data.judging.parts import JudgedTable, key, key_of, through_link
from ml_sys.data.looking import dates
from ml_sys.data.reading.sql import literal, quoted
from ml_sys.errors import InputError
from ml_sys.settings.tables import REFUNDS, type_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.data.looking.looked import Looked

Kind = Literal["entities", "purchases", "periods", "events", "links"]


@dataclass
class TableDraft:
    """A table of the description.

    Attributes
    ----------
    name : str
    kind : {"entities", "purchases", "periods", "events", "links"}
    base : Looked
        The table that was looked at.
    roles : dict of str to str
        Role, such as ``id`` or ``at``, to column.
    why : dict of str to str
        One line on each role.
    where : str
        SQL condition of the rows that belong to it; empty if all do.
    one_a : bool
        Whether rows are reduced to one per entity.
    all_converted : bool
        Whether every row has a conversion day.
    differs : bool
        Whether identifiers have to be normalised.
    link : TableDraft or None
        For events with users only: the table that links users to entities.
    refunds, zero_converts : tuple of str, bool
        For purchases: the types of rows that are refunds, and whether a purchase for nothing is a conversion.
    zone : str
        Time zone of the days.
    attributes, measures : dict of str to dict
        Descriptions by name.
    """

    name: str
    kind: Kind
    base: Looked
    roles: dict[str, str]
    why: dict[str, str] = field(default_factory=dict)
    where: str = ""
    one_a: bool = False
    all_converted: bool = False
    differs: bool = False
    link: TableDraft | None = None
    refunds: tuple[str, ...] = REFUNDS
    zero_converts: bool = False
    zone: str = "UTC"
    attributes: dict[str, dict[str, object]] = field(default_factory=dict)
    measures: dict[str, dict[str, object]] = field(default_factory=dict)

    def date(self, role: str) -> str:
        """Return SQL of the moment in a role, for the loaded rows; empty if no column has the role."""
        if role not in self.roles:
            return ""
        column = self.base.columns[self.roles[role]]
        return dates.moment(quoted(column.name), column.format, self.zone)

    def _not_bought(self) -> str:
        """Return SQL of whether a row is money given back, or for nothing; empty where no column says so."""
        asked = []
        if "value" in self.roles:
            asked.append(
                f"TRY_CAST({quoted(self.roles['value'])} AS DOUBLE) {'<' if self.zero_converts else '<='} 0"
            )
        if "type" in self.roles:
            values = ", ".join(literal(type_key(one)) for one in self.refunds)
            column = quoted(self.roles["type"])
            asked.append(f"regexp_replace(lower(trim({column})), '[_-]', ' ', 'g') IN ({values})")
        return " OR ".join(asked)

    def _bought_at(self) -> str:
        """Return SQL of the moment of a row's purchase; NULL where it is none."""
        at, none = self.date("at"), self._not_bought()
        return f"CASE WHEN {none} THEN NULL ELSE {at} END" if none else at

    @property
    def source(self) -> str:
        """SQL to select the loaded rows from."""
        view = self.base.table.view
        return f"(SELECT * FROM {view} WHERE {self.where})" if self.where else view

    @property
    def bought(self) -> str:
        """SQL to select the loaded rows from that count as purchases."""
        none = self._not_bought()
        return f"(SELECT * FROM {self.source} WHERE ({none}) IS DISTINCT FROM true)" if none else self.source

    def part(self, columns: dict[str, str], numbers: frozenset[str] = frozenset()) -> JudgedTable:
        """Return the form of the table for judging; ``columns`` gives names and SQL."""
        source, ident = self.source, key(self.roles["id"]) if "id" in self.roles else ""
        if self.link:
            link = self.link.roles
            source = through_link(source, self.roles["user"], self.link.source, link["user"], link["id"])
            ident = "_entity"
        usage = self.kind in {"periods", "events"}
        kind: Literal["entities", "purchases", "usage"] = (
            "usage" if usage else "purchases" if self.kind == "purchases" else "entities"
        )
        event = quoted(self.roles["event"]) if "event" in self.roles else ""
        return JudgedTable(
            self.name,
            kind,
            source,
            ident,
            self._bought_at() if kind == "purchases" else self.date("at"),
            self.date("converted_on"),
            self.date("since"),
            event,
            columns,
            numbers,
        )

    def used(self) -> dict[str, str]:
        """Return every described column and its role."""
        found = {column: role for role, column in self.roles.items()}
        for described in (self.attributes, self.measures):
            found.update({str(one["column"]): "" for one in described.values()})
        return found

    @property
    def is_plain(self) -> bool:
        """Whether mlsys can read the file as it is, given its date format."""
        used = self.used()
        odd = [
            name
            for name in used
            if (self._is_written_otherwise(name, used[name]) and self.base.columns[name].looks != "date")
            or self.base.table.columns[name] != quoted(name)
        ]
        return (
            self.base.table.is_plain and self._dates() is not None and not (odd or self.where or self.one_a)
        )

    @property
    def dates(self) -> str:
        """The date format in the description's terms; empty for ISO dates."""
        return (self._dates() or "") if self.is_plain else ""

    def _dates(self) -> str | None:
        """Return the format of all dates; None if a description has no term for it."""
        columns = [self.base.columns[name] for name in self.used()]
        formats = {dates.described(one.format) for one in columns if one.looks == "date"}
        if formats & {dates.DAY_FIRST, dates.MONTH_FIRST}:
            formats -= {""}  # ISO dates can be read as well
        return next(iter(formats), "") if len(formats) <= 1 else None

    def file(self) -> str:
        """Return the location of the table: the file if mlsys can read it as it is, else a query that can."""
        table, used = self.base.table, self.used()
        if self.is_plain:
            return table.location
        chosen = []
        for name, role in used.items():
            sql, column = table.columns[name], self.base.columns[name]
            if self._is_written_otherwise(name, role):
                self._refuse_what_only_duckdb_reads(name)
                text = f"CAST({sql} AS VARCHAR)"
                sql = dates.written_iso(text, column.format) if column.looks == "date" else key_of(text)
            if self.one_a and role != "id":
                sql = f"max({sql})"
            chosen.append(sql if sql == quoted(name) else f"{sql} AS {quoted(name)}")
        where = f" WHERE {self._where()}" if self.where else ""
        grouped = f" GROUP BY {table.columns[self.roles['id']]}" if self.one_a else ""
        return f"SELECT {', '.join(chosen)} FROM {table.relation}{where}{grouped}"

    def _refuse_what_only_duckdb_reads(self, name: str) -> None:
        """Refuse values that would need a query in another database's SQL.

        Raises
        ------
        InputError
            If the table is not read by DuckDB.
        """
        table, column = self.base.table, self.base.columns[name]
        if table.is_duckdb:
            return
        is_date = column.looks == "date"
        how = f"dates are written {dates.spoken(column.format)}" if is_date else "ids are in another format"
        wanted = "YYYY-MM-DD" if is_date else "in the other tables"
        raise InputError(
            f"{table.location}.{name}: its {how}, which cannot be read from this kind of database",
            hint=f"make a view that writes them as {wanted}; then name, after the database, the tables and "
            "views to look at",
        )

    def _where(self) -> str:
        """Return the condition in terms of the file's own columns."""
        text = self.where
        for name, sql in self.base.table.columns.items():
            text = text.replace(quoted(name), sql)
        return text

    def _is_written_otherwise(self, name: str, role: str) -> bool:
        column = self.base.columns[name]
        if column.looks == "date":
            return column.format != dates.ISO
        return role in {"id", "user"} and self.differs


@dataclass
class Converted:
    """Where to find conversions.

    Attributes
    ----------
    purchases : dict of str to str
        Table of purchases to its column of the day.
    columns : dict of str to str
        Table to its column of the conversion day.
    kinds : dict of str to (str, str)
        Table of events to its column of kinds and the kind that is a conversion.
    repeated : dict of str to str
        Usage table whose rows repeat the conversion day, to that column.
    why : str
    """

    why: str = ""
    purchases: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def derived(
        self, drafts: Sequence[TableDraft], led: Mapping[str, Looked] | None = None
    ) -> list[TableDraft]:
        """Return tables derived from others, and remove their rows from those.

        Parameters
        ----------
        led : mapping of str to Looked, optional
            Tables of events that know only users, with the entity of each row as their last column.
        """
        made = []
        taken = {draft.name for draft in drafts}
        for draft in drafts:
            name = draft.base.name
            bought, others = (
                one if one not in taken else f"{name}_{one}" for one in ("purchases", "entities")
            )
            if name in self.kinds and draft.kind in {"events", "periods"}:
                column, kind = self.kinds[name]
                is_it = f"{quoted(column)} = {literal(kind)}"
                roles: dict[str, str] = {
                    role: draft.roles[role] for role in draft.roles if role in {"id", "at"}
                }
                base = (led or {}).get(name, draft.base)
                roles.setdefault("id", list(base.columns)[-1])
                made.append(TableDraft(bought, "purchases", base, roles, {"kind": self.why}, where=is_it))
                draft.where = f"{quoted(column)} IS DISTINCT FROM {literal(kind)}"
            elif name in self.repeated:
                roles = {"id": draft.roles["id"], "converted_on": self.repeated[name]}
                why = {"kind": f"the rows of {name}, reduced to one for each id", "converted_on": self.why}
                made.append(TableDraft(others, "entities", draft.base, roles, why, one_a=True))
        return made
