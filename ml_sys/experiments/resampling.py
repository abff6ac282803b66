"""Compare no resampling, class weights and SMOTENC on the same folds, each calibrated.

The rows are those of the training part, each scored by a model that has not seen its company and calibrated
on the other folds. The holdout plays no part: this is a choice, and choices are not made on it.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.engine.mapping import Engine
from ml_sys.experiments.cache import own_code
from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.paired import Paired, paired_bootstrap
from ml_sys.metrics.ranking import Outcomes, ranking_metrics
from ml_sys.model.calibration import fit_calibrator
from ml_sys.model.folds import company_folds
from ml_sys.model.train import pipeline_from
from ml_sys.model.validation import validation_scores
from ml_sys.resolve import resolve
from ml_sys.settings import ResampleSettings
from ml_sys.settings.checking.xgboost_params import is_xgboost

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.model.split import TrainingPart
    from ml_sys.settings import ModelSettings, Settings

# Folds at most: three variants are fitted once for each.
_MOST_FOLDS = 3
# The ratio that is tried where the settings ask for none.
_LIGHT = 0.003
NONE, CLASS_WEIGHT, SMOTE = "none", "class weight", "SMOTENC"
_WEIGHTS = ("scale_pos_weight", "class_weight")


@dataclass(frozen=True)
class Variant:
    """One way to treat the imbalance.

    Attributes
    ----------
    chosen : bool
        Whether the settings ask for it.
    against_none : Paired
        Its average precision beside that of no resampling, on the same draws of companies.
    calibration_error, mean_probability : float
        After calibration.
    raw_probability : float
        Mean score before calibration.
    """

    name: str
    chosen: bool
    against_none: Paired
    roc_auc: float
    calibration_error: float
    mean_probability: float
    raw_probability: float


@dataclass(frozen=True)
class Resampling:
    """Ways to treat the imbalance, compared.

    Attributes
    ----------
    variants : tuple of Variant
        The first one does nothing.
    rows, positives, converters : int
        Of the training part: rows, positive ones, and companies that convert.
    """

    variants: tuple[Variant, ...]
    rows: int
    positives: int
    converters: int


def compare_resampling(part: TrainingPart, spec: FeatureSpec, settings: Settings) -> Resampling:
    """Compare what the settings do about the imbalance with doing nothing and with class weights.

    Parameters
    ----------
    part : TrainingPart
        The training part.
    spec : FeatureSpec
        Its features.
    """
    folds = min(settings.split.validation_folds, _MOST_FOLDS)
    settings = settings.model_copy(
        update={"split": settings.split.model_copy(update={"validation_folds": folds})}
    )
    variants = variants_of(settings, part.train.label, part.train.weight)
    engine = Engine.of(settings.engine, partial(own_code, settings))
    made = engine.map(partial(_scores, part, spec), list(variants.values()))
    scores = dict(zip(variants, made, strict=True))
    chosen = _chosen(settings.resample, settings.model)
    compare = partial(
        paired_bootstrap,
        metric="average_precision",
        tolerance=0.0,
        resamples=settings.bootstrap.resamples,
        confidence=settings.bootstrap.confidence,
        seed=settings.seed,
    )
    outcomes = {name: _outcomes(part.validation, score, settings) for name, score in scores.items()}
    judged = tuple(
        _judged(
            name,
            name == chosen,
            outcomes[name],
            outcomes[NONE],
            float(np.average(scores[name], weights=part.validation.weight)),
            compare,
        )
        for name in variants
    )
    label = part.validation.label
    converters = int(np.unique(part.validation.company[label]).size)
    rows = part.validation.rows.standing_for()
    return Resampling(judged, rows, int(label.sum()), converters)


def variants_of(
    settings: Settings, label: NDArray[np.bool_], rows: NDArray[np.float64] | None = None
) -> dict[str, Settings]:
    """Return the settings for each way that the estimator supports, doing nothing first.

    Parameters
    ----------
    label : ndarray of shape (n_rows,), bool
        Of the training rows; the class weight makes both classes weigh the same.
    rows : ndarray of shape (n_rows,), optional
        How many rows each stands for; one by default.
    """
    model, off = settings.model, ResampleSettings(sampling_strategy="none")
    bare = {name: value for name, value in model.params.items() if name not in _WEIGHTS}

    def variant(params: dict[str, Any], resample: ResampleSettings) -> Settings:
        changed = {"model": model.model_copy(update={"params": params}), "resample": resample, "threads": 1}
        return settings.model_copy(update=changed)

    found = {NONE: variant(bare, off)}
    others = (~label).sum() if rows is None else rows[~label].sum()
    weight = {name: value for name, value in model.params.items() if name in _WEIGHTS}
    if not weight and is_xgboost(model.estimator):
        weight = {"scale_pos_weight": float(others / max(label.sum(), 1))}
    elif not weight and "class_weight" in inspect.signature(resolve(model.estimator)).parameters:
        weight = {"class_weight": "balanced"}
    if weight:
        found[CLASS_WEIGHT] = variant({**bare, **weight}, off)
    if settings.resample.sampling_strategy == "none":
        light = settings.resample.model_copy(update={"sampling_strategy": _LIGHT})
        return {**found, f"{SMOTE} {_LIGHT}": variant(bare, light)}
    return {**found, SMOTE: variant(bare, settings.resample)}


def _chosen(resample: ResampleSettings, model: ModelSettings) -> str:
    """Return the way that the settings ask for; resampling is named before a weight beside it."""
    if resample.sampling_strategy != "none":
        return SMOTE
    return CLASS_WEIGHT if any(name in _WEIGHTS for name in model.params) else NONE


def _scores(part: TrainingPart, spec: FeatureSpec, settings: Settings) -> NDArray[np.float64]:
    pipeline = pipeline_from(settings, spec)
    fold = company_folds(part.validation, settings.split.validation_folds, settings.seed)
    return validation_scores(pipeline, part.train, part.validation, fold, settings.model)[0]


def _outcomes(validation: Panel, scores: NDArray[np.float64], settings: Settings) -> Outcomes:
    """Calibrate each fold's scores on the other folds."""
    fold = company_folds(validation, settings.split.validation_folds, settings.seed)[validation.company]
    probability = np.empty_like(scores)
    for number in np.unique(fold):
        inside, outside = fold == number, fold != number
        calibrator = fit_calibrator(
            settings.calibration.method,
            scores[outside],
            validation.label[outside],
            None if validation.weight is None else validation.weight[outside],
        )
        probability[inside] = calibrator(scores[inside])
    weight = validation.weight
    return Outcomes(probability, validation.label, validation.cutoff, validation.company, weight=weight)


def _judged(
    name: str,
    chosen: bool,
    outcomes: Outcomes,
    none: Outcomes,
    raw: float,
    compare: Callable[[Outcomes, Outcomes], Paired],
) -> Variant:
    paired = compare(outcomes, none)
    once = outcomes.once()
    measured = {**ranking_metrics(outcomes, once), **probability_metrics(outcomes, once, threshold=0.5)}
    return Variant(
        name,
        chosen,
        paired,
        float(measured["roc_auc"][0]),
        float(measured["calibration_error"][0]),
        float(measured["mean_probability"][0]),
        raw,
    )
