"""Read a typed Parquet file of events straight into an `EventLog`, by the rules for rows of text.

Invariant: rows taken, rows rejected and reasons are the same as if the file were read as text.
"""

# ruff: noqa: S608 - statements name columns, which are quoted; values are passed as parameters

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from glob import escape
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_sys.data.checking.scalars import AMOUNT_LIMIT, FIRST_YEAR, LAST_YEAR, Fault
from ml_sys.data.events.reading import said_of_strangers
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.columnar import as_text
from ml_sys.data.reading.rows import RAW_LIMIT, BadRow
from ml_sys.data.reading.sql import quoted
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.events.log import EventLog
    from ml_sys.engine.places import Place

_BATCH_ROWS = 1 << 16
# Columns of our own beside those of the file.
_OURS = ("named", "file_row_number")
# White space; most texts are ASCII, where there are fewer characters to look for.
_ASCII_WHITE = "".join(map(chr, [*range(9, 14), *range(28, 33)]))
_WHITE = (
    _ASCII_WHITE
    + "".join(map(chr, [0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]))
    + ("\u2028\u2029\u202f\u205f\u3000")
)


@dataclass(frozen=True)
class EventColumns:
    """The user's columns of a table of events.

    Attributes
    ----------
    at : str
    amounts : tuple of (str, int)
        Column and digits of each.
    id, user, event, event_id : str
        Empty if there is none; without an id, the user determines the entity.
    """

    at: str
    amounts: tuple[tuple[str, int], ...] = ()
    id: str = ""
    user: str = ""
    event: str = ""
    event_id: str = ""

    @property
    def named(self) -> str:
        """The column that determines the entity: the id or the user."""
        return self.id or self.user

    @property
    def all(self) -> list[str]:
        """All of them."""
        texts = [self.id, self.user, self.at, self.event, *(name for name, _ in self.amounts), self.event_id]
        return [name for name in texts if name]


@dataclass(frozen=True)
class NamePairs:
    """n pairs of an id or user and the position of its entity; users may have several."""

    names: Any
    entity: NDArray[Any]
    lost: frozenset[str] = frozenset()


def is_typed(path: Place, columns: EventColumns) -> bool:
    """Return whether all columns of a Parquet file have types that need no parsing of text.

    Moments with a time zone, numbers stored as text, and identifiers stored as fractions do need it. So do
    names that DuckDB, to which case is nothing, would take for another column.
    """
    with path.open("rb", buffering=0) as file:
        schema = pq.read_schema(file)
    texts = [columns.id, columns.user, columns.event, columns.event_id]
    called = Counter(name.casefold() for name in [*schema.names, *_OURS])
    lacking = set(columns.all) - set(schema.names)
    if lacking or any(called[name.casefold()] > 1 for name in [*columns.all, *_OURS]):
        return False
    at = schema.field(columns.at).type
    return (
        (pa.types.is_date(at) or (pa.types.is_timestamp(at) and at.tz is None))
        and all(_is_text(schema.field(name).type) for name in texts if name)
        and all(_is_number(schema.field(name).type) for name, _ in columns.amounts)
    )


