"""Golden rows: inputs and the model's outputs from when it was made, replayed before it is used.

A version carries two kinds. *Companies* are made up here, edge cases all: they go through the feature
function and the model, so that a feature which came to mean something else is noticed. *Rows* are ready
features, of the holdout and of edge cases, so that another CPU or library version is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.errors import SchemaDriftError, UnverifiedError
from ml_sys.features.attributes import NUMERIC, Attributes
from ml_sys.features.compute import Columns, FeatureSpec, feature_columns
from ml_sys.features.inputs import FeatureInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.features.rows import Rows
    from ml_sys.form import Attribute, Form

    Probabilities = Callable[[Columns], NDArray[np.float64]]

# Absolute, on a probability; the same as between the compiled scorer and the Pipeline.
PROBABILITY_TOLERANCE = 1e-6
# Relative: a feature's last bit may differ between CPUs, its meaning may not.
FEATURE_TOLERANCE = 1e-5
HOLDOUT_ROWS = 16

_CUTOFF = 18_000  # any day will do
_MOST = 2**31 - 1
_UNSEEN = "never seen by any training row"
_NONE = "none"
_WEEK = 7
# Values of attributes, by kind: those of each company in turn; a blank first.
_NUMBERS = (None, 250_000.0, _NONE, 1.0, 9_999.0, 16e6, 73_000.0, 5e6, 42.0, 1e6)
_RANGES = (
    *(None, "11 to 25", "a handful", "10,001 or more", "1", "2 to 5"),
    *("51 to 200", "6 to 10", "1001 to 10000", "201 to 1000"),
)
_FLAGS = (None, 1.0, 0.0)
# Days that each has existed.
_AGES = (None, 1, 400, 30, 8, 800, 95, 60, 14, 91)


def _scenarios(form: Form) -> tuple[tuple[str, tuple[tuple[int, list[int]], ...]], ...]:
    """Return names and usage: days before the cutoff on which each row was complete, and its values."""
    n = len(form.measures)
    # Different numbers of each measure, so that no two can change places unseen.
    steady = [(3 + 5 * at) * 10**one.digits + at for at, one in enumerate(form.measures)]
    one_of_some = [int(at % 4 == 0) for at in range(n)]
    return (
        ("nothing known", ()),
        ("attributes alone", ()),
        ("none of what can be none, and of a kind never seen", ((0, steady),)),
        ("complete on the cutoff", ((0, one_of_some),)),
        ("not complete by the cutoff", ((-1, steady), (-_WEEK, steady))),
        ("idle for a year", ((371, steady), (364, steady))),
        ("growing", tuple((_WEEK * at, [value * (13 - at) for value in steady]) for at in range(13))),
        ("present and never active", tuple((_WEEK * at, [0] * n) for at in range(8))),
        ("as busy as a number can say", ((0, [_MOST] * n), (_WEEK, [_MOST] * n))),
        (
            "on the edges of the windows",
            tuple(
                (day, steady)
                for day in (
                    0,
                    1,
                    2,
                    3,
                    6,
                    7,
                    13,
                    14,
                    27,
                    28,
                    55,
                    56,
                    58,
                    59,
                    88,
                    89,
                    90,
                    91,
                    180,
                    181,
                    364,
                    365,
                )
            ),
        ),
    )


def golden_rows(
    spec: FeatureSpec, probabilities: Probabilities, features: Rows, probability: NDArray[np.float64]
) -> dict[str, Any]:
    """Return golden rows as plain data.

    Parameters
    ----------
    spec : FeatureSpec
        Of the model.
    probabilities : callable
        The model: from feature columns to one probability a row.
    features : Rows
        Of the holdout, n_rows; a few of them are taken.
    probability : ndarray of shape (n_rows,), float64
        The model's, of the same rows.
    """
    companies = _companies(spec.form)
    made = _company_features(companies, spec)
    order = np.argsort(probability, kind="stable")
    spread = order[np.linspace(0, len(order) - 1, min(HOLDOUT_ROWS, len(order))).round().astype(np.intp)]
    edges, few = _edge_cases(spec), features.take(spread).frame()
    rows = {
        name: np.concatenate([few[name].to_numpy().astype(edge.dtype), edge]) for name, edge in edges.items()
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
                    f"{old} became {new} for the golden {spec.form.words.entity.one} {name!r}",
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


def _companies(form: Form) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "attributes": [_value(attribute, at) for attribute in form.attributes],
            "age": _AGES[at],
            "usage": [[ago, values] for ago, values in usage],
        }
        for at, (name, usage) in enumerate(_scenarios(form))
    ]


def _value(attribute: Attribute, at: int) -> float | str | None:
    """Return what a company has of an attribute."""
    if attribute.kind == "number":
        value = _NUMBERS[at]
        return 0.5 if value == _NONE and attribute.none is None else value
    if attribute.kind == "flag":
        return _FLAGS[at % len(_FLAGS)]
    if attribute.kind == "range":
        return _RANGES[at]
    known = attribute.levels or tuple(spelling for spelling, _ in attribute.synonyms) or ("Some Text",)
    return (None, known[0], _UNSEEN, *known)[at % (3 + len(known))]


def _company_features(companies: Sequence[Mapping[str, Any]], spec: FeatureSpec) -> Columns:
    rows = [(at, *row) for at, company in enumerate(companies) for row in company["usage"]]
    usage = (
        np.array([at for at, _, _ in rows], dtype=np.int32),
        spec.period.stamp_of(np.array([_CUTOFF - ago for _, ago, _ in rows], dtype=np.int32)),
        np.array([values for _, _, values in rows], dtype=np.int64).reshape(-1, len(spec.form.measures)),
    )
    numeric = [one.kind in NUMERIC for one in spec.form.attributes]
    known = [
        [
            np.inf if number and value == _NONE else value
            for number, value in zip(numeric, values, strict=True)
        ]
        for values in (company["attributes"] for company in companies)
    ]
    since = [NEVER_BEGAN if c["age"] is None else _CUTOFF - c["age"] for c in companies]
    inputs = FeatureInputs.of(
        usage, Attributes.of(spec.form.attributes, known), spec, np.array(since, dtype=np.int32)
    )
    return feature_columns(inputs, np.array([_CUTOFF], dtype=np.int32), spec)


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
