"""Fit the Pipeline, its number of trees, calibration, threshold and tiers, on training rows only.

The validation slice is the training part itself, by company folds: each row is scored by a Pipeline that has
not seen its company. These scores decide when trees stop, how scores become probabilities and where the
threshold lies; the Pipeline that is kept is then fitted to all training rows. With a few dozen conversions to
learn from, a slice that no model learns from would cost more than it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from ml_sys.elementary import sigmoids
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.spans import spans_of
from ml_sys.model.calibration import Calibrator, fit_calibrator
from ml_sys.model.estimator import BlendedXGBClassifier
from ml_sys.model.folds import company_folds
from ml_sys.model.pipeline import OFF, build_pipeline, fit_pipeline
from ml_sys.model.threshold import Tiers, choose_threshold, choose_tiers
from ml_sys.settings.checking.xgboost_params import is_xgboost
from ml_sys.settings.description import default_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from imblearn.pipeline import Pipeline
    from numpy.typing import NDArray

    from ml_sys.features.panel import Panel
    from ml_sys.features.rows import Rows
    from ml_sys.form import Form
    from ml_sys.settings import ModelSettings, Settings

# Trees stop by log loss: average precision over the few dozen conversions of a fold jumps too much to stop
# by.
STOPPING_METRIC = "logloss"


@dataclass(frozen=True)
class FittedModel:
    """Everything that turns features into probabilities and decisions.

    Attributes
    ----------
    pipeline : imblearn.pipeline.Pipeline
        Fitted; its ``resample`` step does nothing when it predicts.
    calibrator : Calibrator
        From the Pipeline's scores to probabilities.
    spec : FeatureSpec
        The features it takes.
    threshold : float
        Probability from which on a company counts as one that will convert.
    tiers : Tiers
        Least probabilities of tiers A and B.
    """

    pipeline: Pipeline
    calibrator: Calibrator
    spec: FeatureSpec
    threshold: float
    tiers: Tiers

    def probabilities(self, features: Rows | pd.DataFrame) -> NDArray[np.float64]:
        """Return P(conversion within the horizon), float64, of each row of features."""
        return self.calibrator(raw_scores(self.pipeline, features))


@dataclass(frozen=True)
class FitReport:
    """What happened while fitting.

    Attributes
    ----------
    rows, positives, companies, converters : int
        Training rows, positive ones among them, companies among them, and those that convert.
    cutoffs : tuple of int
        Training cutoffs, in days since 1970-01-01.
    trees : int or None
        Number of trees that early stopping chose; None for other estimators.
    before, after : tuple of int
        Majority and minority rows before and after resampling.
    synthetic_weight : float
        How much each row that resampling adds counts, where a real one counts 1.
    validation_mean, validation_rate : float
        Mean calibrated probability on the validation slice, and the rate observed there.
    whole_rows, sampled_rows : int
        Rows of the whole panel, and of what was drawn from it.
    one_in : float
        Of the rows that are not positive one in so many was drawn, and counts so many times; 1 for all.
    """

    rows: int
    positives: int
    companies: int
    converters: int
    cutoffs: tuple[int, ...]
    trees: int | None
    before: tuple[int, int]
    after: tuple[int, int]
    synthetic_weight: float
    validation_mean: float
    validation_rate: float
    whole_rows: int
    sampled_rows: int
    one_in: float


def spec_from(settings: Settings, form: Form | None = None) -> FeatureSpec:
    """Return the features that settings select of a form's; by default of the default description's."""
    chosen, period = settings.features, settings.usage.row_period
    return FeatureSpec(
        windows_days=tuple(sorted(set(chosen.windows_days))) or spans_of(period).windows,
        off=tuple(sorted(chosen.off)),
        extra=chosen.extra,
        attribute_missingness=chosen.attribute_missingness,
        period=period,
        history=chosen.history,
        form=form or default_form(),
    )


def fit_model(
    panel: Panel, validation: Panel, spec: FeatureSpec, settings: Settings, *, share: float = 1.0
) -> tuple[FittedModel, FitReport]:
    """Fit a model to training rows.

    Parameters
    ----------
    panel : Panel
        Training rows in canonical order.
    validation : Panel
        Every row of the training companies and cutoffs, or rows that stand for them: ``panel`` itself, or the
        rolling panel where ``panel`` holds one row per company. Each is scored by a Pipeline fitted to other
        companies.
    spec : FeatureSpec
        The features of ``panel``.
    share : float
        Share of each whole list that the validation rows are; capacities are those of whole lists.

    Raises
    ------
    NotEnoughDataError
        If fewer than two companies convert.
    """
    pipeline = build_pipeline(
        spec,
        features=settings.features,
        resample=settings.resample,
        model=settings.model,
        seed=settings.seed,
        threads=settings.threads,
    )
    label = panel.label.astype(np.int64)
    with threadpool_limits(settings.threads or None):  # for estimators that take no number of threads
        fold = company_folds(
            validation, settings.split.validation_folds, settings.seed, spec.form.words.entity
        )
        scores, learned = validation_scores(pipeline, panel, validation, fold, settings.model)
        pipeline["model"].set_params(**learned)
        fit_pipeline(pipeline, panel.rows, panel.label, company=panel.company)

    weight = validation.weight
    calibrator = fit_calibrator(settings.calibration.method, scores, validation.label, weight)
    probabilities = calibrator(scores)
    cutoffs = np.unique(validation.cutoff)
    n_lists = cutoffs.size * share
    threshold = choose_threshold(
        probabilities, validation.label, settings.threshold, n_lists=n_lists, weight=weight
    )
    tiers = choose_tiers(probabilities, settings.threshold, n_lists=n_lists, weight=weight)
    counts = (panel.rows.standing_for() - int(label.sum()), int(label.sum()))
    sampler = pipeline.named_steps["resample"]
    report = FitReport(
        rows=len(panel),
        positives=counts[1],
        companies=int(np.unique(panel.company).size),
        converters=int(np.unique(panel.company[panel.label]).size),
        cutoffs=tuple(int(c) for c in cutoffs),
        trees=learned.get("n_estimators"),
        before=counts,
        after=counts if sampler == OFF else sampler.counts_after_,
        synthetic_weight=settings.resample.weight,
        validation_mean=float(np.average(probabilities, weights=weight)),
        validation_rate=float(np.average(validation.label, weights=weight)),
        whole_rows=validation.rows.standing_for(),
        sampled_rows=len(validation),
        one_in=1.0 if weight is None else float(weight.max()),
    )
    return FittedModel(pipeline, calibrator, spec, threshold, tiers), report


def raw_scores(pipeline: Pipeline, features: Rows | pd.DataFrame) -> NDArray[np.float64]:
    """Return the Pipeline's own score of the positive class, float64, before calibration."""
    if not len(features):
        return np.empty(0)
    return scores_of(pipeline["model"], pipeline["encode"].transform(features))


