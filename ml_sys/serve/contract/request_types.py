"""Types of the bodies of requests: a raw company, or flat features of the model that is served.

They are strict: a text is no number, a number no date, and an unknown field is refused.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

from ml_sys.data.schema import MEASURES
from ml_sys.errors import SettingsError
from ml_sys.features.compute import BASE_GROUP, FeatureSpec
from ml_sys.serve.contract.field_types import CompanyId, Count, Moment, Name, NotNegative, Number

ID, AS_OF, USAGE = "id", "as_of", "usage"
MAX_ROWS = 1000
_EXAMPLE_NUMBERS = {"log_rank": 5.4, "unranked": 0.0, "employees": 17.0}
_EXAMPLE_TEXTS = {"employee_range": "11_to_25", "industry": "software"}


class Strict(BaseModel):
    """No unknown fields, no infinite numbers, no text that passes for a number."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


UsageRow: type[BaseModel] = create_model(  # type: ignore[call-overload]
    "UsageRow",
    __base__=Strict,
    __doc__="Usage of one period.",
    when_timestamp=(Moment, Field(description="Stamp of the period; UTC where it names no zone.")),
    **{name: (Count, Field(0, description="Count in the period.")) for name in MEASURES},
)


class RawCompany(Strict):
    """A company as it is exported: firmographics, and usage rows with their dates."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "4711",
                    "as_of": "2020-06-01",
                    "alexa_rank": 250000,
                    "employee_range": "11 to 25",
                    "industry": "COMPUTER_SOFTWARE",
                    "usage": [
                        {
                            "when_timestamp": "2020-05-18T00:00:00Z",
                            "actions_crm_contacts": 8,
                            "users_crm_contacts": 2,
                        },
                        {
                            "when_timestamp": "2020-05-25T00:00:00Z",
                            "actions_crm_contacts": 14,
                            "users_crm_contacts": 3,
                        },
                    ],
                }
            ]
        }
    )

    id: CompanyId | None = Field(None, description="Kept in the prediction log; never a feature.")
    as_of: date = Field(description="Cutoff: only usage complete by this day counts.")
    alexa_rank: float | None = Field(
        None,
        description="Traffic rank. The number that means unranked in the exported tables means it here, too; "
        "one that is not positive counts as blank, with a warning.",
    )
    unranked: bool = Field(False, description="The site is known to have no rank.")
    employee_range: Name | None = Field(None, description='Number of employees as text, e.g. "11 to 25".')
    industry: Name | None = Field(None, description="Industry in any spelling.")
    usage: list[UsageRow] = Field(
        default_factory=list,
        max_length=MAX_ROWS,
        description="One row a period; later ones do not count, and of several of a stamp only the busiest.",
    )


def request_type(spec: FeatureSpec) -> Any:
    """Return the type of a request: flat features of this model, or a raw company, known by its ``as_of``."""

    def kind(body: Any) -> str:
        raw = isinstance(body, RawCompany) or (isinstance(body, dict) and AS_OF in body)
        return "raw" if raw else "flat"

    flat = flat_type(spec)
    return Annotated[Annotated[RawCompany, Tag("raw")] | Annotated[flat, Tag("flat")], Discriminator(kind)]


def flat_type(spec: FeatureSpec) -> Any:
    """Return the type of a request with ready features.

    Raises
    ------
    SettingsError
        If a feature is called ``id`` or ``as_of``.
    """
    groups, categories = spec.groups(), set(spec.categories())
    for taken in {ID, AS_OF} & set(groups):
        raise SettingsError("features", taken, "is a field of requests", hint="rename the feature")
    fields: dict[str, Any] = {ID: (CompanyId | None, Field(None, description="Kept in the prediction log."))}
    for name, group in groups.items():
        number = NotNegative if group == BASE_GROUP else Number
        fields[name] = (Name | None if name in categories else number | None, Field(None))
    example: dict[str, Any] = {ID: "4711"} | {
        name: _EXAMPLE_TEXTS.get(name, _EXAMPLE_NUMBERS.get(name, float(at % 7)))
        for at, name in enumerate(groups)
    }

    class Flat(Strict):
        model_config = ConfigDict(json_schema_extra={"examples": [example]})

    return create_model(
        "FlatFeatures",
        __base__=Flat,
        __doc__="Ready features; what is left out or null counts as blank.",
        **fields,
    )
