"""The description of a company's tables: which there are, what their columns mean, and in which words.

The default is a preset, one of the files beside this module; a description of one's own replaces it whole.
"""

from __future__ import annotations

import tomllib
from datetime import UTC
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, field_validator, model_validator

from ml_sys.errors import nearest
from ml_sys.form import Form, Measure, UsageTable, name_of, ordered
from ml_sys.settings.attributes import AnyAttribute, WordSettings
from ml_sys.settings.base import Frozen
from ml_sys.settings.tables import (
    EntityTable,
    EventTable,
    LinkTable,
    Name,
    PeriodTable,
    PurchaseTable,
    Table,
    measures_of_events,
    usage_of_events,
)

# Columns of a snapshot and fields of a request beside measures, and beside attributes.
_NO_MEASURES = frozenset({"id", "user", "at", "event", "event_id", "company", "stamp"})
_NO_ATTRIBUTES = frozenset({"id", "converted_on", "value", "since", "line", "table", "as_of"})
DEFAULT_PRESET = "hubspot"
PRESETS = Path(__file__).parent / "presets"
_T = TypeVar("_T")

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@lru_cache(maxsize=8)
def preset(name: str) -> dict[str, Any]:
    """Return a description that comes with the package, as plain data."""
    values: dict[str, Any] = tomllib.loads((PRESETS / f"{name}.toml").read_text(encoding="utf-8"))["schema"]
    return values


class SchemaSettings(Frozen):
    """The description of the tables; by default that of the preset ``hubspot``."""

    tables: dict[Name, Table] = Field(
        default_factory=lambda: preset(DEFAULT_PRESET)["tables"],
        min_length=1,
        description="The tables, by name: what kind each is and what its columns mean.",
    )
    attributes: dict[Name, AnyAttribute] = Field(
        default_factory=lambda: preset(DEFAULT_PRESET)["attributes"],
        description="What is known of an entity besides its usage, by name.",
    )
    words: WordSettings = Field(
        default_factory=lambda: WordSettings.model_validate(preset(DEFAULT_PRESET)["words"]),
        description="What entities, their usage and their money are called in texts.",
    )
    columns: dict[str, str] = Field(
        {}, description="Your own name for a column that the description calls something else."
    )
    time_zone: str = Field(
        "UTC", description="Time zone of days, and of stamps without one, such as 'Europe/Berlin'."
    )

    @model_validator(mode="before")
    @classmethod
    def _replaces_the_default_whole(cls, given: Any) -> Any:
        """Take nothing from the default description where other tables are described."""
        if isinstance(given, dict) and "tables" in given:
            return {"attributes": {}, "words": {}, **given}
        return given

    @model_validator(mode="after")
    def _hangs_together(self) -> SchemaSettings:
        names = [name for periods in self.of(PeriodTable).values() for name in periods.measures]
        names += [name for events in self.of(EventTable).values() for name in events.amounts]
        for name in {one for one in names if names.count(one) > 1}:
            raise ValueError(f"two tables have a measure {name!r}: measures need names of their own")
        if not any(isinstance(table, PeriodTable | EventTable) for table in self.tables.values()):
            raise ValueError("no usage table is described: name one of kind 'periods' or 'events'")
        entities = self.of(EntityTable).values()
        if not self.of(PurchaseTable) and not any(table.converted_on for table in entities):
            raise ValueError(
                "nothing says who converted: name converted_on of an entity table, or a table of purchases"
            )
        for name, events in self.of(EventTable).items():
            if events.link and not isinstance(self.tables.get(events.link), LinkTable):
                raise ValueError(f"{name}: {events.link!r} is not a table of kind 'links'")
        if self.attributes and not entities:
            raise ValueError("attributes are columns of entity tables, and none is described")
        for name in (one for table in entities for one in table.attributes or ()):
            if name not in self.attributes:
                raise ValueError(f"no attribute {name!r} is described: {_meant(name, self.attributes)}")
        taken = (
            _NO_MEASURES.intersection(names) | (_NO_ATTRIBUTES | self.tables.keys()) & self.attributes.keys()
        )
        for name in taken:
            raise ValueError(
                f"{name!r} is the name of something else: call the measure or attribute otherwise"
            )
        return self

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            zone_of(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone: {_meant(name, available_timezones())}") from error
        return name

    def of(self, kind: type[_T]) -> dict[str, _T]:
        """Return the tables of a kind, by name."""
        return {name: table for name, table in self.tables.items() if isinstance(table, kind)}

    def column(self, described: str) -> str:
        """Return the name that a column of the description has in the user's own tables."""
        return self.columns.get(described, described)

    @property
    def has_since(self) -> bool:
        """Whether any table says since when an entity exists."""
        return any(table.since for table in self.of(EntityTable).values())

    def form(self, kinds: dict[str, tuple[str, ...]] | None = None) -> Form:
        """Return what the tables mean.

        Parameters
        ----------
        kinds : dict of str to tuple of str, optional
            By table of events, the kinds that are counted under their own names; by default those that the
            description names.
        """
        tables: list[UsageTable] = []
        measures: list[Measure] = []
        for name, table in self.tables.items():
            if isinstance(table, PeriodTable):
                measures += [one.measure(key) for key, one in table.measures.items()]
                tables.append(UsageTable(name, "periods", name_of(table.at), tuple(table.measures)))
            if isinstance(table, EventTable):
                known = (kinds or {}).get(name, table.kinds)
                made = measures_of_events(name, table, known)
                measures += made
                tables.append(usage_of_events(name, table, known, tuple(one.name for one in made)))
        return Form(
            tuple(tables),
            ordered(tuple(measures)),
            tuple(one.attribute(name) for name, one in self.attributes.items()),
            self.words.words(),
            self.has_since,
            self.time_zone,
        )


@lru_cache(maxsize=1)
def default_form() -> Form:
    """Return the form of the default description."""
    return SchemaSettings().form()


def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone; None for UTC, in which nothing has to be brought anywhere."""
    return None if name == "UTC" else ZoneInfo(name)


def local_time(now: datetime, time_zone: str) -> datetime:
    """Return what the clocks of a time zone say, as if in UTC: that is how stamps and days are kept."""
    zone = zone_of(time_zone)
    return now if zone is None else now.astimezone(zone).replace(tzinfo=UTC)


def _meant(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"known are {', '.join(sorted(known)[:9])}"
