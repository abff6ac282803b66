"""Find purchases that were refunded, unpaid or ended, and the currencies of amounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data.judging.trials import PAID_FROM
from ml_sys.data.reading.sql import literal, quoted
from ml_sys.settings.tables import REFUNDS, type_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.looking.columns import SeenColumn
    from ml_sys.data.looking.looked import Looked

_MOST_STATES = 30
# A day of payment is one if at least this share of the rows have it.
_LEAST_PAID = 0.3
_SAYS_TYPE = {
    "type",
    "kind",
    "status",
    "state",
    "typ",
    "art",
    "category",
    "transaction",
    "reason",
    "result",
    "状态",
    "类型",
}
_SAYS_PAID = {"paid", "succeeded", "success", "successful", "captured", "settled", "completed", "bezahlt"} | {
    "livemode"
}
# A yes in such a column says that nothing was paid.
_SAYS_NOT_PAID = {"trial", "trialing", "test", "sandbox"}
_NO, _YES = {"0", "no", "false", "f", "n"}, {"1", "yes", "true", "t", "y"}
# Rows for which nothing was paid, or not yet.
_NOT_PAID = {
    *("failed", "declined", "rejected", "incomplete", "incomplete expired", "abandoned", "draft", "unpaid"),
    *("void", "voided", "error", "not paid", "uncaptured", "fehlgeschlagen", "abgelehnt", "unbezahlt"),
    *(
        "pending",
        "processing",
        "in progress",
        "open",
        "on hold",
        "authorized",
        "authorised",
        "awaiting payment",
    ),
    *("requires payment method", "requires action", "requires confirmation", "requires capture", "scheduled"),
    *("ausstehend", "offen", "in bearbeitung", "kostenlos", "probe", "probezeit", "free", "uncollectible"),
    *("待支付", "待付款", "未支付", "支付失败", "处理中"),
}
# A cancelled order may never have been paid; a cancelled subscription was paid before.
_ENDED = {
    *("cancelled", "canceled", "expired", "past due", "terminated", "ended", "paused", "disputed"),
    *("gekündigt", "gekuendigt", "beendet", "abgelaufen", "storniert", "已取消", "已过期"),
}
_SYMBOLS = "[€$£¥₹]|[A-Z]{3}"
_CURRENCY = {"currency", "ccy", "waehrung", "wahrung", "währung", "devise", "moneda", "币种", "货币"}


@dataclass(frozen=True)
class Doubt:
    """Rows of purchases that count as conversions although a column suggests that they should not.

    Attributes
    ----------
    table, column : str
    values : dict of str to int
        Values of the column, and their numbers of rows.
    sure : bool
        Whether nothing was paid; otherwise the purchase ended, and may have been paid before.
    """

    table: str
    column: str
    values: dict[str, int]
    sure: bool

    @property
    def text(self) -> str:
        """The doubt in words, with what to do."""
        says = ", ".join(f"{value} ({rows:,})" for value, rows in self.values.items())
        among = ", ".join(literal(value) for value in self.values)
        without = f"WHERE {self.column} NOT IN ({among})"
        if self.sure:
            return (
                f"{self.table}: rows whose {self.column} is {says} count as conversions, though nothing was "
                f"paid; leave them out with a query, {without}"
            )
        return (
            f"{self.table}: rows whose {self.column} is {says} count as conversions; if nothing was paid "
            f"before that, leave them out with a query, {without}"
        )


def is_type_of_row(column: SeenColumn) -> bool:
    """Return whether a column's name suggests the type or the state of a purchase."""
    words = column.words
    return column.looks == "text" and (bool(set(words) & _SAYS_TYPE) or words[-1].endswith("status"))


def says_state(column: SeenColumn) -> bool:
    """Return whether a column gives the state of each row: as a type, or as yes and no."""
    if column.is_flag:
        return bool(set(column.words) & (_SAYS_PAID | _SAYS_NOT_PAID))
    return is_type_of_row(column) and column.distinct <= _MOST_STATES


def is_not_paid(value: str) -> bool:
    """Return whether a payment of this type or status was never made, or has not been made yet."""
    said = type_key(value)
    return said in _NOT_PAID or said.startswith("trial")


def is_refund(value: str) -> bool:
    """Return whether a row of this type is a refund."""
    return type_key(value) in REFUNDS


def unpaid(column: SeenColumn, values: Iterable[str]) -> list[str]:
    """Return a column's values that mean that nothing was paid; empty if all of them do."""
    among = list(values)
    says = _YES if set(column.words) & _SAYS_NOT_PAID else _NO
    found = [one for one in among if (one.casefold() in says if column.is_flag else is_not_paid(one))]
    return found if len(found) < len(among) else []