def read_parquet(
    log: EventLog, path: Path, columns: EventColumns, known: NamePairs, *, where: str = ""
) -> tuple[int, Iterator[BadRow]]:
    """Add the events of a file to a log.

    Parameters
    ----------
    log : EventLog
        With as many amounts as ``columns``.
    path : Path
        A file for which :func:`is_typed` holds.
    where : str
        What messages call it; by default its path.

    Returns
    -------
    int
        Number of rows in the file.
    iterator of BadRow
        Rejected rows, by line.

    Raises
    ------
    UnreadableFileError
        If it is damaged.
    """
    database = log.database
    schema = pq.read_schema(path)
    database.register("known_names", _pairs(known, schema.field(columns.named).type))
    log.run("CREATE OR REPLACE TEMP TABLE known AS FROM known_names")
    database.unregister("known_names")
    if columns.user and _is_integer(schema.field(columns.user).type):
        log.run('ALTER TABLE event ALTER "user" TYPE BIGINT')
    faults = _faults(columns)
    log.run("ALTER TABLE event ADD COLUMN fault UTINYINT DEFAULT 0")
    # A file's statistics ignore NaN, and DuckDB would conclude from them that there is none.
    log.run("SET disabled_optimizers = 'statistics_propagation'")
    try:
        log.run(f"INSERT INTO event BY NAME {_selected(log, columns, schema, faults)}", [escape(str(path))])
    except duckdb.Error as error:
        raise UnreadableFileError(where or path, str(error).partition("\n")[0]) from error
    log.run("RESET disabled_optimizers")
    log.run("CREATE OR REPLACE TEMP TABLE bad AS SELECT DISTINCT ON (line) * FROM event WHERE fault > 0")
    n_bad = log.number("SELECT count(*) FROM bad")
    if n_bad:
        log.run("DELETE FROM event WHERE fault > 0")
    log.run("ALTER TABLE event DROP COLUMN fault")
    reasons = ["", *(reason for _, reason in faults)]
    bad = _bad_rows(log, path, columns, reasons, known.lost) if n_bad else iter(())
    return pq.read_metadata(path).num_rows, bad


def _pairs(known: NamePairs, kind: pa.DataType) -> pa.Table:
    names = known.names.cast(pa.string())
    if _is_integer(kind):
        kept = pc.match_substring_regex(names, r"^(0|-?[1-9][0-9]{0,17})$")
        numbers = names.filter(kept).cast(pa.int64())
        return pa.table({"name": numbers, "entity": pa.array(known.entity).filter(kept)})
    return pa.table({"name": names, "entity": pa.array(known.entity)})


def _selected(log: EventLog, columns: EventColumns, schema: pa.Schema, faults: list[tuple[str, str]]) -> str:
    """Return the query that selects all rows, with the number of each row's first fault."""
    cases = " ".join(f"WHEN {test} THEN {number}" for number, (test, _) in enumerate(faults, 1))
    at = f"file.{quoted(columns.at)}"
    is_finer = schema.field(columns.at).type == pa.timestamp("ns")
    moment = f"(epoch_ns({at}) + 999) // 1000" if is_finer else f"epoch_us({at}::TIMESTAMP)"  # rounded up
    user = _value(columns.user, schema) if columns.user else "NULL"
    if columns.user and not _is_integer(schema.field(columns.user).type):
        user = f"nullif({user}, '')"
    amounts = [
        f"coalesce(CASE WHEN {_amount(name)} * 1e{digits} BETWEEN 0 AND {AMOUNT_LIMIT} "
        f"THEN ({_amount(name)} * 1e{digits})::BIGINT END, 0) AS {column}"
        for column, (name, digits) in zip(log.amounts, columns.amounts, strict=True)
    ]
    selected = [
        "known.entity AS entity",
        f"{moment} AS moment",
        f"({moment} // {DAY_MICROSECONDS})::INTEGER AS day",
        *amounts,
        "file_row_number + 1 AS line",
        "file_row_number AS source_row",
        f"{_text(columns.event, schema)} AS kind",
        f'{user} AS "user"',
        f"{_text(columns.event_id, schema)} AS event_id",
        f"(CASE {cases} ELSE 0 END)::UTINYINT AS fault",
    ]
    return (
        f"SELECT {', '.join(selected)} FROM (SELECT *, {_value(columns.named, schema)} AS named "
        "FROM read_parquet(?, file_row_number=true) file) file LEFT JOIN known ON known.name = file.named"
    )


