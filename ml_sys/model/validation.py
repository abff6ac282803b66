"""Score the training rows, each by a Pipeline that has not seen its company, and learn from the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from ml_sys.elementary import sigmoids
from ml_sys.model.calibration import fit_calibrator
from ml_sys.model.estimator import BlendedXGBClassifier
from ml_sys.model.pipeline import fit_pipeline, raw_scores
from ml_sys.settings.checking.xgboost_params import is_xgboost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imblearn.pipeline import Pipeline
    from numpy.typing import NDArray

    from ml_sys.engine.cluster import Cluster
    from ml_sys.features.panel import Panel
    from ml_sys.settings import ModelSettings

# Trees stop by log loss: average precision over the few dozen conversions of a fold jumps too much to stop
# by.
STOPPING_METRIC = "logloss"


def validation_scores(
    pipeline: Pipeline,
    panel: Panel,
    validation: Panel,
    fold: NDArray[np.int64],
    asked: ModelSettings,
    cluster: Cluster | None = None,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Score every validation row by a Pipeline fitted to other companies, and learn what XGBoost needs.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        Unfitted; it stays so.
    panel, validation, cluster
        As of :func:`ml_sys.model.train.fit_model`.
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
        fit_pipeline(
            one,
            inside.rows,
            inside.label,
            watched,
            company=inside.company,
            counts_as=whole,
            cluster=cluster,
        )
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
