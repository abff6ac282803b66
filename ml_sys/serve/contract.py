"""What the service takes and gives; the flat request is built from the served model's own feature schema."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

from ml_sys.data.schema import ACTIONS, MEASURES
from ml_sys.features.compute import FeatureInputs, FeatureSpec, feature_frame
from ml_sys.features.firmographics import Firmographics
from ml_sys.features.windows import UsageLog

_MAX_TEXT = 500
_MAX_ROWS = 1000
_MAX_COUNT = 2**31 - 1
_EPOCH = date(1970, 1, 1)

Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Name = Annotated[str, Field(max_length=_MAX_TEXT)]


class _Strict(BaseModel):
    """No unknown fields, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


UsageRow: type[BaseModel] = create_model(  # type: ignore[call-overload]
    "UsageRow",
    __base__=_Strict,
    __doc__="Usage of one period.",
    when_timestamp=(datetime, Field(description="Stamp of the period, UTC.")),
    **dict.fromkeys(MEASURES, (Count, 0)),
)


class RawCompany(_Strict):
    """A company as it is exported: firmographics, and usage rows with their dates."""

    as_of: date = Field(
        description="Cutoff: only usage complete by this day counts.", examples=["2020-06-01"]
    )
    alexa_rank: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Traffic rank; blank where unknown."
    )
    unranked: bool = Field(False, description="The site is known to have no rank.")
    employee_range: Name | None = Field(None, examples=["11 to 25"])
    industry: Name | None = Field(None, examples=["COMPUTER_SOFTWARE"])
    usage: list[UsageRow] = Field(
        default_factory=list,
        max_length=_MAX_ROWS,
        examples=[[{"when_timestamp": "2020-05-25", "actions_crm_contacts": 14, "users_crm_contacts": 2}]],
    )


class Prediction(BaseModel):
    """What the model says of one company."""

    model_config = ConfigDict(protected_namespaces=())

    conversion_probability: float
    will_convert: bool
    tier: str
    threshold: float
    model_version: str


def request_type(spec: FeatureSpec) -> Any:
    """Return the type of a request: flat features of this model, or a raw company, known by its ``as_of``."""
    categories = set(spec.categories())
    fields = {name: (Name | None if name in categories else float | None, None) for name in spec.names()}
    flat = create_model(  # type: ignore[call-overload]
        "FlatFeatures",
        __base__=_Strict,
        __doc__="Ready features; what is left out counts as blank.",
        **fields,
    )

    def kind(body: Any) -> str:
        raw = isinstance(body, RawCompany) or (isinstance(body, dict) and "as_of" in body)
        return "raw" if raw else "flat"

    return Annotated[Annotated[RawCompany, Tag("raw")] | Annotated[flat, Tag("flat")], Discriminator(kind)]


def features_of(request: BaseModel, spec: FeatureSpec) -> pd.DataFrame:
    """Return the feature frame of one request; raw usage goes through the one feature function."""
    if not isinstance(request, RawCompany):
        frame = pd.DataFrame([request.model_dump()], columns=spec.names())
        categories = spec.categories()
        numbers = {name: np.float32 for name in spec.names() if name not in categories}
        return frame.astype({**numbers, **dict.fromkeys(categories, object)})
    cutoff = np.array([(request.as_of - _EPOCH).days], dtype=np.int32)
    return feature_frame(_inputs(request, spec), cutoff, spec)


def _inputs(company: RawCompany, spec: FeatureSpec) -> FeatureInputs:
    rows = [row.model_dump() for row in company.usage]
    stamps = [_day_rounded_up(row["when_timestamp"]) for row in rows]
    usage = UsageLog.from_rows(
        np.zeros(len(rows), dtype=np.int32),
        np.array(stamps, dtype=np.int32),
        np.array([[row[measure] for measure in MEASURES] for row in rows], dtype=np.int32).reshape(
            -1, len(MEASURES)
        ),
        n_companies=1,
        n_actions=len(ACTIONS),
        period_days=spec.period_days,
        stamp=spec.stamp,
    )
    blank = company.alexa_rank is None
    rank = np.inf if company.unranked else np.nan if blank else float(company.alexa_rank or 0)
    firmographics = Firmographics(np.array([rank]), _text(company.employee_range), _text(company.industry))
    return FeatureInputs(usage, firmographics)


def _day_rounded_up(stamp: datetime) -> int:
    """Return days since 1970-01-01; a stamp within a day counts as the next one, as it does at ingest."""
    utc = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return -((datetime(1970, 1, 1, tzinfo=UTC) - utc) // timedelta(days=1))


def _text(value: str | None) -> Any:
    texts = np.empty(1, dtype=object)
    texts[0] = value if value is None or value.strip() else None
    return texts
