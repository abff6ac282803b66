"""Feature importance: gain, permutation and mean SHAP values.

The three answer different questions: gain says what the fit found useful, permutation what the holdout
would miss, SHAP what moves individual probabilities. Features that carry the same information share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ml_sys.metrics.ranking import CumulatedRanking
from ml_sys.scoring.reasons import contributions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from ml_sys.metrics.ranking import Weights
    from ml_sys.scoring.scorer import CompiledScorer

# Rows that are shuffled and scored again: every converter, and of the others a sample that counts for all.
MOST_ROWS = 8_000
_SHAP_ROWS = 1_500


class Matrix(Protocol):
    """Rows of shape (n_rows, n_features), float32, some of which are asked for: an array or its maker."""

    def __len__(self) -> int:
        """Return how many rows there are."""

    def __getitem__(self, at: NDArray[np.intp], /) -> NDArray[np.float32]:
        """Return the rows at some places."""


class Scores(Protocol):
    """What ranks rows of shape (n_rows, n_features), float32."""

    def __call__(self, rows: NDArray[np.float32], /) -> NDArray[np.floating[Any]]:
        """Return the score of each row."""


@dataclass(frozen=True)
class Importance:
    """How much a feature or a group of features matters.

    Attributes
    ----------
    drop : float
        Average precision that is lost when it is shuffled within each cutoff; mean over repeats.
    spread : float
        Standard deviation over repeats.
    gain : float or None
        Share of the trees' gain; None for another estimator.
    shap : float or None
        Mean absolute SHAP value on the calibrated log-odds, those of a group's columns added up; None for
        another estimator.
    """

    name: str
    group: str
    drop: float
    spread: float
    gain: float | None
    shap: float | None


def importances(
    rows: Matrix,
    label: NDArray[np.bool_],
    cutoff: NDArray[np.int32],
    groups: Mapping[str, str],
    scores: Scores,
    *,
    gain: Mapping[str, float] | None,
    shap: NDArray[np.float64] | None,
    repeats: int,
    seed: int,
) -> tuple[tuple[Importance, ...], tuple[Importance, ...]]:
    """Return the importance of every feature, and of every group, the most important first.

    Parameters
    ----------
    rows : Matrix of shape (n_rows, n_features)
        Holdout rows, features in the order of ``groups``.
    label, cutoff : ndarray of shape (n_rows,)
    groups : mapping
        Group of each feature.
    scores : callable
        Whose score of a row depends on that row alone.
    gain : mapping or None
        Share of the gain by feature; those that no tree uses are not named.
    shap : ndarray of shape (n_features,) or None
        Mean absolute SHAP values.
    """
    names = list(groups)
    kept, weights = _sampled(label, seed)
    shuffles, hit = _Shuffles(rows[kept], cutoff[kept], scores, np.random.default_rng(seed)), label[kept]
    whole = _average_precision(shuffles.as_it_is, hit, weights)

    def drops(columns: list[int]) -> tuple[float, float]:
        lost = [whole - _average_precision(score, hit, weights) for score in shuffles.of(columns, repeats)]
        return float(np.mean(lost)), float(np.std(lost))

    single = []
    for at, (name, group) in enumerate(groups.items()):
        drop, spread = drops([at])
        one_gain = None if gain is None else float(gain.get(name, 0.0))
        single.append(
            Importance(name, group, drop, spread, one_gain, None if shap is None else float(shap[at]))
        )
    together = []
    for group in dict.fromkeys(groups.values()):
        members = [at for at, name in enumerate(names) if groups[name] == group]
        drop, spread = drops(members)
        together.append(
            Importance(
                group,
                group,
                drop,
                spread,
                None if gain is None else float(sum(gain.get(names[at], 0.0) for at in members)),
                None if shap is None else float(shap[members].sum()),
            )
        )
    return _most_first(single), _most_first(together)


def mean_absolute_shap(scorer: CompiledScorer, rows: Matrix, seed: int) -> NDArray[np.float64]:
    """Return the mean absolute SHAP value of each feature over a sample of rows, as reasons count it."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:_SHAP_ROWS])
    few = rows[chosen]
    total = np.zeros(few.shape[1])
    for at in range(chosen.size):
        total += np.abs(contributions(scorer, few[at : at + 1])[:-1])
    mean: NDArray[np.float64] = total / max(chosen.size, 1)
    return mean


def _sampled(label: NDArray[np.bool_], seed: int) -> tuple[NDArray[np.intp], Weights]:
    """Return all converters and some of the others, with the weights that make them represent all."""
    positive, other = np.flatnonzero(label), np.flatnonzero(~label)
    room = max(MOST_ROWS - positive.size, 1)
    if other.size <= room:
        return np.arange(label.size), np.ones((1, label.size))
    chosen = np.random.default_rng(seed).choice(other, room, replace=False)
    kept = np.sort(np.concatenate([positive, chosen]))
    return kept, np.where(label[kept], 1.0, other.size / room)[None, :]


class _Shuffles:
    """Scores of rows whose columns are exchanged between the companies of each cutoff.

    No day's level is told so. Only rows that get other values are scored again, equal ones once: most
    companies of a list do nothing, and what they exchange is the same.
    """

    def __init__(
        self,
        rows: NDArray[np.float32],
        cutoff: NDArray[np.int32],
        scores: Scores,
        rng: np.random.Generator,
    ) -> None:
        self._rows, self._scores, self._rng = rows, scores, rng
        self._lists = [np.flatnonzero(cutoff == day) for day in np.unique(cutoff)]
        self._number = _numbered(rows)
        self.as_it_is = np.asarray(scores(rows), dtype=np.float64)

    def of(self, columns: list[int], repeats: int) -> Iterator[NDArray[np.float64]]:
        """Yield the scores of all rows after some columns were exchanged together, time and again."""
        value, partner = _numbered(self._rows[:, columns]), np.arange(len(self._rows))
        for _ in range(repeats):
            for rows in self._lists:
                partner[rows] = self._rng.permutation(rows)
            moved = np.flatnonzero(value[partner] != value)
            pair = self._number[moved] * (int(value.max(initial=0)) + 1) + value[partner[moved]]
            _, first, place = np.unique(pair, return_index=True, return_inverse=True)
            changed = self._rows[moved[first]]
            changed[:, columns] = self._rows[partner[moved[first]]][:, columns]
            score = self.as_it_is.copy()
            if moved.size:
                score[moved] = self._scores(changed)[place]
            yield score


def _numbered(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return a number for each row, the same for rows of the same bits."""
    bits = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0]
    number: NDArray[np.intp] = np.unique(bits, return_inverse=True)[1]
    return number


def _average_precision(scores: NDArray[np.float64], label: NDArray[np.bool_], weights: Weights) -> float:
    return float(CumulatedRanking.build(scores, label, weights).average_precision()[0])


def _most_first(found: Collection[Importance]) -> tuple[Importance, ...]:
    return tuple(sorted(found, key=lambda one: (-one.drop, one.name)))
