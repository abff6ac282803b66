"""How well a model does by kind of company; kinds with too few conversions get no number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.features.spellings import MISSING
from ml_sys.metrics.bootstrap import Estimate, estimate
from ml_sys.metrics.ranking import CumulatedRanking, Outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.form import Attribute
    from ml_sys.metrics.bootstrap import Drawn
    from ml_sys.metrics.ranking import Values, Weights

# Below this a figure of a segment would be noise.
LEAST_POSITIVES = 10
_TOP_LEVELS = 6
_SIZE_EDGES = (1.0, 10.0, 25.0, 50.0, 200.0, 1000.0, np.inf)
_SIZES = ("1 to 9", "10 to 24", "25 to 49", "50 to 199", "200 to 999", "1,000 or more")
_AGE_DAYS = (-1.0, 28.0, 91.0, 365.0, np.inf)
_AGES = ("up to 4 weeks", "5 to 13 weeks", "14 to 52 weeks", "over a year")


@dataclass(frozen=True)
class Segment:
    """Some of the holdout's rows.

    Attributes
    ----------
    kind, name : str
        What divides the rows, and which of them these are.
    predicted, observed : float
        Mean probability, and share that converted.
    roc_auc, average_precision : Estimate or None
        None where fewer than `LEAST_POSITIVES` rows convert.
    """

    kind: str
    name: str
    rows: int
    companies: int
    conversions: int
    predicted: float
    observed: float
    roc_auc: Estimate | None
    average_precision: Estimate | None


def segments(
    panel: Panel,
    probability: NDArray[np.float64],
    spec: FeatureSpec,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> tuple[Segment, ...]:
    """Evaluate a model's probabilities by kind of company.

    Parameters
    ----------
    panel : Panel
        Holdout rows; a kind whose feature is switched off is left out.
    probability : ndarray of shape (n_rows,), float64
    spec : FeatureSpec
        The features of ``panel``.
    confidence : float
        In (0, 1).
    """
    everyone = Outcomes(probability, panel.label, panel.cutoff, panel.company)
    judge = partial(estimate, resamples=resamples, confidence=confidence, seed=seed)
    found = []
    for kind, name, rows in _kinds(panel, spec):
        one = everyone.take(rows)
        conversions = int(one.label.sum())
        enough = conversions >= LEAST_POSITIVES and not one.label.all()
        metrics = judge(partial(_metrics, one), one.company, label=one.label) if enough else {}
        found.append(
            Segment(
                kind=kind,
                name=name,
                rows=one.score.size,
                companies=int(np.unique(one.company).size),
                conversions=conversions,
                predicted=float(one.score.mean()),
                observed=float(one.label.mean()),
                roc_auc=metrics.get("roc_auc"),
                average_precision=metrics.get("average_precision"),
            )
        )
    return tuple(found)


def _metrics(outcomes: Outcomes, weights: Weights | Drawn) -> dict[str, Values]:
    ranked = CumulatedRanking.along(outcomes.order, weights)
    return {"roc_auc": ranked.roc_auc(), "average_precision": ranked.average_precision()}


def _kinds(panel: Panel, spec: FeatureSpec) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield kind, name and rows of every segment that has any."""
    features = set(panel.rows.names())
    yield from _named("Usage", {"seen in usage": panel.seen, "never seen": ~panel.seen})
    for name, kind, seen in (
        ("days_since_first_row", "Time since first seen", panel.seen),
        ("days_since_began", "Time since sign-up", np.ones(len(panel), dtype=np.bool_)),
    ):
        if name in features:
            days = panel.rows.column(name).astype(np.float64)
            parts = _between(days, _AGES, _AGE_DAYS)
            yield from _named(kind, {part: rows & seen for part, rows in parts.items()})
    for one in spec.form.attributes:
        if one.kind == "range" and one.feature in features:
            sizes = panel.rows.column(one.feature).astype(np.float64)
            parts = _between(sizes, _SIZES, _SIZE_EDGES, left=True)
            yield from _named(_title(one.unit.many or one.label), {**parts, "not known": np.isnan(sizes)})
        elif one.kind == "category" and one.feature in features:
            yield from _named(_title(one.label), _levels(panel.rows.column(one.feature).astype(object), one))
        elif one.kind == "ordered" and one.feature in features:
            place = panel.rows.column(one.feature).astype(np.float64)
            parts = {level: place == at for at, level in enumerate(one.levels)}
            yield from _named(_title(one.label), {**parts, "not known": np.isnan(place)})
        elif one.kind == "flag" and one.feature in features:
            flag = panel.rows.column(one.feature).astype(np.float64)
            parts = {"yes": flag == 1, "no": flag == 0, "not known": np.isnan(flag)}
            yield from _named(_title(one.label), parts)


def _between(
    values: NDArray[np.float64], names: tuple[str, ...], edges: tuple[float, ...], *, left: bool = False
) -> dict[str, NDArray[np.bool_]]:
    """Return the rows between each edge and the next, the left one included or the right one."""
    return {
        name: (values >= low) & (values < high) if left else (values > low) & (values <= high)
        for name, low, high in zip(names, edges[:-1], edges[1:], strict=True)
    }


def _levels(levels: NDArray[np.object_], one: Attribute) -> dict[str, NDArray[np.bool_]]:
    texts = np.array([MISSING if level is None else level for level in levels], dtype=str)
    names, counts = np.unique(texts[texts != MISSING], return_counts=True)
    top = [str(name) for name, _ in sorted(zip(names, counts, strict=True), key=lambda n: (-n[1], n[0]))]
    top = top[:_TOP_LEVELS]
    parts = {name.replace("_", " "): texts == name for name in top}
    other = ~np.isin(texts, [*top, MISSING])
    return {**parts, f"any other {one.label}": other, "not known": texts == MISSING}


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def _named(kind: str, parts: dict[str, NDArray[np.bool_]]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    for name, rows in parts.items():
        if rows.any():
            yield kind, name, rows
