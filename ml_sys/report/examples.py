"""Example companies that the model got right and wrong, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.scoring.reasons import reasons
from ml_sys.scoring.scorer import CompiledScorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.panel import Panel
    from ml_sys.scoring.reasons import Reason
    from ml_sys.scoring.scorer import Scorer

_EACH, _REASONS = 5, 3


@dataclass(frozen=True)
class Example:
    """A converter of the holdout.

    Attributes
    ----------
    company : str
        Its id.
    cutoff : int
        Days since 1970-01-01.
    rank, listed : int
        Its place in the list of that day, and how many were in it; equal probabilities share the best place.
    seen : bool
        Whether it had any usage by the cutoff.
    reasons : tuple of Reason
        Empty for a model that gives none.
    """

    company: str
    cutoff: int
    rank: int
    listed: int
    probability: float
    seen: bool
    reasons: tuple[Reason, ...]


def examples(
    panel: Panel, probability: NDArray[np.float64], ids: NDArray[Any], scorer: Scorer
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the converters ranked highest in their lists and those ranked lowest, each once.

    Parameters
    ----------
    panel : Panel
        Holdout rows; n_rows.
    probability : ndarray of shape (n_rows,), float64
    ids : ndarray of shape (n_rows,), texts
    scorer : Scorer
        Of the probabilities.
    """
    positive = np.flatnonzero(panel.label)
    rank = _ranks(panel.cutoff, probability, positive)
    best = _distinct(panel.company, positive[np.lexsort((positive, -probability[positive], rank))])
    worst = _distinct(panel.company, positive[np.lexsort((positive, probability[positive], -rank))])
    told_of = set(panel.company[best].tolist())
    worst = [at for at in worst if int(panel.company[at]) not in told_of]
    place_of = dict(zip(positive.tolist(), rank.tolist(), strict=True))

    def told(at: int) -> Example:
        return Example(
            company=str(ids[at]),
            cutoff=int(panel.cutoff[at]),
            rank=place_of[at],
            listed=int((panel.cutoff == panel.cutoff[at]).sum()),
            probability=float(probability[at]),
            seen=bool(panel.seen[at]),
            reasons=_reasons(scorer, panel, at),
        )

    return tuple(map(told, best)), tuple(map(told, worst))


def _ranks(
    cutoff: NDArray[np.int32], probability: NDArray[np.float64], rows: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return the rank of some rows among those of their cutoff."""
    ranks = np.empty(rows.size, dtype=np.int64)
    for day in np.unique(cutoff[rows]):
        asked, listed = cutoff[rows] == day, np.sort(probability[cutoff == day])
        ranks[asked] = 1 + listed.size - np.searchsorted(listed, probability[rows[asked]], side="right")
    return ranks


def _distinct(company: NDArray[np.int32], rows: NDArray[np.intp]) -> list[int]:
    first: dict[int, int] = {}
    for at in rows.tolist():
        first.setdefault(int(company[at]), at)
    return list(first.values())[:_EACH]


def _reasons(scorer: Scorer, panel: Panel, at: int) -> tuple[Reason, ...]:
    if not isinstance(scorer, CompiledScorer):
        return ()
    row = panel.rows.take(np.array([at])).frame()
    values = [_plain(row[name].iloc[0]) for name in scorer.spec.names()]
    named = dict(zip(scorer.spec.names(), values, strict=True))
    return tuple(reasons(scorer, scorer.row(values), named, _REASONS))


def _plain(value: object) -> float | str | None:
    if value is None or value != value:
        return None
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]  # a number of numpy's
