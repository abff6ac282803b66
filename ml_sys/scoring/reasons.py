"""Explain a probability: the statements about a company that moved its prediction most.

A contribution of Shapley is a mean over many rows that do not exist, so where features interact it may point
another way than the company itself shows. Each reason is therefore counter-checked: with the features of its
statement at their typical values, all at once, the prediction must move back, or the reason is not given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from ml_sys.errors import ArtifactError
from ml_sys.features.compute import ATTRIBUTE_GROUP
from ml_sys.features.phrasing.phrases import phrase_of
from ml_sys.features.phrasing.phrases_of_rows import said_of_row
from ml_sys.scoring.compiled.shap_kernel import shap_values
from ml_sys.scoring.scorer import CompiledScorer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.scoring.scorer import Scorer


class NoReasonsError(ArtifactError):
    """Reasons were requested from a model that cannot give exact ones."""

    def __init__(self) -> None:
        super().__init__(
            "no reasons can be given for this model: its estimator gives no exact reasons",
            hint="ask without reasons, or use a version whose estimator is XGBClassifier",
        )


@dataclass(frozen=True)
class Reason:
    """A statement about a company, and its effect on the probability.

    Attributes
    ----------
    text : str
        In the words of sales people.
    direction : {"raises", "lowers"}
    contribution : float
        What its features add to the calibrated log-odds, beside what the average training row has; for a
        calibration that is no line on the log-odds, to those before it.
    features : tuple of str
        Those that add anything, the strongest first.
    """

    text: str
    direction: Literal["raises", "lowers"]
    contribution: float
    features: tuple[str, ...]


@dataclass(frozen=True)
class Explained:
    """Why a probability is what it is.

    Attributes
    ----------
    reasons : list of Reason
        The statements that moved it most, the strongest first.
    usual : float
        Log-odds of the average training row; with the two others they are those of the company.
    who_they_are, what_they_do : float
        What the features of its attributes, and all others, add to that.
    """

    reasons: list[Reason]
    usual: float
    who_they_are: float
    what_they_do: float


def check_reasons(scorer: Scorer) -> CompiledScorer:
    """Return the scorer, if it can give reasons.

    Raises
    ------
    NoReasonsError
        If it is not compiled.
    """
    if not isinstance(scorer, CompiledScorer):
        raise NoReasonsError
    return scorer


def reasons(
    scorer: Scorer, row: NDArray[np.float32], values: Mapping[str, float | str | None], top: int
) -> list[Reason]:
    """Return the statements that moved a prediction most, the strongest first.

    The values of Shapley of a statement's features are added up. Its text is about the one that pulls most in
    the direction of their sum. A statement whose sum the counter-check does not confirm is left out, and the
    next strongest takes its place; see :func:`moves`.

    Parameters
    ----------
    scorer : Scorer
        Of the prediction.
    row : ndarray of shape (1, n_features), float32
        What ``scorer.row`` gives.
    values : mapping
        Value of each feature, categories as texts, None for blanks.
    top : int
        How many at most; statements that add nothing are left out.

    Raises
    ------
    NoReasonsError
        If the scorer is not compiled.
    """
    return explain(scorer, row, values, top).reasons


def explain(
    scorer: Scorer, row: NDArray[np.float32], values: Mapping[str, float | str | None], top: int
) -> Explained:
    """Return the reasons of a prediction, see :func:`reasons`, and what both kinds of features add to it."""
    compiled = check_reasons(scorer)
    added = contributions(compiled, row)
    who = math.fsum(added[at] for at in _attributes(compiled.spec))
    what = math.fsum(added[:-1]) - who
    return Explained(_strongest(compiled, row, values, top, added), added[-1], who, what)


def _strongest(
    compiled: CompiledScorer,
    row: NDArray[np.float32],
    values: Mapping[str, float | str | None],
    top: int,
    added: list[float],
) -> list[Reason]:
    sums = [
        (statement, sum(added[at] for at, _ in features), features)
        for statement, features in _statements(compiled.spec).items()
    ]
    ordered = sorted((one for one in sums if one[1]), key=lambda one: (-abs(one[1]), one[0]))
    found: list[Reason] = []
    # Most of the strongest hold, so that those after the first few are seldom checked.
    for start in range(0, len(ordered), max(top, 1)):
        if len(found) >= top:
            break
        part = ordered[start : start + top]
        moved = moves(compiled, row, [[at for at, _ in features] for _, _, features in part])
        for (_, contribution, features), move in zip(part, moved, strict=True):
            if move * contribution > 0:
                found.append(_reason(contribution, features, added, values, compiled.spec))
    return found[:top]


def contributions(scorer: CompiledScorer, row: NDArray[np.float32]) -> list[float]:
    """Return what each feature of a row adds to the log-odds; the last is what they are without any.

    They are the calibrated log-odds, without its intercept, where the calibration is a line on them; else
    those before calibration.
    """
    added = scorer.line.slope * shap_values(scorer.trees, row[0]) + scorer.line.added(row[0])
    # The slope is 1 unless the calibration is a line on the log-odds.
    return [scorer.calibration.slope * one for one in added.tolist()]


def moves(scorer: CompiledScorer, row: NDArray[np.float32], features: Sequence[Sequence[int]]) -> list[float]:
    """Return how much higher the log-odds of a row are than with some features at their typical values.

    Typical is what the encoder takes for a blank: the median or the most frequent level of the training rows.
    So a blank feature moves nothing. Log-odds are compared, as a calibration may map a range of them to one
    probability.

    Parameters
    ----------
    row : ndarray of shape (1, n_features), float32
    features : sequence of sequences of int
        Columns that are put at their typical values together.
    """
    rows = np.repeat(row, len(features) + 1, axis=0)
    for at, columns in enumerate(features, start=1):
        rows[at, columns] = np.nan
    actual, *typical = scorer.log_odds(rows).tolist()
    return [scorer.calibration.slope * (actual - one) for one in typical]


def _reason(
    contribution: float,
    features: tuple[tuple[int, str], ...],
    added: list[float],
    values: Mapping[str, float | str | None],
    spec: FeatureSpec,
) -> Reason:
    raises = contribution > 0
    _, said = max(features, key=lambda one: added[one[0]] if raises else -added[one[0]])
    moving = sorted((one for one in features if added[one[0]]), key=lambda one: -abs(added[one[0]]))
    return Reason(
        text=said_of_row(said, values, spec) or phrase_of(said, spec).say(values[said]),
        direction="raises" if raises else "lowers",
        contribution=contribution,
        features=tuple(name for _, name in moving),
    )


@lru_cache(maxsize=8)
def _statements(spec: FeatureSpec) -> dict[str, tuple[tuple[int, str], ...]]:
    """Return place and name of the features of each statement."""
    found: dict[str, list[tuple[int, str]]] = {}
    for at, name in enumerate(spec.names()):
        found.setdefault(phrase_of(name, spec).statement, []).append((at, name))
    return {statement: tuple(features) for statement, features in found.items()}


@lru_cache(maxsize=8)
def _attributes(spec: FeatureSpec) -> tuple[int, ...]:
    """Return the places of the features that say who a company is."""
    groups = spec.groups()
    return tuple(at for at, name in enumerate(spec.names()) if groups[name] == ATTRIBUTE_GROUP)
