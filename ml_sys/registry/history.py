"""Read the audit trail: which version was in production when, who promoted it, why, and on what verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ml_sys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from ml_sys.registry.audit import Record
    from ml_sys.registry.index import Index
    from ml_sys.registry.store import Registry

MOVES = ("promote", "rollback")


@dataclass(frozen=True)
class Stint:
    """A time during which a version was in production.

    Attributes
    ----------
    since : str
        ISO 8601, UTC.
    until : str or None
        None while it still is.
    """

    since: str
    until: str | None


@dataclass(frozen=True)
class RegistryHistory:
    """All records, first to last."""

    records: tuple[Record, ...]


@dataclass(frozen=True)
class Live:
    """The version in production at a given time; no record if there was none."""

    at: datetime
    record: Record | None

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        version = None if self.record is None else self.record.version
        return {"at": self.at.isoformat(), "production": version, "record": self.record}


@dataclass(frozen=True)
class Catalogue:
    """All versions, and when each was in production."""

    index: Index
    served: Mapping[str, Sequence[Stint]]

    @property
    def table(self) -> pd.DataFrame:
        """One row per version, first to last, with its headline metrics."""
        import pandas as pd  # commands that show versions do not need it

        rows = []
        for entry in self.index.versions.values():
            row = {**asdict(entry), **entry.metrics, "created_at": pd.Timestamp(entry.created_at)}
            rows.append(
                {name: value for name, value in row.items() if name not in {"version", "metrics", "seal"}}
            )
        return pd.DataFrame(rows, index=pd.Index(self.index.versions, name="version", dtype=object))

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "production": self.index.production,
            "versions": [
                {**asdict(entry), "served": self.served.get(entry.version, ())}
                for entry in self.index.versions.values()
            ],
        }


def catalogue(registry: Registry) -> Catalogue:
    """Return all versions, first to last."""
    return Catalogue(registry.read(), stints(registry.trail().records))


def stints(records: Sequence[Record]) -> dict[str, list[Stint]]:
    """Return when each version was in production, first to last."""
    moves = [record for record in records if record.action in MOVES]
    found: dict[str, list[Stint]] = {}
    for record, following in zip_longest(moves, moves[1:]):
        found.setdefault(record.version, []).append(Stint(record.at, following.at if following else None))
    return found


def live_at(records: Sequence[Record], moment: datetime) -> Record | None:
    """Return the record that promoted the version in production at a given time.

    Among the records stamped by then, the last one counts, whatever the clock did.

    Parameters
    ----------
    moment : datetime
        Aware.
    """
    moves = [record for record in records if record.action in MOVES]
    by_then = [record for record in moves if datetime.fromisoformat(record.at) <= moment]
    return by_then[-1] if by_then else None


def parse_moment(text: str) -> datetime:
    """Parse a date or time, UTC unless it names a zone; a date means its midnight.

    Raises
    ------
    UsageError
        If it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a valid time",
            hint="write YYYY-MM-DD or YYYY-MM-DDTHH:MM, UTC or with its offset",
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
