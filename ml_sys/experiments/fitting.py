"""Fit a term's model and make its lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.experiments.schedule import PLAIN, Term, TermScores
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.pipeline import fit_pipeline, raw_scores
from ml_sys.model.split import Source, learn, rolling, sampled, training_cutoffs, training_part
from ml_sys.model.train import fit_model, pipeline_from
from ml_sys.settings import XGBOOST, ModelSettings, PanelSettings, ResampleSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel

_PLAIN_MODEL = ModelSettings(estimator=XGBOOST, max_trees=100)
# More than any history has; an expanding window leaves nothing out.
_EVERY_CUTOFF = 1_000_000


def fit_term(source: Source, term: Term, settings: Settings, *, plain: bool = True) -> TermScores:
    """Fit a model to what was mature on the first day of a term, and make its lists.

    Parameters
    ----------
    plain : bool
        Whether XGBoost with the parameters that settings have by default is fitted beside it, as a ranker of
        its own.

    Raises
    ------
    NotEnoughDataError
        If nothing was mature.
    """
    spec = source.spec(settings)
    part = training_part(source, term.trained, spec, _windowed(settings), settings.seed)
    model, report = fit_model(part.train, part.validation, spec, settings)
    panel = rolling(source, np.array(term.cutoffs, dtype=np.int32), spec)
    probability = model.probabilities(panel.rows)
    scores = {MODEL: probability}
    if plain:
        scores[PLAIN] = _plain_scores(part.train, panel, spec, settings)
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


def learn_features(source: Source, terms: Sequence[Term], settings: Settings) -> None:
    """Compute the features that the terms need, so that parallel fits find them ready.

    Raises
    ------
    NotEnoughDataError
        If nothing was mature on the first day of a term.
    """
    panel, whole, samples = _windowed(settings), set[int](), []
    for term in terms:
        whole.update(term.cutoffs)
        training = training_cutoffs(source, term.trained, panel)
        sample = sampled(source, training, panel, settings.seed)
        if sample is None:
            whole.update(training.tolist())
        else:
            samples.append(sample)
    learn(source, source.spec(settings), whole, samples)


def _plain_scores(train: Panel, panel: Panel, spec: FeatureSpec, settings: Settings) -> NDArray[np.float64]:
    """Score by XGBoost as settings have it by default: no resampling, no early stopping, no calibration."""
    plain = {"resample": ResampleSettings(sampling_strategy="none"), "model": _PLAIN_MODEL}
    pipeline = pipeline_from(settings.model_copy(update=plain), spec)
    fit_pipeline(pipeline, train.rows, train.label)
    return raw_scores(pipeline, panel.rows)


def _windowed(settings: Settings) -> PanelSettings:
    """Return the panel that a term learns from: of the latest cutoffs, or of all before it."""
    if settings.backtest.window == "rolling":
        return settings.panel
    return settings.panel.model_copy(update={"max_cutoffs": _EVERY_CUTOFF})