def scores_of(model: Any, encoded: NDArray[np.float32], **options: Any) -> NDArray[np.float64]:
    """Return a fitted estimator's score of the positive class of encoded rows, float64.

    XGBoost's is taken from its margin, a sum of float32 in the order of the trees, as in the compiled scorer:
    its own probabilities round as the C library that it finds does.
    """
    if getattr(model, "objective", None) == "binary:logistic" and hasattr(model, "get_booster"):
        return sigmoids(model.predict(encoded, output_margin=True, **options))
    scores: NDArray[np.float64] = model.predict_proba(encoded, **options)[:, 1].astype(np.float64)
    return scores


def validation_scores(
    pipeline: Pipeline, panel: Panel, validation: Panel, fold: NDArray[np.int64], asked: ModelSettings
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Score every validation row by a Pipeline fitted to other companies, and learn what XGBoost needs.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        Unfitted; it stays so.
    panel, validation : Panel
        As of :func:`fit_model`.
    fold : ndarray of shape (n_companies,), int64
        As :func:`ml_sys.model.folds.company_folds` gives it.

    Returns
    -------
    scores : ndarray of shape (n_validation_rows,), float64
        The Pipeline's own, before calibration.
    learned : dict
        Parameters of the estimator at which they were taken: for XGBoost ``n_estimators``, and the
        calibrations of its members where a line stands beside the trees.
    """
    boosted = is_xgboost(asked.estimator)
    early = boosted and _converters(panel) >= asked.early_stopping_converters
    rounds = min(asked.trees, asked.max_trees)
    fitted: list[tuple[Panel, NDArray[np.bool_], Any]] = []
    for number in range(fold.max() + 1):
        outside = fold[validation.company] == number
        inside, held = panel.take(fold[panel.company] != number), validation.take(outside)
        one = clone(pipeline)
        if early:
            one["model"].set_params(
                early_stopping_rounds=asked.early_stopping_rounds, eval_metric=STOPPING_METRIC
            )
        elif boosted:
            one["model"].set_params(n_estimators=rounds)
        watched = (held.rows, held.label) if early else None
        whole = panel.rows.standing_for() / inside.rows.standing_for()
        fit_pipeline(one, inside.rows, inside.label, watched, company=inside.company, counts_as=whole)
        fitted.append((held, outside, one))
    if not boosted:
        scores = np.empty(len(validation))
        for held, outside, one in fitted:
            scores[outside] = raw_scores(one, held.rows)
        return scores, {}
    stopped = [one["model"].best_iteration + 1 if early else rounds for _, _, one in fitted]
    trees = round(float(np.mean(stopped)))
    return _at_trees(fitted, validation, trees)


def _converters(panel: Panel) -> int:
    return int(np.unique(panel.company[panel.label]).size)


def _at_trees(
    fitted: Sequence[tuple[Panel, NDArray[np.bool_], Any]], validation: Panel, trees: int
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Score the rows outside each fit with a number of trees, and with the line if there is one."""
    learned: dict[str, Any] = {"n_estimators": trees}
    label = validation.label
    margins, lines = np.empty(label.size, dtype=np.float32), np.zeros(label.size)
    blended = False
    for held, outside, one in fitted:
        once, place = held.rows.once()
        model, encoded = one["model"], one["encode"].transform(once)
        kept = {"iteration_range": (0, min(trees, model.get_booster().num_boosted_rounds()))}
        if isinstance(model, BlendedXGBClassifier) and model.line_share:
            blended = True
            margins[outside], lines[outside] = (
                model.tree_margins(encoded, **kept)[place], model.line_log_odds(encoded)[place],
            )  # fmt: skip
        else:
            margins[outside] = model.predict(encoded, output_margin=True, **kept)[place]
    if not blended:
        return sigmoids(margins), learned
    share, scores = fitted[0][2]["model"].line_share, np.zeros(label.size)
    members = (("tree_calibration", 1 - share, margins), ("line_calibration", share, lines))
    for name, weight, log_odds in members:
        own = fit_calibrator("sigmoid", sigmoids(log_odds), label, validation.weight)
        learned[name] = (own.slope, own.intercept)
        scores += weight * (own.slope * log_odds.astype(np.float64) + own.intercept)
    return sigmoids(scores), learned
