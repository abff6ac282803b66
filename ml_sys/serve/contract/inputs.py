"""Turn requests into feature values; raw companies take the same path as ingested ones.

Invariant: a value that ingest would blank is blank here, and a usage row that ingest would set aside does not
count. Each is reported, so that nothing is dropped silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.checking import scalars
from ml_sys.data.checking.scalars import FIRST_YEAR, LAST_YEAR, Fault, free_text
from ml_sys.data.events.counting import Counting
from ml_sys.data.events.few import Events, count_few
from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.data.usage import UsageRows, one_of_each, values_dtype
from ml_sys.days import day_number, days_of_stamps
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.serve.contract.request_types import SINCE, Raw, none_field
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray
    from pydantic import BaseModel

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.form import Attribute, Form, UsageTable
    from ml_sys.serve.contract.requests import Contract

    # Company, day of the stamp and values in the order of the form's measures.
    Rows = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]

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
        What was blanked or does not count.
    """

    values: Values
    remarks: tuple[str, ...] = ()


def input_of(request: BaseModel, contract: Contract) -> Input:
    """Return the input of one company."""
    if isinstance(request, Raw):
        return _computed([request], contract)[0]
    values = list(request.__dict__.values())[1:]  # the first is its id
    for at, _ in contract.categories:
        values[at] = free_text(values[at])
    return Input(values)


def inputs_of(requests: Sequence[BaseModel], contract: Contract) -> list[Input]:
    """Return the input of each company; raw companies with the same cutoff are computed together."""
    found: list[Input] = [Input([])] * len(requests)
    by_cutoff: dict[date, list[int]] = {}
    for at, request in enumerate(requests):
        if isinstance(request, Raw):
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


def _computed(companies: Sequence[Raw], contract: Contract) -> list[Input]:
    """Compute the features of raw companies that have one cutoff."""
    spec, cutoff = contract.spec, day_number(companies[0].as_of)
    remarks: list[list[str]] = [[] for _ in companies]
    parts = [
        (_periods if table.kind == "periods" else _events)(companies, table, spec, remarks)
        for table in spec.form.tables
    ]
    rows: Any = parts[0] if len(parts) == 1 else [np.concatenate(one) for one in zip(*parts, strict=True)]
    attributes = _attributes(companies, spec, remarks)
    since = _since(companies, cutoff, remarks) if spec.form.has_since else None
    inputs = FeatureInputs.of(rows, attributes, spec, since)
    columns = feature_columns(inputs, np.array([cutoff], dtype=np.int32), spec)
    every = by_company(columns, spec.names())
    return [Input(values, tuple(said)) for values, said in zip(every, remarks, strict=True)]


def _periods(
    companies: Sequence[Raw], table: UsageTable, spec: FeatureSpec, remarks: list[list[str]]
) -> Rows:
    """Return the rows of a table that count, and remark on those that do not."""
    given = [
        (at, row.__dict__) for at, company in enumerate(companies) for row in getattr(company, table.name)
    ]
    dated = [(at, row) for at, row in given if row[table.at] is not None]
    digits = {one.name: one.digits for one in spec.form.measures}
    scales = [10.0 ** digits[name] for name in table.measures]
    told = np.array([[row[name] for name in table.measures] for _, row in dated], dtype=np.float64)
    rows = UsageRows(
        np.array([at for at, _ in dated], dtype=np.int32),
        np.array([row[table.at] for _, row in dated], dtype=np.int64),
        # Whole numbers of their digits, halves rounded to even as at ingest.
        np.rint(told.reshape(-1, len(scales)) * scales).astype(values_dtype(spec.form)),
        np.arange(len(dated)),
    )
    kept, dropped, repeats = one_of_each(rows)
    company = rows.company[dropped]
    undated = np.array([at for at, row in given if row[table.at] is None], dtype=np.int32)
    lie, one = f"outside {FIRST_YEAR} to {LAST_YEAR}", f"{table.name} row"
    for places, single, several in (
        (company[repeats], f"{one} repeats another one", f"{one}s repeat another one"),
        (
            company[~repeats],
            f"{one} contradicts a busier one with the same stamp",
            f"{one}s contradict a busier one with the same stamp",
        ),
        (undated, f"{one} lies {lie}", f"{one}s lie {lie}"),
    ):
        _remark(remarks, places, single, several)
    rows = rows.take(kept)
    return rows.company, days_of_stamps(rows.stamp), _of_form(rows.measures, table, spec.form)


