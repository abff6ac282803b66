"""Explain a probability: the statements about a company that moved its prediction most.

A Shapley contribution is a mean over many hypothetical rows, so if features interact it may have the wrong
sign for this company. So each reason is counter-checked: with all features of its statement at their typical
values, the prediction must move back, or the reason is not given.
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
        In words for sales.
    direction : {"raises", "lowers"}
    contribution : float
        What its features add to the calibrated log-odds, compared with the average training row; if the
        calibration is not linear in the log-odds, to the log-odds before calibration.
    features : tuple of str
        The features that add anything, the strongest first.
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
        Log-odds of the average training row; the company's log-odds are the sum of this and the two below.
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

    The Shapley values of a statement's features are added up. Its text is about the feature that contributes
    most in the direction of the sum. A statement that the counter-check does not confirm is left out, and the
    next strongest takes its place; see :func:`moved_log_odds`.

    Parameters
    ----------
    scorer : Scorer
        The scorer of the prediction.
    row : ndarray of shape (1, n_features), float32
        From ``scorer.row``.
    values : mapping
        Value of each feature, categories as texts, None for blanks.
    top : int
        Maximum number; statements that add nothing are left out.

    Raises
    ------
    NoReasonsError
        If the scorer is not compiled.
    """
    return explain(scorer, row, values, top).reasons


def explain(
    scorer: Scorer, row: NDArray[np.float32], values: Mapping[str, float | str | None], top: int
) -> Explained:
    """Return the reasons of a prediction (see :func:`reasons`) and what both kinds of features add to it."""
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
    # Most of the strongest are confirmed, so later ones seldom need to be checked.
    for start in range(0, len(ordered), max(top, 1)):
        if len(found) >= top:
            break
        part = ordered[start : start + top]
        moved = moved_log_odds(compiled, row, [[at for at, _ in features] for _, _, features in part])
        for (_, contribution, features), move in zip(part, moved, strict=True):
            if move * contribution > 0:
                found.append(_reason(contribution, features, added, values, compiled.spec))
    return found[:top]


def contributions(scorer: CompiledScorer, row: NDArray[np.float32]) -> list[float]:
    """Return what each feature of a row adds to the log-odds, followed by the log-odds without any feature.

    If the calibration is linear in the log-odds, they are calibrated, without the intercept; else those
    before calibration.
    """
    added = scorer.line.slope * shap_values(scorer.trees, row[0]) + scorer.line.added(row[0])
    # The slope is 1 unless the calibration is linear in the log-odds.
    return [scorer.calibration.slope * one for one in added.tolist()]


def moved_log_odds(
    scorer: CompiledScorer, row: NDArray[np.float32], features: Sequence[Sequence[int]]
) -> list[float]:
    """Return how much higher the log-odds of a row are than with some features at their typical values.

    The typical value is what the encoder imputes for a blank: the median or the most frequent level of the
    training rows. So a blank feature moves nothing. Log-odds are compared because a calibration may map a
    range of them to one probability.

    Parameters
    ----------
    row : ndarray of shape (1, n_features), float32
    features : sequence of sequences of int
        Groups of columns to set to their typical values together.
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
    """Return the position and the name of each statement's features."""
    found: dict[str, list[tuple[int, str]]] = {}
    for at, name in enumerate(spec.names()):
        found.setdefault(phrase_of(name, spec).statement, []).append((at, name))
    return {statement: tuple(features) for statement, features in found.items()}


@lru_cache(maxsize=8)
def _attributes(spec: FeatureSpec) -> tuple[int, ...]:
    """Return the positions of the features of attributes."""
    groups = spec.groups()
    return tuple(at for at, name in enumerate(spec.names()) if groups[name] == ATTRIBUTE_GROUP)
