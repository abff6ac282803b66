"""Turn requests into feature values; raw companies take the same path as ingested ones.

Invariant: a value that ingest would blank is blank here, and a usage row that it would set aside does not
count here. Each is said, so that nothing is dropped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.checking.scalars import FIRST_YEAR, LAST_YEAR, Fault, free_text, known_ranks
from ml_sys.data.schema import MEASURES
from ml_sys.data.usage import UsageRows, one_of_each
from ml_sys.days import day_number, days_of_stamps
from ml_sys.features.compute import FeatureInputs, feature_columns
from ml_sys.features.firmographics import Firmographics
from ml_sys.serve.contract.request_types import RawCompany
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray
    from pydantic import BaseModel

    from ml_sys.features.compute import Columns
    from ml_sys.serve.contract.requests import Contract

    # In the order of the features, None for blanks.
    Values = list[float | str | None]

_DO_NOT = "and does not count", "and do not count"


@dataclass(frozen=True)
class Input:
    """What a model is asked about one company.

    Attributes
    ----------
    values : list
        Its features, None for blanks.
    remarks : tuple of str
        What of the request was blanked or does not count.
    """

    values: Values
    remarks: tuple[str, ...] = ()


def input_of(request: BaseModel, contract: Contract) -> Input:
    """Return the input of one company."""
    if isinstance(request, RawCompany):
        return _computed([request], contract)[0]
    values = list(request.__dict__.values())[1:]  # the first is its id
    for at, _ in contract.categories:
        values[at] = free_text(values[at])
    return Input(values)


def inputs_of(requests: Sequence[BaseModel], contract: Contract) -> list[Input]:
    """Return the input of each company; raw ones of one cutoff are computed together."""
    found: list[Input] = [Input([])] * len(requests)
    by_cutoff: dict[date, list[int]] = {}
    for at, request in enumerate(requests):
        if isinstance(request, RawCompany):
            by_cutoff.setdefault(request.as_of, []).append(at)
        else:
            found[at] = input_of(request, contract)
    for places in by_cutoff.values():
        raw: Any = [requests[at] for at in places]
        for at, one in zip(places, _computed(raw, contract), strict=True):
            found[at] = one
    return found


def by_company(columns: Columns, names: Sequence[str]) -> list[Values]:
    """Return feature columns as the values of each row, None for blanks."""
    plain = [
        [None if value is None or value != value else value for value in columns[name].tolist()]
        for name in names
    ]
    return [list(row) for row in zip(*plain, strict=True)]


def _computed(companies: Sequence[RawCompany], contract: Contract) -> list[Input]:
    """Compute the features of raw companies that have one cutoff."""
    spec = contract.spec
    rows, remarks = _usage(companies)
    firmographics = _firmographics(companies, contract.unranked, remarks)
    inputs = FeatureInputs.of(
        rows.company,
        days_of_stamps(rows.stamp),
        rows.measures,
        firmographics,
        spec.period,
    )
    cutoff = np.array([day_number(companies[0].as_of)], dtype=np.int32)
    every = by_company(feature_columns(inputs, cutoff, spec), spec.names())
    return [Input(values, tuple(said)) for values, said in zip(every, remarks, strict=True)]


def _usage(companies: Sequence[RawCompany]) -> tuple[UsageRows, list[list[str]]]:
    """Return the usage rows that count, and a remark on the others for each company."""
    given = [(at, row.__dict__) for at, company in enumerate(companies) for row in company.usage]
    dated = [(at, row) for at, row in given if row["when_timestamp"] is not None]
    rows = UsageRows(
        np.array([at for at, _ in dated], dtype=np.int32),
        np.array([row["when_timestamp"] for _, row in dated], dtype=np.int64),
        np.array([[row[measure] for measure in MEASURES] for _, row in dated], dtype=np.int32).reshape(
            -1, len(MEASURES)
        ),
        np.arange(len(dated)),
    )
    kept, dropped, repeats = one_of_each(rows)
    company = rows.company[dropped]
    undated = np.array([at for at, row in given if row["when_timestamp"] is None], dtype=np.int32)
    lie = f"outside {FIRST_YEAR} to {LAST_YEAR}"
    remarks: list[list[str]] = [[] for _ in companies]
    for places, one, several in (
        (company[repeats], "usage row repeats another one", "usage rows repeat another one"),
        (
            company[~repeats],
            "usage row contradicts a busier one of its stamp",
            "usage rows contradict a busier one of their stamp",
        ),
        (undated, f"usage row lies {lie}", f"usage rows lie {lie}"),
    ):
        _remark(remarks, places, one, several)
    return rows.take(kept), remarks


def _remark(remarks: list[list[str]], places: NDArray[np.int32], one: str, several: str) -> None:
    """Say of each company among ``places`` how many of its rows do not count, and why."""
    for at, count in zip(*np.unique(places, return_counts=True), strict=True):
        does, do = _DO_NOT
        remarks[at].append(counted(int(count), f"{one}, {does}", f"{several}, {do}"))


def _firmographics(
    companies: Sequence[RawCompany], unranked: float, remarks: list[list[str]]
) -> Firmographics:
    given = np.array([np.nan if one.alexa_rank is None else one.alexa_rank for one in companies])
    ranks = known_ranks(given, unranked)
    for at in np.flatnonzero(np.isnan(ranks) & ~np.isnan(given)).tolist():
        remarks[at].append(f"alexa_rank {Fault.NOT_POSITIVE.reason}, and counts as blank")
    return Firmographics(
        np.where([one.unranked for one in companies], np.inf, ranks),
        _texts([one.employee_range for one in companies]),
        _texts([one.industry for one in companies]),
    )


def _texts(values: Sequence[str | None]) -> Any:
    texts = np.empty(len(values), dtype=object)
    texts[:] = [free_text(value) for value in values]
    return texts
