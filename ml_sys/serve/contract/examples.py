"""Examples of requests, made from the form of the model."""

from __future__ import annotations

from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.days import EPOCH, day_number
from ml_sys.features.attributes import Attributes, attribute_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.days import Period
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.form import Attribute, Form, UsageTable

_AS_OF = date(2020, 6, 1)
_NUMBER, _RANGE, _KIND, _USER = 250_000, "11 to 25", "login", "u1"
# Actions and users of the rows, the earlier one first.
NO_LEVELS: Mapping[str, str] = MappingProxyType({})
_COUNTS = {"actions": (8, 14), "users": (2, 3), "amount": (12.5, 20)}


def raw_example(form: Form, period: Period, levels: Mapping[str, str] = NO_LEVELS) -> dict[str, Any]:
    """Return a raw company with two rows of each usage table.

    Parameters
    ----------
    levels : mapping of str to str
        For each category, a value that the model knows.
    """
    example: dict[str, Any] = {"id": "4711", "as_of": _AS_OF.isoformat()}
    example |= {one.name: attribute_example(one, levels) for one in form.attributes}
    if form.has_since:
        example["since"] = (_AS_OF - timedelta(days=45)).isoformat()
    last = period.last_end(day_number(_AS_OF), day_number(_AS_OF))
    stamps = period.stamp_of(np.array([period.shifted(last, -1), last], dtype=np.int32)).tolist()
    for table in form.tables:
        example[table.name] = [_row(table, form, at, day) for at, day in enumerate(stamps)]
    return example


def attribute_example(one: Attribute, levels: Mapping[str, str] = NO_LEVELS) -> Any:
    """Return a value of an attribute, one that the model knows where it is a category."""
    if one.kind == "number":
        return _NUMBER if one.scale == "log" else 12
    if one.kind == "flag":
        return True
    if one.kind == "range":
        return _RANGE
    if one.levels:
        return one.levels[0]
    known = levels.get(one.feature) or next((spelling for spelling, _ in one.synonyms), one.name)
    return known.upper()


def flat_example(spec: FeatureSpec, levels: Mapping[str, str] = NO_LEVELS) -> dict[str, Any]:
    """Return a value of each feature."""
    described = spec.form.attributes
    known = attribute_columns(
        Attributes.of(described, [[attribute_example(one, levels) for one in described]]),
        with_missingness=True,
    )
    plain = {name: column.tolist()[0] for name, column in known.items()}
    return {
        name: round(plain[name], 3) if isinstance(plain.get(name), float) else plain.get(name, float(at % 7))
        for at, name in enumerate(spec.groups())
    }


def _row(table: UsageTable, form: Form, at: int, day: int) -> dict[str, Any]:
    row: dict[str, Any] = {table.at: f"{EPOCH + timedelta(days=day)}T00:00:00Z"}
    if table.kind == "events":
        row |= {table.event: next(iter(table.kinds), _KIND)} if table.event else {}
        row |= {table.user: _USER} if table.user else {}
        row |= dict.fromkeys(table.amounts, _COUNTS["amount"][at])
        return row | ({table.event_id: f"e{at + 1}"} if table.event_id else {})
    roles = dict[str, str]()
    for one in form.measures:
        if one.name in table.measures:
            roles.setdefault(one.role, one.name)
    whole = {one.name: not one.digits for one in form.measures}
    return row | {
        name: int(_COUNTS[role][at]) if whole[name] else _COUNTS[role][at] for role, name in roles.items()
    }
