"""From requests to the values of features; raw companies go through the one feature function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.schema import ACTIONS, MEASURES
from ml_sys.days import day_number, day_of_stamp
from ml_sys.features.compute import FeatureInputs, FeatureSpec, feature_columns
from ml_sys.features.firmographics import Firmographics
from ml_sys.features.windows import UsageLog
from ml_sys.serve.contract import RawCompany

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pydantic import BaseModel

    from ml_sys.features.compute import Columns

    # In the order of the features, None for blanks.
    Values = list[float | str | None]


def values_of(request: BaseModel, spec: FeatureSpec) -> Values:
    """Return the features of one company."""
    if isinstance(request, RawCompany):
        return _computed([request], spec)[0]
    return list(request.__dict__.values())[1:]  # the first is its id


def values_of_many(requests: Sequence[BaseModel], spec: FeatureSpec) -> list[Values]:
    """Return the features of each company; raw ones of one cutoff are computed together."""
    found: list[Values] = [[]] * len(requests)
    by_cutoff: dict[date, list[int]] = {}
    for at, request in enumerate(requests):
        if isinstance(request, RawCompany):
            by_cutoff.setdefault(request.as_of, []).append(at)
        else:
            found[at] = values_of(request, spec)
    for places in by_cutoff.values():
        raw: Any = [requests[at] for at in places]
        for at, values in zip(places, _computed(raw, spec), strict=True):
            found[at] = values
    return found


def by_company(columns: Columns, names: Sequence[str]) -> list[Values]:
    """Return feature columns as the values of each row, None for blanks."""
    plain = [
        [None if value is None or value != value else value for value in columns[name].tolist()]
        for name in names
    ]
    return [list(row) for row in zip(*plain, strict=True)]


def _computed(companies: Sequence[RawCompany], spec: FeatureSpec) -> list[Values]:
    """Compute the features of raw companies that have one cutoff."""
    rows = [(at, row.__dict__) for at, company in enumerate(companies) for row in company.usage]
    usage = UsageLog.from_rows(
        np.array([at for at, _ in rows], dtype=np.int32),
        np.array([day_of_stamp(row["when_timestamp"]) for _, row in rows], dtype=np.int32),
        np.array([[row[measure] for measure in MEASURES] for _, row in rows], dtype=np.int32).reshape(
            -1, len(MEASURES)
        ),
        n_companies=len(companies),
        n_actions=len(ACTIONS),
        period_days=spec.period_days,
        stamp=spec.stamp,
    )
    firmographics = Firmographics(
        np.array([_rank(company) for company in companies]),
        _texts([company.employee_range for company in companies]),
        _texts([company.industry for company in companies]),
    )
    cutoff = np.array([day_number(companies[0].as_of)], dtype=np.int32)
    return by_company(feature_columns(FeatureInputs(usage, firmographics), cutoff, spec), spec.names())


def _rank(company: RawCompany) -> float:
    if company.unranked:
        return math.inf
    return math.nan if company.alexa_rank is None else company.alexa_rank


def _texts(values: Sequence[str | None]) -> Any:
    texts = np.empty(len(values), dtype=object)
    texts[:] = [value if value is None or value.strip() else None for value in values]
    return texts
