"""Fit the Pipeline, its number of trees, calibration, threshold and tiers, on training rows only.

The validation slice is the training part itself, by company folds: each row is scored by a Pipeline that has
not seen its company. These scores decide when trees stop, how scores become probabilities and where the
threshold lies; the Pipeline that is kept is then fitted to all training rows. With a few dozen conversions to
learn from, a slice that no model learns from would cost more than it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from ml_sys.features.compute import FeatureSpec
from ml_sys.features.spans import spans_of
from ml_sys.model.calibration import Calibrator, fit_calibrator
from ml_sys.model.folds import company_folds
from ml_sys.model.pipeline import OFF, build_pipeline, fit_pipeline, raw_scores
from ml_sys.model.threshold import Tiers, choose_threshold, choose_tiers
from ml_sys.model.validation import validation_scores
from ml_sys.settings.description import default_form

if TYPE_CHECKING:
    import pandas as pd
    from imblearn.pipeline import Pipeline
    from numpy.typing import NDArray

    from ml_sys.engine.cluster import Cluster
    from ml_sys.features.panel import Panel
    from ml_sys.features.rows import Rows
    from ml_sys.form import Form
    from ml_sys.settings import Settings


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
    workers : int
        Of the cluster that grew the trees; 0 where they grew on one machine.
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
    workers: int = 0


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


def pipeline_from(settings: Settings, spec: FeatureSpec) -> Pipeline:
    """Return the unfitted Pipeline that settings describe; see :func:`build_pipeline`."""
    return build_pipeline(
        spec,
        features=settings.features,
        resample=settings.resample,
        model=settings.model,
        seed=settings.seed,
        threads=settings.threads,
    )


def fit_model(
    panel: Panel,
    validation: Panel,
    spec: FeatureSpec,
    settings: Settings,
    *,
    share: float = 1.0,
    cluster: Cluster | None = None,
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
    cluster : Cluster, optional
        Where trees grow, those of the folds as well: what calibrates the model, and stops it, has to be grown
        as it is. By default here.

    Raises
    ------
    NotEnoughDataError
        If fewer than two companies convert.
    """
    pipeline = pipeline_from(settings, spec)
    label = panel.label.astype(np.int64)
    with threadpool_limits(settings.threads or None):  # for estimators that take no number of threads
        fold = company_folds(
            validation, settings.split.validation_folds, settings.seed, spec.form.words.entity
        )
        scores, learned = validation_scores(pipeline, panel, validation, fold, settings.model, cluster)
        pipeline["model"].set_params(**learned)
        fit_pipeline(pipeline, panel.rows, panel.label, company=panel.company, cluster=cluster)

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
        workers=0 if cluster is None else len(cluster.workers()),
    )
    return FittedModel(pipeline, calibrator, spec, threshold, tiers), report
