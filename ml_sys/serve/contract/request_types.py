"""Types of request bodies: a raw company in the model's form, or its flat features.

They are strict: text is not accepted for a number, nor a number for a date, and unknown fields are refused.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

from ml_sys.errors import SettingsError
from ml_sys.features.compute import BASE_GROUP, FeatureSpec
from ml_sys.serve.contract.examples import NO_LEVELS, flat_example, raw_example
from ml_sys.serve.contract.field_types import CompanyId, Count, Name, NotNegative, Number, amount, moment
from ml_sys.settings.description import zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.form import Attribute, Form, Measure, UsageTable

ID, AS_OF, SINCE = "id", "as_of", "since"
MAX_ROWS = 1000


class Strict(BaseModel):
    """A strict model: no unknown fields, no infinite numbers, no text for a number."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Raw(Strict):
    """The fields that every raw company has."""

    id: CompanyId | None = Field(None, description="Kept in the prediction log; never a feature.")
    as_of: date = Field(description="Cutoff: only usage complete by this day counts.")


def raw_type(spec: FeatureSpec, levels: Mapping[str, str] = NO_LEVELS) -> type[Raw]:
    """Return the type of a raw company: attributes, and rows of each usage table with their dates.

    Raises
    ------
    SettingsError
        If two fields have the same name.
    """
    form, fields = spec.form, dict[str, Any]()
    for one in form.attributes:
        for name, what in _attribute_fields(one).items():
            _take(fields, name, what)
    if form.has_since:
        _take(fields, SINCE, (date | None, Field(None, description="Day on which it was created.")))
    for table in form.tables:
        rows = "One row per period; later ones do not count, and of rows with one stamp only the busiest."
        if table.kind == "events":
            rows = "One row per event; events in a period that is not complete do not count."
        many: Any = Field(default_factory=list, max_length=MAX_ROWS, description=rows)
        _take(fields, table.name, (list[row_type(table, form)], many))  # type: ignore[misc]  # made just now

    class OfForm(Raw):
        model_config = ConfigDict(json_schema_extra={"examples": [raw_example(form, spec.period, levels)]})

    doc = "A company as it is exported: attributes, and usage rows with their dates."
    made: type[Raw] = create_model("RawCompany", __base__=OfForm, __doc__=doc, **fields)
    return made


def row_type(table: UsageTable, form: Form) -> type[BaseModel]:
    """Return the type of a row of a usage table."""
    stamp = f"Stamp of the period; {form.time_zone} if no time zone is given."
    if table.kind == "events":
        stamp = f"When it happened; {form.time_zone} if no time zone is given."
    fields: dict[str, Any] = {table.at: (moment(zone_of(form.time_zone)), Field(description=stamp))}
    named = {one.name: one for one in form.measures}
    if table.kind == "periods":
        for name in table.measures:
            fields[name] = (_value_type(named[name]), Field(0, description=_value_text(named[name])))
    else:
        if table.event:
            fields[table.event] = (Name | None, Field(None, description="The kind of event."))
        for name in table.amounts:
            kind = _value_type(named[name])
            kind = kind if kind is Count else kind | None  # a blank amount of an event adds nothing
            fields[name] = (kind, Field(0, description=_value_text(named[name])))
        for name, text in ((table.user, "Who did it."), (table.event_id, "Identifier of the event.")):
            if name:
                fields[name] = (Name | None, Field(None, description=text))
    doc = "Usage of one period." if table.kind == "periods" else "An event."
    name = "".join(part.capitalize() for part in table.name.split("_"))
    made: type[BaseModel] = create_model(f"{name}Row", __base__=Strict, __doc__=doc, **fields)
    return made


def none_field(one: Attribute) -> str:
    """Return the field that says that a number has no value; empty if it always has one."""
    return one.none_feature if one.none is not None else ""


def _take(fields: dict[str, Any], name: str, what: Any) -> None:
    if name in fields or name in {ID, AS_OF}:
        raise SettingsError(
            "schema", name, "would be two fields of a request", hint="give one of the two another name"
        )
    fields[name] = what


def _attribute_fields(one: Attribute) -> dict[str, Any]:
    label = one.label[:1].upper() + one.label[1:]
    if one.kind == "flag":
        return {one.name: (bool | None, Field(None, description=f"{label}."))}
    if one.kind != "number":
        example = {"range": ' as text, e.g. "11 to 25"', "category": " in any spelling"}.get(one.kind, "")
        if one.kind == "ordered":
            example = f": {', '.join(one.levels)}"
        return {one.name: (Name | None, Field(None, description=f"{label}{example}."))}
    text = f"{label}."
    if one.none is not None:
        text += " The number that stands for none in the tables stands for none here, too."
    if one.scale == "log":
        text += " A value that is not positive counts as blank, with a warning."
    fields: dict[str, Any] = {one.name: (float | None, Field(None, description=text))}
    if none_field(one):
        said = one.none_label[:1].upper() + one.none_label[1:]
        fields[none_field(one)] = (bool, Field(False, description=f"{said}."))
    return fields


def _value_type(one: Measure) -> Any:
    return amount(one.digits) if one.digits or one.role == "amount" else Count


def _value_text(one: Measure) -> str:
    return "Amount." if one.role == "amount" else "Count in the period."


def request_type(spec: FeatureSpec, levels: Mapping[str, str] = NO_LEVELS) -> Any:
    """Return the type of a request: flat features of this model, or a raw company, known by its ``as_of``."""

    def kind(body: Any) -> str:
        raw = isinstance(body, Raw) or (isinstance(body, dict) and AS_OF in body)
        return "raw" if raw else "flat"

    raw, flat = raw_type(spec, levels), flat_type(spec, levels)
    return Annotated[Annotated[raw, Tag("raw")] | Annotated[flat, Tag("flat")], Discriminator(kind)]


def flat_type(spec: FeatureSpec, levels: Mapping[str, str] = NO_LEVELS) -> Any:
    """Return the type of a request with ready features.

    Raises
    ------
    SettingsError
        If a feature is called ``id`` or ``as_of``.
    """
    groups, categories = spec.groups(), set(spec.categories())
    for taken in {ID, AS_OF} & set(groups):
        raise SettingsError("features", taken, "is a field of every request", hint="rename the feature")
    fields: dict[str, Any] = {ID: (CompanyId | None, Field(None, description="Kept in the prediction log."))}
    for name, group in groups.items():
        number = NotNegative if group == BASE_GROUP else Number
        fields[name] = (Name | None if name in categories else number | None, Field(None))
    example = {ID: "4711"} | flat_example(spec, levels)

    class Flat(Strict):
        model_config = ConfigDict(json_schema_extra={"examples": [example]})

    return create_model(
        "FlatFeatures",
        __base__=Flat,
        __doc__="Ready features; a feature that is left out or null counts as blank.",
        **fields,
    )
