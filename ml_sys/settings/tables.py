"""Settings that describe tables: what kind each is, and what its columns mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from ml_sys.form import Measure, Noun, UsageTable, name_of
from ml_sys.settings.base import Frozen, Where

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Column = Annotated[str, Field(min_length=1)]
Dates = Literal["iso", "day-first", "month-first", "epoch_s", "epoch_ms"]
_DATES = (
    "How days and moments are written: such as 2020-05-31, 31.05.2020, 05/31/2020, or counted since 1970."
)
# Those of events that are counted under their own names; the rest are "other".
MAX_KINDS = 12
OTHER, USERS = "other", "users"
# What exports call money that was given back.
REFUNDS = (
    "refund",
    "refunded",
    "chargeback",
    "reversal",
    "credit note",
    "erstattung",
    "gutschrift",
    "storno",
    "退款",
    "已退款",
)
# Names of other measures of events.
NO_KINDS = frozenset({OTHER, USERS})


def type_key(text: str) -> str:
    """Return a type of a row as it is compared: in lower case, its words apart.

    Examples
    --------
    >>> type_key(" Credit_Note")
    'credit note'
    """
    return text.strip().casefold().replace("_", " ").replace("-", " ")


class EntityTable(Frozen):
    """A table with a row for each entity; several are united, and one that converts in any has converted."""

    kind: Literal["entities"]
    file: Where = Field("", description="File, folder or address; table or query for 'sql'.")
    id: Column = Field("id", description="Column of the identifier.")
    converted_on: str = Field("", description="Column of the day of conversion; a blank has not converted.")
    all_converted: bool = Field(
        False, description="Every row has converted, so a row without its day is a bad row."
    )
    since: str = Field("", description="Column of the day on which the entity began to exist.")
    value: str = Field("", description="Column of the money it pays; reported, never a feature.")
    attributes: tuple[Name, ...] | None = Field(
        None, description="Attributes it has a column for; by default those whose column exists."
    )
    dates: Dates = Field("iso", description=_DATES)

    @model_validator(mode="after")
    def _has_the_day(self) -> EntityTable:
        if self.all_converted and not self.converted_on:
            raise ValueError("all_converted says that every row has a day of conversion: name converted_on")
        return self


class PurchaseTable(Frozen):
    """A table with a row for each purchase; the first of an entity is its conversion."""

    kind: Literal["purchases"]
    file: Where = Field("", description="File, folder or address; table or query for 'sql'.")
    id: Column = Field("id", description="Column of the entity's identifier.")
    at: Column = Field(description="Column of the day of the purchase.")
    value: str = Field(
        "", description="Column of the money paid; below zero it was given back, at zero nothing was paid."
    )
    type: str = Field("", description="Column that says what a row is, if some are not purchases.")
    refunds: tuple[str, ...] = Field(
        REFUNDS, description="Types of money that was given back, whatever its sign and the case of letters."
    )
    zero_converts: bool = Field(
        False, description="Whether a purchase for nothing, such as a free trial, is a conversion."
    )
    dates: Dates = Field("iso", description=_DATES)


class MeasureColumn(Frozen):
    """A column that counts or adds something up in a period."""

    column: Column
    role: Literal["actions", "users", "amount"] = "actions"
    object: str = Field("", description="What was used; by default the measure's name.")
    one: str = Field("", description="What one of it is called.")
    many: str = Field("", description="What several of it are called.")
    place: str = Field("", description='Follows it in a sentence, such as "on files".')
    verb: str = Field("", description='Comes before the number, such as "watched".')
    digits: Annotated[int, Field(ge=0, le=6)] | None = Field(
        None, description="Decimal digits that are kept; by default 3 of an amount, and 0 of anything else."
    )

    def measure(self, name: str) -> Measure:
        """Return what it means."""
        words = {"actions": ("action", "actions"), "users": ("person", "people")}
        one, many = words.get(self.role, (name.replace("_", " "),) * 2)
        digits = {"amount": 3}.get(self.role, 0) if self.digits is None else self.digits
        noun = Noun(self.one or one, self.many or self.one or many)
        obj = name_of(self.object or name)
        return Measure(name, self.role, obj, noun, self.place, self.verb, digits)


class PeriodTable(Frozen):
    """A usage table with a row for each entity and period."""

    kind: Literal["periods"]
    file: Where = Field("", description="File, folder or address; table or query for 'sql'.")
    id: Column = Field("id", description="Column of the entity's identifier.")
    at: Column = Field(description="Column of the period's stamp.")
    dates: Dates = Field("iso", description=_DATES)
    measures: dict[Name, MeasureColumn] = Field(min_length=1)


class EventTable(Frozen):
    """A usage table with a row for each thing that happened; periods are made of it when it is read."""

    kind: Literal["events"]
    file: Where = Field("", description="File, folder or address; table or query for 'sql'.")
    id: str = Field("id", description="Column of the entity's identifier; empty if a link leads to it.")
    at: Column = Field(description="Column of the moment, or day, of the event.")
    event: str = Field("", description="Column of the kind of event; without it, all are of one kind.")
    kinds: tuple[str, ...] = Field(
        (), description="Kinds that are counted under their own names; by default the most frequent ones."
    )
    max_kinds: PositiveInt = Field(MAX_KINDS, description="At most this many kinds are chosen.")
    amounts: dict[Name, MeasureColumn] = Field(
        {}, description="Columns that are added up, each under the name of a measure."
    )
    user: str = Field("", description="Column of who did it; distinct ones of a period are counted.")
    link: str = Field("", description="Table of links that leads from a user to its entity.")
    event_id: str = Field("", description="Column of the event's own identifier; a repeated one counts once.")
    one: str = Field("", description="What one event is called, if all are of one kind.")
    many: str = Field("", description="What several are called.")
    dates: Dates = Field("iso", description=_DATES)

    @field_validator("amounts", mode="before")
    @classmethod
    def _are_amounts(cls, given: Any) -> Any:
        """Take each for an amount unless another role is named."""
        if not isinstance(given, dict):
            return given
        return {
            name: {"role": "amount", **one} if isinstance(one, dict) else one for name, one in given.items()
        }

    @model_validator(mode="after")
    def _has_an_entity(self) -> EventTable:
        if bool(self.link) == bool(self.id) and (self.link or not self.id):
            raise ValueError("name either the entity's id, or a user and the link that leads to its entity")
        if self.link and not self.user:
            raise ValueError("a link leads from a user to an entity: name the column of the user")
        return self

    @model_validator(mode="after")
    def _has_names_for_kinds(self) -> EventTable:
        names = [name_of(kind) for kind in self.kinds]
        for kind, name in zip(self.kinds, names, strict=True):
            if name in NO_KINDS or names.count(name) > 1:
                raise ValueError(f"{kind!r} would be called {name!r}, as something else is: leave it out")
        return self


class LinkTable(Frozen):
    """A table that leads from users to the entities that they belong to."""

    kind: Literal["links"]
    file: Where = Field("", description="File, folder or address; table or query for 'sql'.")
    user: Column = Field(description="Column of the user.")
    id: Column = Field("id", description="Column of the entity's identifier.")


Table = Annotated[
    EntityTable | PurchaseTable | PeriodTable | EventTable | LinkTable, Field(discriminator="kind")
]
KINDS = ("entities", "purchases", "periods", "events", "links")


def measures_of_events(name: str, table: EventTable, kinds: tuple[str, ...]) -> list[Measure]:
    """Return what is counted and added up of a table of events, in the order of its columns in a snapshot."""
    one, many = table.one or "event", table.many or table.one or "events"
    if table.event:
        counts = [
            Measure(
                f"{name}_{name_of(kind)}", "actions", name_of(kind), Noun(f"{said} event", f"{said} events")
            )
            for kind, said in ((kind, kind.replace("_", " ")) for kind in kinds)
        ]
        counts.append(Measure(f"{name}_{OTHER}", "actions", OTHER, Noun("other event", "other events")))
    else:
        counts = [Measure(f"{name}_events", "actions", name, Noun(one, many))]
    amounts = [one.measure(key) for key, one in table.amounts.items()]
    users = [Measure(f"{name}_{USERS}", "users", name, Noun("person", "people"))] if table.user else []
    return [*counts, *amounts, *users]


def usage_of_events(
    name: str, table: EventTable, kinds: tuple[str, ...], measures: tuple[str, ...]
) -> UsageTable:
    """Return a table of events as a request gives its rows."""
    event, user, event_id = (
        name_of(column) if column else "" for column in (table.event, table.user, table.event_id)
    )
    return UsageTable(
        name, "events", name_of(table.at), measures, tuple(table.amounts), event, user, event_id, kinds
    )