def read_paid_rows(connection: duckdb.DuckDBPyConnection, draft: TableDraft) -> None:
    """Read refunds of a table of purchases as such, and leave out payments that were never made."""
    view, conditions = draft.base.table.view, [draft.where]
    for column in draft.base.columns.values():
        if is_day_of_payment(column):
            conditions.append(f"{quoted(column.name)} IS NOT NULL")
            draft.why["kind"] += f"; rows without {column.name} were never paid and are not read"
        if not says_state(column):
            continue
        values = list(states(connection, view, column))
        back, never = [one for one in values if is_refund(one)], unpaid(column, values)
        if back and "type" not in draft.roles:
            draft.roles["type"] = column.name
            draft.why["type"] = f"rows of type {', '.join(back)} are refunds, not conversions"
        if never:
            conditions.append(_without(column.name, never))
            draft.why["kind"] += (
                f"; rows whose {column.name} is {', '.join(never)} were never paid and are not read"
            )
    draft.where = " AND ".join(filter(None, conditions))


def is_day_of_payment(column: SeenColumn) -> bool:
    """Return whether a date says when a row was paid, so that a blank says that it was not."""
    if column.name == PAID_FROM:
        return column.filled < column.rows
    return (
        column.looks == "date"
        and _LEAST_PAID <= column.filled_share < 1
        and bool(set(column.words) & (_SAYS_PAID | {"activated"}))
        and not set(column.words) & {"last", "next", "until", "through"}
    )


def paid_rows(connection: duckdb.DuckDBPyConnection, one: Looked, money: str = "") -> str:
    """Return SQL of the condition that a row of a table was paid; empty if all rows were.

    Parameters
    ----------
    money : str
        Column of what was paid; at zero nothing was.
    """
    said = [f"TRY_CAST({quoted(money)} AS DOUBLE) > 0"] if money else []
    for column in one.columns.values():
        said += [f"{quoted(column.name)} IS NOT NULL"] if is_day_of_payment(column) else []
        if says_state(column):
            values = states(connection, one.table.view, column)
            said += filter(None, [_without(column.name, unpaid(column, values))])
            said += filter(None, [_without(column.name, [value for value in values if is_refund(value)])])
    return " AND ".join(said)


def _without(name: str, values: Iterable[str]) -> str:
    among = ", ".join(literal(one) for one in values)
    return f"({quoted(name)} IS NULL OR {quoted(name)} NOT IN ({among}))" if among else ""


def states(
    connection: duckdb.DuckDBPyConnection, source: str, column: SeenColumn, but: Iterable[str] = ()
) -> dict[str, int]:
    """Count the rows of each value of a column, except for some values."""
    name, others = quoted(column.name), {type_key(one) for one in but}
    found = connection.execute(
        f"SELECT {name}, count(*) FROM {source} WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {str(value): rows for value, rows in found if type_key(str(value)) not in others}


def doubts(connection: duckdb.DuckDBPyConnection, draft: TableDraft) -> list[Doubt]:
    """Return doubts about rows of purchases that count as conversions, and perhaps should not."""
    found = []
    ended = () if draft.roles.get("at") == PAID_FROM else _ENDED  # what ended before it was paid is not read
    for column in draft.base.columns.values():
        if not says_state(column):
            continue
        back = draft.refunds if draft.roles.get("type") == column.name else ()
        says = states(connection, draft.bought, column, back)
        for values, sure in (
            (unpaid(column, says), True),
            ([one for one in says if type_key(one) in ended and not column.is_flag], False),
        ):
            if values:
                found.append(Doubt(draft.name, column.name, {one: says[one] for one in values}, sure))
    return found


def currencies(connection: duckdb.DuckDBPyConnection, draft: TableDraft, money: str) -> list[str]:
    """Return the currencies of amounts if there are several, by another column or by their symbols."""
    asked = [
        f"upper({quoted(one.name)})"
        for one in draft.base.columns.values()
        if one.looks == "text" and set(one.words) & _CURRENCY
    ]
    asked.append(f"regexp_extract({quoted(money)}, '{_SYMBOLS}')")
    for sql in asked:
        rows = connection.execute(
            f"SELECT DISTINCT {sql} AS c FROM {draft.source} WHERE {quoted(money)} IS NOT NULL "
            "AND c <> '' ORDER BY 1 LIMIT 20"
        ).fetchall()
        if len(rows) > 1:
            return [str(one) for (one,) in rows]
    return []
