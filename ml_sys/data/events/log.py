"""Count many events: collect them in a temporary database, and count them there.

Invariant: memory does not grow with the number of events; what does not fit is in a temporary folder, which
is removed at the end.
"""

# ruff: noqa: S608 - statements are made of names of our own; values are passed as parameters

from __future__ import annotations

from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.events.counting import SUM_LIMIT, EventRows, stamps_of
from ml_sys.data.events.reading import amount_columns, arrow_schema, as_arrow
from ml_sys.data.parts.sorted_rows import room_errors, temporary_database
from ml_sys.data.quarantine import MERGED_EVENT
from ml_sys.data.reading.rows import RAW_LIMIT, BadRow
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from ml_sys.data.events.counting import Counting
    from ml_sys.data.events.reading import Batch
    from ml_sys.days import Period

# Prefix of the temporary folders for events.
SCRATCH = "mlsys-events"
MEMORY_MB = 1500
_BATCH_ROWS = 1 << 17
_END_OF_TIME = 2**31 - 1


class EventLog:
    """The events of one table, counted on demand.

    Use it as a context manager. :meth:`add` all events in one pass, or add a file with
    `ml_sys.data.events.parquet`, and :meth:`merge_repeated` events if they have identifiers. Then find the
    :meth:`periods`, :meth:`take_out` days that do not count, choose kinds by :meth:`kind_counts`, and get the
    :meth:`rows`.

    Parameters
    ----------
    n_amounts : int
    folder : Path, optional
        Where to create its temporary folder; by default the system's place.
    memory_mb : int
        Memory limit of the database.

    Attributes
    ----------
    database : duckdb.DuckDBPyConnection
        Its table ``event`` has ``entity, moment, day``, a column such as ``amount_0`` for each amount, and
        ``line, source_row, kind, user, event_id``. The number of a source row is unique, whichever file it
        is in. An unknown user is null; other unknown texts are blank.
    amounts : list of str
        Names of the columns of amounts.
    """

    def __init__(self, n_amounts: int, *, folder: Path | None = None, memory_mb: int = MEMORY_MB) -> None:
        self.amounts = amount_columns(n_amounts)
        self._scratch = ExitStack()
        self._folder = self._scratch.enter_context(scratch_folder(SCRATCH, folder))
        self._taken_out = 0
        self._order: NDArray[np.int32] | None = None
        self.database = temporary_database(self._folder, memory_mb)
        columns = "".join(f", {name} BIGINT" for name in self.amounts)
        self.run(
            f"CREATE TABLE event (entity INTEGER, moment BIGINT, day INTEGER{columns}, line BIGINT,"
            ' source_row BIGINT, kind VARCHAR, "user" VARCHAR, event_id VARCHAR)'
        )

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        self._scratch.close()

    def add(self, batches: Iterable[Batch]) -> None:
        """Add events, reading each batch once."""
        schema = arrow_schema(len(self.amounts))
        n_read = 0
        self.run("BEGIN")
        for batch in batches:
            rows = as_arrow(batch, schema, n_read)
            n_read += rows.num_rows
            self.database.register("batch", rows)
            self.run("INSERT INTO event FROM batch")
            self.database.unregister("batch")
        self.run("COMMIT")

    def move(self, order: NDArray[np.int32]) -> None:
        """Renumber the entities.

        Parameters
        ----------
        order : ndarray of shape (n_entities,), int32
            The new position of each.
        """
        self._order = order

    def merge_repeated(self, ids: Any) -> Iterator[BadRow]:
        """Keep one event per entity and identifier, and return the others.

        The earliest is kept; at the same moment, the one with the smallest content.

        Parameters
        ----------
        ids : pyarrow.StringArray
            Of the entities, by position.
        """
        # The same line of two files has the same content: all entities of its user have to keep the same one.
        tied = ["line", "source_row"]
        says = ", ".join(["moment", "kind", *self.amounts, "coalesce(\"user\"::VARCHAR, '')", *tied])
        self.run(
            "CREATE OR REPLACE TEMP TABLE repeated AS SELECT entity, event_id FROM event "
            "WHERE event_id <> '' GROUP BY entity, event_id HAVING count(*) > 1"
        )
        self.run(
            "CREATE OR REPLACE TEMP TABLE dropped AS SELECT entity, source_row FROM event SEMI JOIN repeated "
            "USING (entity, event_id) QUALIFY row_number() "
            f"OVER (PARTITION BY entity, event_id ORDER BY {says}) > 1"
        )
        return self._without_dropped(MERGED_EVENT, ids)

    def take_out(self, first_day: int, last_day: int, reason: str, ids: Any) -> Iterator[BadRow]:
        """Remove the events of some days, both ends included, and return them.

        Parameters
        ----------
        first_day, last_day : int
            Days of local time since 1970-01-01.
        ids : pyarrow.StringArray
            Of the entities, by position.
        """
        self.run(
            "CREATE OR REPLACE TEMP TABLE dropped AS SELECT entity, source_row FROM event "
            "WHERE day BETWEEN ? AND ?",
            [first_day, last_day],
        )
        return self._without_dropped(reason, ids)

    def kind_counts(self, before: int = _END_OF_TIME) -> dict[str, int]:
        """Return the number of events of each kind before a day."""
        found = self.database.execute(
            "SELECT kind, count(*) FROM event WHERE day < ? GROUP BY kind", [before]
        )
        return {str(kind): int(count) for kind, count in sorted(found.fetchall())}

    def periods(self, period: Period) -> EventRows:
        """Return a row per entity and period, without values."""
        return self._grouped(period, [], [])

    def rows(self, counting: Counting) -> EventRows:
        """Return a row per entity and period.

        Sums are exact; sums above `SUM_LIMIT` are capped.
        """
        return self._grouped(counting.period, *_measures(counting, self.amounts))

    def _grouped(self, period: Period, measures: Sequence[str], kinds: Sequence[str]) -> EventRows:
        self._make_calendar(period)
        selected = ", ".join(["entity", "stamp", *measures])
        self.run(
            f"CREATE TEMP TABLE counted AS SELECT {selected} FROM event JOIN calendar USING (day) "
            "GROUP BY ALL",
            kinds,
        )
        n, width = self.number("SELECT count(*) FROM counted"), len(measures)
        rows = EventRows(np.empty(n, np.int32), np.empty(n, np.int64), np.empty((n, width), np.int64))
        at = 0
        for batch in self.database.sql("FROM counted ORDER BY entity, stamp").to_arrow_reader(_BATCH_ROWS):
            part = slice(at, at + batch.num_rows)
            rows.entity[part] = batch.column(0).to_numpy()
            rows.stamp[part] = batch.column(1).to_numpy().astype(np.int64) * DAY_MICROSECONDS
            for measure in range(width):
                rows.values[part, measure] = batch.column(2 + measure).to_numpy()
            at = part.stop
        self.run("DROP TABLE counted")
        if self._order is None:
            return rows
        moved = self._order[rows.entity]
        order = np.argsort(moved, kind="stable")
        return EventRows(moved[order], rows.stamp[order], rows.values[order])

    def days(self) -> NDArray[np.int32]:
        """Return the days with events, ascending."""
        found = self.database.execute("SELECT DISTINCT day FROM event ORDER BY day").fetchall()
        return np.array([day for (day,) in found], np.int32)

    def _make_calendar(self, period: Period) -> None:
        """Write a table of the stamp of each day with events."""
        days = self.days()
        self.database.register(
            "days", pa.table({"day": pa.array(days), "stamp": pa.array(stamps_of(days, period))})
        )
        self.run("CREATE OR REPLACE TEMP TABLE calendar AS FROM days")
        self.database.unregister("days")

    def _without_dropped(self, reason: str, ids: Any) -> Iterator[BadRow]:
        """Remove the dropped rows, and return those that no entity has any more, as they were read."""
        self._taken_out += 1
        gone, same = f"gone_{self._taken_out}", "USING (entity, source_row)"
        self.run(f"CREATE TEMP TABLE {gone} AS SELECT event.* FROM event SEMI JOIN dropped {same}")
        if self.number(f"SELECT count(*) FROM {gone}"):
            self.run(
                "DELETE FROM event USING dropped "
                "WHERE event.entity = dropped.entity AND event.source_row = dropped.source_row"
            )
            self.run(f"DELETE FROM {gone} USING event WHERE {gone}.source_row = event.source_row")
        return self._read_back(gone, reason, ids)

    def _read_back(self, table: str, reason: str, ids: Any) -> Iterator[BadRow]:
        says = [
            "make_timestamp(moment)",
            "kind",
            *self.amounts,
            "coalesce(\"user\"::VARCHAR, '')",
            "event_id",
        ]
        found = self.database.sql(
            f"SELECT entity, source_row, line, concat_ws(',', {', '.join(says)}) FROM {table} "
            "ORDER BY source_row"
        )
        batches = found.to_arrow_reader(_BATCH_ROWS)
        rows = (row for batch in batches for row in zip(*map(pa.Array.to_pylist, batch.columns), strict=True))
        for _, same in groupby(rows, key=itemgetter(1)):
            entities, _, (line, *_), (text, *_) = zip(*same, strict=True)
            place = min(entities if self._order is None else self._order[list(entities)].tolist())
            yield BadRow(line, reason, f"{ids[place]},{text}"[:RAW_LIMIT])

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement to its end.

        Raises
        ------
        StorageError
            If the temporary folder has not enough room, or cannot be written.
        """
        with room_errors(self._folder, "events"):
            self.database.execute(statement, list(parameters)).complete()

    def number(self, query: str) -> int:
        """Return the single number that a query selects."""
        return int(self.database.execute(query).fetchall()[0][0])


def _measures(counting: Counting, amounts: list[str]) -> tuple[list[str], list[Any]]:
    """Return the SQL of each measure, in order, and the kinds that are its parameters."""
    if counting.kinds is None:
        counts, kinds = ["count(*)"], []
    else:
        kinds = list(counting.kinds)
        counts = ["count(*) FILTER (kind = ?)"] * len(kinds)
        named = ", ".join("?" * len(kinds))
        counts.append(f"count(*) FILTER (kind NOT IN ({named}))" if kinds else "count(*)")
    sums = [f"least(sum({name}), {SUM_LIMIT})::BIGINT" for name in amounts]
    users = ['count(DISTINCT "user")'] if counting.has_users else []
    return [*counts, *sums, *users], kinds * 2