def _events(companies: Sequence[Raw], table: UsageTable, spec: FeatureSpec, remarks: list[list[str]]) -> Rows:
    """Return the counts of a table's events by period, and remark on events that do not count."""
    given = [
        (at, row.__dict__) for at, company in enumerate(companies) for row in getattr(company, table.name)
    ]
    dated = [(at, row) for at, row in given if row[table.at] is not None]
    undated = np.array([at for at, row in given if row[table.at] is None], dtype=np.int32)
    lie = f"outside {FIRST_YEAR} to {LAST_YEAR}"
    _remark(remarks, undated, f"{table.name} row lies {lie}", f"{table.name} rows lie {lie}")

    def texts(field: str) -> list[str] | None:
        return [free_text(row[field]) or "" for _, row in dated] if field else None

    told = count_few(
        Events(
            np.array([at for at, _ in dated], dtype=np.int32),
            np.array([row[table.at] for _, row in dated], dtype=np.int64),
            texts(table.event),
            np.array([[row[name] for name in table.amounts] for _, row in dated], dtype=np.float64).reshape(
                len(dated), len(table.amounts)
            ),
            texts(table.user),
            texts(table.event_id),
        ),
        Counting.of(spec.form, table.name, spec.period),
    )
    return told.entity, days_of_stamps(told.stamp), _of_form(told.values, table, spec.form)


def _of_form(values: NDArray[Any], table: UsageTable, form: Form) -> NDArray[Any]:
    """Put the values of a table's measures into the form's columns, 0 elsewhere."""
    if table.measures == form.measure_names:
        return values
    every = np.zeros((len(values), len(form.measures)), dtype=values.dtype)
    every[:, [form.measure_names.index(name) for name in table.measures]] = values
    return every


def _remark(remarks: list[list[str]], places: NDArray[np.int32], one: str, several: str) -> None:
    """Add to each company among ``places`` how many of its rows do not count, and why."""
    for at, count in zip(*np.unique(places, return_counts=True), strict=True):
        does, do = _DO_NOT
        remarks[at].append(counted(int(count), f"{one}, {does}", f"{several}, {do}"))


def _attributes(companies: Sequence[Raw], spec: FeatureSpec, remarks: list[list[str]]) -> Attributes:
    rows: list[list[Any]] = []
    for company, said in zip(companies, remarks, strict=True):
        given = company.__dict__
        rows.append([_value(one, given, said) for one in spec.form.attributes])
    return Attributes.of(spec.form.attributes, rows)


def _value(one: Attribute, given: Mapping[str, Any], said: list[str]) -> float | str | None:
    value = given[one.name]
    if one.kind == "flag":
        return None if value is None else float(value)
    if one.kind != "number":
        text = free_text(value)
        if text is None or scalars.is_missing(text, one.missing):
            return None
        found, fault = scalars.level(text, one.levels) if one.kind == "ordered" else (text, Fault.NONE)
        if fault:
            said.append(f"{one.name} {fault.reason}, so it counts as blank")
        return found
    if value is not None and one.missing and scalars.is_missing(_as_exported(value), one.missing):
        return None
    if one.none is not None and (given[none_field(one)] or value == one.none):
        return np.inf
    if value is not None and one.scale == "log" and not value > 0:
        said.append(f"{one.name} {Fault.NOT_POSITIVE.reason}, so it counts as blank")
        return None
    return None if value is None else float(value)


def _as_exported(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _since(companies: Sequence[Raw], cutoff: int, remarks: list[list[str]]) -> NDArray[np.int32]:
    since = np.full(len(companies), NEVER_BEGAN, dtype=np.int32)
    for at, company in enumerate(companies):
        given = company.__dict__[SINCE]
        if given is None:
            continue
        if not FIRST_YEAR <= given.year <= LAST_YEAR:
            remarks[at].append(f"since {Fault.OUT_OF_TIME.reason}, so it counts as blank")
        elif day_number(given) >= cutoff:
            remarks[at].append("since is not before as_of, so it counts as blank")
        else:
            since[at] = day_number(given)
    return since
