"""Golden rows: inputs and the model's outputs from when it was made, replayed before it is used.

A version carries two kinds. *Companies* are made up here, edge cases all: they go through the feature
function and the model, so that a feature which came to mean something else is noticed. *Rows* are ready
features, of the holdout and of edge cases, so that another CPU or library version is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.schema import MEASURES
from ml_sys.errors import SchemaDriftError, UnverifiedError
from ml_sys.features.compute import Columns, FeatureInputs, FeatureSpec, feature_columns
from ml_sys.features.firmographics import Firmographics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Probabilities = Callable[[Columns], NDArray[np.float64]]

# Absolute, on a probability; the same as between the compiled scorer and the Pipeline.
PROBABILITY_TOLERANCE = 1e-6
# Relative: a feature's last bit may differ between CPUs, its meaning may not.
FEATURE_TOLERANCE = 1e-5
HOLDOUT_ROWS = 16

_CUTOFF = 18_000  # any day will do
_MOST = 2**31 - 1
_UNSEEN = "never seen by any training row"
# Name, rank, employee range, industry, and usage: days before the cutoff on which a row was complete, counts.
_Row = tuple[int, tuple[int, ...]]
_Company = tuple[str, float, "str | None", "str | None", tuple[_Row, ...]]
_STEADY = (40, 12, 9, 25, 4, 2, 2, 3)
_COMPANIES: tuple[_Company, ...] = (
    ("nothing known", np.nan, None, None, ()),
    ("firmographics alone", 250_000.0, "11 to 25", "COMPUTER_SOFTWARE", ()),
    ("unranked, and of an industry never seen", np.inf, "a handful", _UNSEEN, ((0, _STEADY),)),
    ("complete on the cutoff", 1.0, "10,001 or more", "Higher Education", ((0, (1, 0, 0, 0, 1, 0, 0, 0)),)),
    ("not complete by the cutoff", 9_999.0, "1", "INTERNET", ((-1, _STEADY), (-7, _STEADY))),
    ("idle for a year", 16e6, "2 to 5", "Hospitality", ((371, _STEADY), (364, _STEADY))),
    (
        "growing",
        73_000.0,
        "51 to 200",
        "Marketing and Advertising",
        tuple((7 * week, tuple(n * (13 - week) for n in _STEADY)) for week in range(13)),
    ),
    ("present and never active", 5e6, "6 to 10", "", tuple((7 * week, (0,) * 8) for week in range(8))),
    ("as busy as a number can say", 42.0, "1001 to 10000", "FINANCE", ((0, (_MOST,) * 8), (7, (_MOST,) * 8))),
    (
        "on the edges of the windows",
        1e6,
        "201 to 1000",
        "retail",
        tuple((day, _STEADY) for day in (6, 7, 13, 14, 27, 28, 55, 56, 90, 91)),
    ),
)


def golden_rows(
    spec: FeatureSpec, probabilities: Probabilities, features: Columns, probability: NDArray[np.float64]
) -> dict[str, Any]:
    """Return golden rows as plain data.

    Parameters
    ----------
    spec : FeatureSpec
        Of the model.
    probabilities : callable
        The model: from feature columns to one probability a row.
    features : dict of str to ndarray of shape (n_rows,)
        Of the holdout.
    probability : ndarray of shape (n_rows,), float64
        The model's, of the same rows.
    """
    companies = [_plain_company(one) for one in _COMPANIES]
    made = _company_features(companies, spec)
    order = np.argsort(probability, kind="stable")
    spread = order[np.linspace(0, len(order) - 1, min(HOLDOUT_ROWS, len(order))).round().astype(np.intp)]
    edges = _edge_cases(spec)
    rows = {
        name: np.concatenate([features[name][spread].astype(edge.dtype), edge])
        for name, edge in edges.items()
    }
    return {
        "companies": companies,
        "features": _plain_rows(made),
        "probabilities": [float(p) for p in probabilities(made)],
        "rows": _plain_rows(rows),
        "row_probabilities": [float(p) for p in probabilities(rows)],
    }


def replay(golden: Mapping[str, Any], spec: FeatureSpec, probabilities: Probabilities, place: str) -> None:
    """Check that a model still gives its golden rows the same probabilities as when it was made.

    Parameters
    ----------
    golden : mapping
        What :func:`golden_rows` gave.
    probabilities : callable
        The model, as above.
    place : str
        The version, named in errors.

    Raises
    ------
    SchemaDriftError
        If a feature of a golden company is not what it was.
    UnverifiedError
        If a probability is not what it was.
    """
    names = [one["name"] for one in golden["companies"]]
    made = _company_features(golden["companies"], spec)
    stored = _columns(golden["features"], spec)
    for column, values in made.items():
        for name, old, new in zip(names, stored[column].tolist(), values.tolist(), strict=True):
            if not _alike(old, new):
                raise SchemaDriftError(
                    f"{place}: feature {column} means something different from when the version was trained: "
                    f"{old} became {new} for the golden company {name!r}",
                )
    rows = _columns(golden["rows"], spec)
    for what, columns, expected in (
        ("company", made, golden["probabilities"]),
        ("row", rows, golden["row_probabilities"]),
    ):
        for at, (old, new) in enumerate(zip(expected, probabilities(columns), strict=True)):
            if not abs(old - new) <= PROBABILITY_TOLERANCE:
                which = names[at] if what == "company" else at
                raise UnverifiedError(
                    place,
                    f"golden {what} {which}: probability {new:.6f} instead of {old:.6f}; the libraries here "
                    "compute something different from those that trained it",
                    hint="install the package versions of requirements.txt, or train again here",
                )


def _alike(old: object, new: object) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        near = abs(old - new) <= FEATURE_TOLERANCE * (1 + abs(new))
        return near or old == new or (old != old and new != new)
    return old == new


def _company_features(companies: Sequence[Mapping[str, Any]], spec: FeatureSpec) -> Columns:
    rows = [(at, *row) for at, company in enumerate(companies) for row in company["usage"]]
    usage = (
        np.array([at for at, _, _ in rows], dtype=np.int32),
        spec.period.stamp_of(np.array([_CUTOFF - ago for _, ago, _ in rows], dtype=np.int32)),
        np.array([counts for _, _, counts in rows], dtype=np.int32).reshape(-1, len(MEASURES)),
    )
    ranks = [np.inf if c["unranked"] else np.nan if c["rank"] is None else c["rank"] for c in companies]
    firmographics = Firmographics(
        np.array(ranks, dtype=np.float64),
        np.array([c["employee_range"] for c in companies], dtype=object),
        np.array([c["industry"] for c in companies], dtype=object),
    )
    inputs = FeatureInputs.of(*usage, firmographics, spec.period)
    return feature_columns(inputs, np.array([_CUTOFF], dtype=np.int32), spec)


def _plain_company(company: _Company) -> dict[str, Any]:
    name, rank, employee_range, industry, usage = company
    return {
        "name": name,
        "rank": float(rank) if np.isfinite(rank) else None,
        "unranked": bool(np.isinf(rank)),
        "employee_range": employee_range,
        "industry": industry,
        "usage": [[ago, list(counts)] for ago, counts in usage],
    }


def _edge_cases(spec: FeatureSpec) -> Columns:
    """Every column blank, zero, negative, or as large as a float32 gets; categories blank or never seen."""
    limit = float(np.finfo(np.float32).max)
    cases: list[tuple[float | None, str | None]] = [
        (None, None),
        (0.0, None),
        (-1.0, _UNSEEN),
        (limit, _UNSEEN),
        (-limit, None),
    ]
    categories = set(spec.categories())
    rows = [[text if name in categories else number for name in spec.names()] for number, text in cases]
    return _columns({"columns": spec.names(), "rows": rows}, spec)


def _plain_rows(columns: Columns) -> dict[str, Any]:
    plain = [
        [None if value is None or value != value else value for value in column.tolist()]
        for column in columns.values()
    ]
    return {"columns": list(columns), "rows": [list(row) for row in zip(*plain, strict=True)]}


def _columns(plain: Mapping[str, Any], spec: FeatureSpec) -> Columns:
    categories = set(spec.categories())
    return {
        name: np.array(values, dtype=object if name in categories else np.float32)
        for name, values in zip(plain["columns"], zip(*plain["rows"], strict=True), strict=True)
    }
