"""The columns to read of a described table, and how each is parsed.

Invariant: outside the sources a field goes by its name in the description; the user's own column names appear
in reasons and messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from ml_sys.data.checking import moments, values
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.settings.description import zone_of
from ml_sys.settings.tables import EntityTable, EventTable, LinkTable, PeriodTable, PurchaseTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ml_sys.data.checking.columns import Column
    from ml_sys.form import Attribute, Measure
    from ml_sys.settings.description import SchemaSettings

ID, CONVERTED_ON, SINCE, VALUE, AT, TYPE = "id", "converted_on", "since", "value", "at", "type"
USER, EVENT, EVENT_ID = "user", "event", "event_id"


@dataclass(frozen=True)
class Field:
    """A column to read.

    Attributes
    ----------
    column : str
        The user's name for it.
    read : callable
        Takes n texts, returns n values and their faults.
    blanked : bool
        Whether a bad value is blanked and counted; otherwise it rejects the row.
    may_lack : bool
        Whether the column may be missing.
    """

    column: str
    read: Callable[[Any], Column]
    blanked: bool = False
    may_lack: bool = False

    @property
    def is_count(self) -> bool:
        """Whether its values are whole numbers from 0."""
        return self.read is values.counts


def fields_of(schema: SchemaSettings, name: str) -> dict[str, Field]:
    """Return the fields of a described table, by name, in the order in which they are checked."""
    table = schema.tables[name]
    zone = zone_of(schema.time_zone)
    if isinstance(table, LinkTable):
        found = {USER: Field(table.user, values.ids), ID: Field(table.id, values.ids)}
        return _renamed(schema, found)
    when: dict[str, Any] = {"dates": table.dates, "zone": zone}
    stamp = partial(moments.stamps, **when)
    if isinstance(table, EntityTable):
        found = _of_entities(schema, table, when)
    elif isinstance(table, PurchaseTable):
        found = {ID: Field(table.id, values.ids), AT: Field(table.at, stamp)}
        if table.value:
            found[VALUE] = Field(table.value, values.amounts, blanked=True)
        if table.type:
            found[TYPE] = Field(table.type, values.free_texts, blanked=True)
    elif isinstance(table, PeriodTable):
        found = {ID: Field(table.id, values.ids), AT: Field(table.at, stamp)}
        for key, one in table.measures.items():
            found[key] = Field(one.column, counted_by(one.measure(key)))
    elif isinstance(table, EventTable):
        found = _of_events(table, stamp)
    else:
        assert_never(table)
    return _renamed(schema, found)


def counted_by(measure: Measure, *, blank_is_zero: bool = False) -> Callable[[Any], Column]:
    """Return the reader of a measure: of counts, or of amounts with their decimals."""
    if measure.role != "amount" and not measure.digits:
        return values.counts
    return partial(values.scaled, digits=measure.digits, blank_is_zero=blank_is_zero)


def attribute_reader(attribute: Attribute) -> Callable[[Any], Column]:
    """Return the reader of an attribute."""
    if attribute.kind == "number":
        return partial(
            values.numbers,
            none=attribute.none,
            positive=attribute.scale == "log",
            missing=attribute.missing,
        )
    if attribute.kind == "flag":
        return partial(values.flags, missing=attribute.missing)
    if attribute.kind == "ordered":
        return partial(values.levels, levels=attribute.levels, missing=attribute.missing)
    return partial(values.free_texts, missing=attribute.missing)


def prospect_fields(schema: SchemaSettings) -> dict[str, Field]:
    """Return the fields of a file of prospects: those of entities that have not converted.

    The file is like the table of these entities; it may have attributes that this table has no column for.
    """
    entities = schema.of(EntityTable)
    free = [name for name, one in entities.items() if not one.converted_on] or list(entities)
    if not free:
        return {ID: Field(id_column(schema), values.ids)}
    found = fields_of(schema, free[-1])
    kept = {name: one for name, one in found.items() if name not in {CONVERTED_ON, VALUE}}
    for name, one in schema.attributes.items():
        column = schema.column(one.column or name)
        kept.setdefault(name, Field(column, attribute_reader(one.attribute(name)), True, True))
    return kept


def id_column(schema: SchemaSettings) -> str:
    """Return the id column of a table of entities, or else of any table with one."""
    entities = list(schema.of(EntityTable).values())
    named = entities[-1].id if entities else next(one.id for one in schema.tables.values() if one.id)
    return schema.column(named)


def columns_of(fields: Mapping[str, Field]) -> dict[str, str]:
    """Return the user's column of each field."""
    return {name: field.column for name, field in fields.items()}


def _renamed(schema: SchemaSettings, found: Mapping[str, Field]) -> dict[str, Field]:
    return {name: replace(one, column=schema.column(one.column)) for name, one in found.items()}


def _of_entities(schema: SchemaSettings, table: EntityTable, when: dict[str, Any]) -> dict[str, Field]:
    found = {ID: Field(table.id, values.ids)}
    if table.converted_on:
        blank = None if table.all_converted else NEVER_CLOSED
        found[CONVERTED_ON] = Field(table.converted_on, partial(moments.days, **when, blank=blank))
    if table.value:
        found[VALUE] = Field(table.value, values.amounts, blanked=True)
    if table.since:
        read = partial(moments.days, **when, blank=NEVER_BEGAN)
        found[SINCE] = Field(table.since, read, blanked=True)
    for name, one in schema.attributes.items():
        if table.attributes is None or name in table.attributes:
            may_lack = table.attributes is None
            found[name] = Field(one.column or name, attribute_reader(one.attribute(name)), True, may_lack)
    return found


def _of_events(table: EventTable, stamp: Callable[[Any], Column]) -> dict[str, Field]:
    found = {} if table.link else {ID: Field(table.id, values.ids)}
    if table.user:
        # An event without a user still counts; a link without a user is useless.
        found[USER] = Field(table.user, values.ids if table.link else values.free_texts)
    found[AT] = Field(table.at, stamp)
    if table.event:
        found[EVENT] = Field(table.event, values.free_texts)
    for key, one in table.amounts.items():
        found[key] = Field(one.column, counted_by(one.measure(key), blank_is_zero=True))
    if table.event_id:
        found[EVENT_ID] = Field(table.event_id, values.free_texts)
    return found