def _faults(columns: EventColumns) -> list[tuple[str, str]]:
    """Return conditions for bad rows, each with its reason in words, in the order of checking."""
    at = f"file.{quoted(columns.at)}"
    found = [
        ("coalesce(file.named::VARCHAR, '') = ''", f"{columns.named} {Fault.BLANK.reason}"),
        (f"{at} IS NULL", f"{columns.at} {Fault.BLANK.reason}"),
        (
            f"NOT coalesce(year({at}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR}, false)",
            f"{columns.at} {Fault.OUT_OF_TIME.reason}",
        ),
    ]
    for name, digits in columns.amounts:
        value = _amount(name)
        found += [
            (f"isinf({value})", f"{name} {Fault.NOT_NUMBER.reason}"),
            (f"{value} < 0", f"{name} {Fault.NEGATIVE.reason}"),
            (f"{value} * 1e{digits} > {AMOUNT_LIMIT}", f"{name} {Fault.TOO_LARGE.reason}"),
        ]
    return [*found, ("known.entity IS NULL", UNKNOWN_ID)]


def _bad_rows(
    log: EventLog, path: Path, columns: EventColumns, reasons: list[str], lost: frozenset[str]
) -> Iterator[BadRow]:
    """Read the bad rows again: as in the file, or of unknown entities by what was read of them."""
    names = [name for name in pq.read_schema(path).names if name in columns.all]
    said = ", ".join(f"file.{quoted(name)}" for name in names)
    amounts = "".join(f", bad.{name}" for name in log.amounts)
    rows = log.database.sql(
        f"SELECT bad.line, bad.fault, bad.moment, bad.kind, file.{quoted(columns.named)}::VARCHAR{amounts}, "
        f"{said} FROM read_parquet($path, file_row_number=true) file "
        "JOIN bad ON bad.line = file_row_number + 1 ORDER BY bad.line",
        params={"path": escape(str(path))},
    )
    for batch in rows.to_arrow_reader(_BATCH_ROWS):
        at = batch.num_columns - len(names)
        lines, faults, _, kinds, named, *numbers = (column.to_pylist() for column in batch.columns[:at])
        entities = [(name or "").strip() for name in named]
        strangers = said_of_strangers(
            entities,
            pc.fill_null(batch.column(2), 0).to_numpy(),
            [kind or (None if columns.event else "") for kind in kinds],
            numbers,
        )
        texts = (
            as_text(str(path), name, column, is_id=name == columns.id).to_pylist()
            for name, column in zip(names, batch.columns[at:], strict=True)
        )
        in_file = map(",".join, zip(*texts, strict=True))
        found = zip(lines, faults, entities, strangers, in_file, strict=True)
        for line, fault, entity, stranger, raw in found:
            if reasons[fault] == UNKNOWN_ID:
                yield BadRow(line, LOST_COMPANY if entity in lost else UNKNOWN_ID, stranger)
            else:
                yield BadRow(line, reasons[fault], raw[:RAW_LIMIT])


def _value(name: str, schema: pa.Schema) -> str:
    """Return SQL of a column of identifiers: integers unchanged, texts stripped."""
    column = f"file.{quoted(name)}"
    if _is_integer(schema.field(name).type):
        return f"{column}::BIGINT"
    return (
        f"CASE WHEN strlen({column}) = length({column}) THEN trim({column}, '{_ASCII_WHITE}') "
        f"ELSE trim({column}, '{_WHITE}') END"
    )


def _text(name: str, schema: pa.Schema) -> str:
    """Return SQL of a column as text, with blanks for nulls; a blank if there is no column."""
    if not name:
        return "''"
    if _is_integer(schema.field(name).type):
        return f"coalesce(file.{quoted(name)}::VARCHAR, '')"
    return f"coalesce({_value(name, schema)}, '')"


def _amount(name: str) -> str:
    """Return SQL of a column of numbers; NaN is null, like a blank."""
    value = f"file.{quoted(name)}::DOUBLE"
    return f"(CASE WHEN NOT isnan({value}) THEN {value} END)"


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_integer(kind)


def _is_integer(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) and kind != pa.uint64()


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
