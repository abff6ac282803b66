"""The store of handed-out lists.

A handed-out list never changes. At most one list counts for each day: another list for that day is either the
same, or replaces it with a reason.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, delete, func, select, text, update

from ml_sys.outcomes.database.engine import (
    database_errors,
    empty_wal,
    postgresql_engine,
    sqlite_engine,
    writing,
)
from ml_sys.outcomes.database.migrating import bring_up_to_date
from ml_sys.outcomes.database.reading import read_entries
from ml_sys.outcomes.database.revisions import FILE as FILE  # others name both by the store
from ml_sys.outcomes.database.revisions import exists as exists
from ml_sys.outcomes.database.rows import COLUMNS, OF_LIST, as_list, put, standing
from ml_sys.outcomes.database.tables import entries as entries_table
from ml_sys.outcomes.database.tables import lists as lists_table
from ml_sys.outcomes.database.taking_over import remembered_lists
from ml_sys.outcomes.lists import HandedOutList, ListEntry, OtherListError, storable
from ml_sys.scoring.cooldown import PAID_SINCE, TAKEN_OUT
from ml_sys.scoring.remembered import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from sqlalchemy import ColumnElement, Engine

    from ml_sys.settings import Settings

_AT_ONCE = 500  # lists or companies that one statement names

Recorded = Literal["new", "same", "replaced"]


class Store:
    """Handed-out lists in a database.

    Parameters
    ----------
    engine : Engine
        Of a database at the latest revision.
    place : Path or str
        Named in errors.
    """

    def __init__(self, engine: Engine, place: Path | str) -> None:
        self.place = place
        self._engine = engine

    def hand_out(
        self, listed: HandedOutList, companies: Iterable[ListEntry], *, replace_other: bool = False
    ) -> tuple[Recorded, HandedOutList]:
        """Record a list; return whether it is the same, new or a replacement, and its record.

        Parameters
        ----------
        listed : HandedOutList
            With the reason for replacing another one, if it is to.
        companies : iterable of ListEntry
        replace_other : bool
            Whether it may replace another list of the day.

        Raises
        ------
        OtherListError
            If there is another list, and it may not be replaced.
        StorageError
            If the database cannot be written.
        """
        with database_errors(self.place), writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":  # SQLite lets one write at a time as it is
                connection.execute(text("LOCK TABLE lists IN SHARE ROW EXCLUSIVE MODE"))
            there = standing(connection, listed.cutoff)
            if there is not None and there.list_id == listed.list_id:
                return "same", there
            if there is not None:
                if not replace_other:
                    raise OtherListError(listed, there)
                connection.execute(
                    update(lists_table)
                    .where(lists_table.c.list_id == there.list_id)
                    .values(replaced_by=listed.list_id)
                )
            record = replace(listed, reason="") if there is None else listed
            put(connection, record, companies)
        return ("new" if there is None else "replaced"), record

    def take_over(self, found: Iterable[tuple[HandedOutList, Sequence[ListEntry]]]) -> int:
        """Record lists from before there was a store, except for days that have one; return how many."""
        taken = 0
        found = list(found)
        if not found:
            return 0
        with database_errors(self.place), writing(self._engine) as connection:
            for listed, companies in found:
                if standing(connection, listed.cutoff) is None:
                    put(connection, listed, companies)
                    taken += 1
        return taken

    def lists(
        self, since: int | None = None, until: int | None = None, *, replaced: bool = False
    ) -> list[HandedOutList]:
        """Return the lists of some days, the earliest first.

        Parameters
        ----------
        since, until : int, optional
            First and last cutoff, inclusive.
        replaced : bool
            Whether to include lists that were replaced.
        """
        wanted = select(*OF_LIST).order_by(lists_table.c.cutoff, lists_table.c.number)
        if since is not None:
            wanted = wanted.where(lists_table.c.cutoff >= since)
        if until is not None:
            wanted = wanted.where(lists_table.c.cutoff <= until)
        if not replaced:
            wanted = wanted.where(lists_table.c.replaced_by.is_(None))
        with database_errors(self.place), self._engine.connect() as connection:
            return [as_list(row) for row in connection.execute(wanted)]

    def entries(
        self,
        list_ids: Sequence[str],
        *,
        only_called: bool = False,
        only_pool: bool = False,
        columns: Sequence[str] = COLUMNS,
    ) -> pd.DataFrame:
        """Return the companies on some lists, by cutoff and rank.

        Parameters
        ----------
        list_ids : sequence of str
        only_called : bool
            Return only the companies to call.
        only_pool : bool
            Return only the companies that could have been drawn.
        columns : sequence of str
            Columns to return; the rank must be among them.

        Returns
        -------
        DataFrame
            With the columns ``list_id``, ``cutoff`` and those asked for; ``waits_until`` is nullable.
            Companies that were taken out have rank 0.
        """
        condition: ColumnElement[bool] | None = entries_table.c.selected if only_called else None
        if only_pool:
            condition = entries_table.c.inclusion_probability > 0
        with database_errors(self.place), self._engine.connect() as connection:
            return read_entries(connection, list_ids, columns, condition)

    def companies_by_tier(self, list_ids: Sequence[str]) -> dict[str, int]:
        """Count the companies of each tier on some lists; one on several lists counts several times."""
        wanted = (
            select(entries_table.c.tier, func.count())
            .join(lists_table)
            .where(lists_table.c.list_id.in_(list_ids), entries_table.c.group.not_in(TAKEN_OUT))
            .group_by(entries_table.c.tier)
        )
        with database_errors(self.place), self._engine.connect() as connection:
            return {tier: int(companies) for tier, companies in connection.execute(wanted)}

    def entries_of(self, entity_ids: Sequence[str], list_ids: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return list, company and tier of each entry of the given companies on the given lists."""
        wanted = (
            select(lists_table.c.list_id, entries_table.c.entity_id, entries_table.c.tier)
            .join(entries_table)
            .where(lists_table.c.list_id.in_(list_ids), entries_table.c.group.not_in(TAKEN_OUT))
        )
        found: list[tuple[str, str, str]] = []
        with database_errors(self.place), self._engine.connect() as connection:
            for at in range(0, len(entity_ids), _AT_ONCE):
                some = [storable(one) for one in entity_ids[at : at + _AT_ONCE]]
                rows = connection.execute(wanted.where(entries_table.c.entity_id.in_(some)))
                found += [(name, entity, tier) for name, entity, tier in rows]
        return found

    def company(self, list_id: str, entity_id: str) -> ListEntry | None:
        """Return a company's entry on a list, with its reasons; None if it is not on the list."""
        wanted = (
            select(*(entries_table.c[name] for name in COLUMNS), entries_table.c.reasons)
            .join(lists_table)
            .where(lists_table.c.list_id == list_id, entries_table.c.entity_id == storable(entity_id))
        )
        with database_errors(self.place), self._engine.connect() as connection:
            row = connection.execute(wanted).first()
        if row is None:
            return None
        held = row._asdict()
        return ListEntry(**{**held, "reasons": tuple(json.loads(held["reasons"]))})

    def last_called(self, *, after: int, before: int) -> dict[str, int]:
        """Return the latest day on which each company was to be called, between two days (exclusive)."""
        wanted = (
            select(entries_table.c.entity_id, func.max(lists_table.c.cutoff))
            .join(lists_table)
            .where(
                lists_table.c.replaced_by.is_(None),
                lists_table.c.cutoff > after,
                lists_table.c.cutoff < before,
                entries_table.c.selected,
            )
            .group_by(entries_table.c.entity_id)
        )
        return self._days(wanted)

    def waiting(self, cutoff: int) -> dict[str, int]:
        """Return the companies that may not be drawn at a cutoff, and until when each waits."""
        wanted = (
            select(entries_table.c.entity_id, func.max(entries_table.c.waits_until))
            .join(lists_table)
            .where(
                and_(
                    lists_table.c.replaced_by.is_(None),
                    lists_table.c.cutoff < cutoff,
                    entries_table.c.waits_until > cutoff,
                )
            )
            .group_by(entries_table.c.entity_id)
        )
        return self._days(wanted)

    def paid_before(self, cutoff: int) -> frozenset[str] | None:
        """Return the companies left off a day's list because they had paid; None if there is no list."""
        with database_errors(self.place), self._engine.connect() as connection:
            there = standing(connection, cutoff)
            if there is None:
                return None
            gone = entries_table.c.group == PAID_SINCE
            found = read_entries(connection, [there.list_id], ("entity_id", "rank"), gone)
        return frozenset(found["entity_id"])

    def forget(self, entity_id: str, *, dry_run: bool = False) -> int:
        """Delete a company from every list and return the number of lists; the others keep their ranks."""
        named = entries_table.c.entity_id == storable(entity_id)
        with database_errors(self.place):
            if dry_run:
                with self._engine.connect() as connection:
                    counted = select(func.count()).select_from(entries_table).where(named)
                    return int(connection.execute(counted).scalar_one())
            with writing(self._engine) as connection:
                deleted = int(connection.execute(delete(entries_table).where(named)).rowcount)
            empty_wal(self._engine)
        return deleted

    def _days(self, wanted: Any) -> dict[str, int]:
        with database_errors(self.place), self._engine.connect() as connection:
            return {entity: int(day) for entity, day in connection.execute(wanted)}


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """Open the store that the settings name; create or upgrade it if necessary.

    Raises
    ------
    StorageError
        If it cannot be opened, or belongs to a newer mlsys or another program.
    """
    address = settings.store.url
    place = address or settings.artifacts_dir / FILE
    with database_errors(place):
        engine = postgresql_engine(address) if address else sqlite_engine(settings.artifacts_dir / FILE)
    try:
        bring_up_to_date(engine, place, settings.artifacts_dir, settings.registry.lock_timeout_seconds)
        opened = Store(engine, place)
        _take_over(opened, settings)
        yield opened
    finally:
        engine.dispose()


def _take_over(opened: Store, settings: Settings) -> None:
    """Record the lists that were remembered as files before there was a store."""
    folder = settings.artifacts_dir / FOLDER
    if folder.is_dir() and any(folder.iterdir()):
        days = {one.cutoff for one in opened.lists(replaced=True)}
        opened.take_over(remembered_lists(folder, days, settings.label.horizon_days))
