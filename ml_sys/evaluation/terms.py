"""Terms of a backtest: a model fitted to what was mature on a day, and the lists it makes until the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.errors import NotEnoughDataError
from ml_sys.evaluation.lists import MODEL
from ml_sys.model.pipeline import build_pipeline
from ml_sys.model.split import Source, rolling, training_part
from ml_sys.model.train import fit_model, raw_scores, spec_from
from ml_sys.settings import ModelSettings, ResampleSettings, Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.panel import Panel, Timeline

PLAIN = "plain XGBoost"
_PLAIN_MODEL = ModelSettings(max_trees=200)
# Without a first day asked for, a backtest begins when there is this much to learn from.
_LEAST_TRAINING_CUTOFFS = 6
# More than any history has; an expanding window leaves nothing out.
_EVERY_CUTOFF = 1_000_000


@dataclass(frozen=True)
class Term:
    """Days since 1970-01-01: when a model is fitted, and the cutoffs of its lists."""

    trained: int
    cutoffs: tuple[int, ...]


@dataclass(frozen=True)
class TermScores:
    """What the model of a term said of every prospect of its lists; n_rows in all.

    Attributes
    ----------
    training_cutoffs, training_positives : int
        What was mature when it was fitted.
    trees : int or None
        Number of trees chosen.
    threshold : float
        From which probability on it predicts a conversion.
    cutoff, company : ndarray of shape (n_rows,), int32
    label, seen : ndarray of shape (n_rows,), bool
    tier : ndarray of shape (n_rows,), str
    scores : dict of str to ndarray of shape (n_rows,), float64
        By ranker; the model's are probabilities.
    """

    training_cutoffs: int
    training_positives: int
    trees: int | None
    threshold: float
    cutoff: NDArray[np.int32]
    company: NDArray[np.int32]
    label: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    tier: NDArray[np.str_]
    scores: dict[str, NDArray[np.float64]]


def plan_terms(
    timeline: Timeline, settings: Settings, *, first: int | None = None, last: int | None = None
) -> tuple[Term, ...]:
    """Lay out the lists from ``first`` to ``last`` inclusive and the days on which models are fitted.

    Parameters
    ----------
    timeline : Timeline
    settings : Settings
        Of the panel and the backtest.
    first, last : int, optional
        Days since 1970-01-01. By default the latest mature cutoff is the last one, and the first one leaves
        room for ``backtest.lists`` lists or as many as there is enough to learn from before.

    Raises
    ------
    NotEnoughDataError
        If no list is left, or one's outcome is not known yet or lies outside the usage.
    """
    every, retrain = settings.backtest.every_days, settings.backtest.retrain_days
    last = timeline.latest_mature() if last is None else last
    if first is None:
        first = last - (settings.backtest.lists - 1) * every
        while first < last and _mature_before(timeline, first, settings) < _LEAST_TRAINING_CUTOFFS:
            first += every
    cutoffs = range(first, last + 1, every)
    late = [cutoff for cutoff in cutoffs if not timeline.is_mature(cutoff)]
    if late or not cutoffs:
        found = f"cutoff {_date(late[0])} is not mature" if late else "no cutoff lies in the range asked for"
        raise NotEnoughDataError(found, hint=f"the latest mature cutoff is {_date(timeline.latest_mature())}")
    terms: list[list[int]] = []
    for cutoff in cutoffs:
        if not terms or cutoff >= terms[-1][0] + retrain:
            terms.append([])
        terms[-1].append(cutoff)
    return tuple(Term(term[0], tuple(term)) for term in terms)


def fit_term(source: Source, term: Term, settings: Settings, *, plain: bool = True) -> TermScores:
    """Fit a model to what was mature on the first day of a term, and make the term's lists.

    Parameters
    ----------
    source : Source
    term : Term
    settings : Settings
    plain : bool
        Whether XGBoost with the default parameters is fitted beside it, as a ranker of its own.

    Raises
    ------
    NotEnoughDataError
        If nothing was mature.
    """
    spec = spec_from(settings)
    part = training_part(source, term.trained, spec, _windowed(settings))
    model, report = fit_model(part.train, part.validation, spec, settings)
    panel = rolling(source, np.array(term.cutoffs, dtype=np.int32), spec, settings)
    probability = model.probabilities(panel.features)
    scores = {MODEL: probability}
    if plain:
        scores[PLAIN] = _plain_scores(part.train, panel, settings)
    scores |= {rule: score.astype(np.float64) for rule, score in panel.rules.items()}
    return TermScores(
        len(report.cutoffs),
        report.positives,
        report.trees,
        model.threshold,
        panel.cutoff,
        panel.company,
        panel.label,
        panel.seen,
        model.tiers.of(probability),
        scores,
    )


def _plain_scores(train: Panel, panel: Panel, settings: Settings) -> NDArray[np.float64]:
    """Score by XGBoost with the default parameters: no resampling, no early stopping, no calibration."""
    pipeline = build_pipeline(
        spec_from(settings),
        features=settings.features,
        resample=ResampleSettings(sampling_strategy="none"),
        model=_PLAIN_MODEL,
        seed=settings.seed,
        threads=settings.threads,
    )
    pipeline.fit(train.features, train.label.astype(np.int64))
    return raw_scores(pipeline, panel.features)


def _windowed(settings: Settings) -> Settings:
    if settings.backtest.window == "rolling":
        return settings
    panel = settings.panel.model_copy(update={"max_cutoffs": _EVERY_CUTOFF})
    return settings.model_copy(update={"panel": panel})


def _mature_before(timeline: Timeline, day: int, settings: Settings) -> int:
    return timeline.training_cutoffs(day, settings.panel.step_days, _LEAST_TRAINING_CUTOFFS).size


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))
