"""Evaluate on the holdout: each metric with its interval, by population, next to rules and chance."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.features.rules import signed_up_lately
from ml_sys.metrics.bootstrap import Estimate, estimates
from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.ranking import Outcomes, Weights, random_metrics, ranking_metrics
from ml_sys.metrics.scored_lists import MODEL, RANDOM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.features.panel import Panel
    from ml_sys.metrics.bootstrap import Drawn
    from ml_sys.settings import BootstrapSettings

ALL, SEEN, SIGN_UPS = "all prospects", "seen in usage", "sign-ups of this week"

# By population, ranker and metric.
Evaluation = dict[str, dict[str, dict[str, Estimate]]]


def evaluate_holdout(
    panel: Panel,
    probability: NDArray[np.float64],
    *,
    threshold: float,
    bootstrap: BootstrapSettings,
    seed: int,
    share: float = 1.0,
) -> Evaluation:
    """Evaluate a model's probabilities on rows that nothing was fitted to.

    Parameters
    ----------
    panel : Panel
        Holdout rows.
    probability : ndarray of shape (n_rows,), float64
    threshold : float
        From which probability on a row counts as predicted to convert.
    share : float
        Share of each whole list that the panel's rows are; depths are those of whole lists.

    Returns
    -------
    dict
        Population → ranker → metric → estimate. Rules have ranking metrics only, chance has no interval.
    """
    judged = Outcomes(probability, panel.label, panel.cutoff, panel.company, share)
    return {
        name: _population(judged, panel.rules, rows, threshold, bootstrap, seed)
        for name, rows in population_rows(panel.seen, panel.rules).items()
        if rows.any()
    }


def population_rows(
    seen: NDArray[np.bool_], scores: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.bool_]]:
    """Return the rows of each population.

    Parameters
    ----------
    seen : ndarray of shape (n_rows,), bool
        Whether there was usage by the cutoff.
    scores : mapping of str to ndarray of shape (n_rows,)
        By ranker, simple rules among them. Sign-ups are told apart where it is known who began when.
    """
    found = {ALL: np.ones(seen.size, dtype=bool), SEEN: seen}
    new = signed_up_lately(scores)
    return found if new is None else {**found, SIGN_UPS: new}


def _population(
    everyone: Outcomes,
    rules: Mapping[str, NDArray[np.float32]],
    rows: NDArray[np.bool_],
    threshold: float,
    bootstrap: BootstrapSettings,
    seed: int,
) -> dict[str, dict[str, Estimate]]:
    model = everyone.take(rows)

    def judged(weights: Weights | Drawn) -> dict[str, NDArray[np.float64]]:
        return {**ranking_metrics(model, weights), **probability_metrics(model, weights, threshold)}

    asked: dict[str, Callable[[Weights | Drawn], dict[str, NDArray[np.float64]]]] = {MODEL: judged}
    for rule, score in rules.items():
        asked[rule] = partial(ranking_metrics, replace(model, score=score[rows].astype(np.float64)))
    rankers = estimates(
        asked,
        model.company,
        resamples=bootstrap.resamples,
        confidence=bootstrap.confidence,
        seed=seed,
        label=model.label,
    )
    rankers[RANDOM] = {name: Estimate(value, value, value) for name, value in random_metrics(model).items()}
    return rankers


def to_plain(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data; undefined numbers become None."""
    return {
        population: {
            ranker: {
                metric: {name: None if np.isnan(x) else x for name, x in vars(one).items()}
                for metric, one in metrics.items()
            }
            for ranker, metrics in rankers.items()
        }
        for population, rankers in evaluation.items()
    }


def table_of(evaluation: Evaluation) -> pd.DataFrame:
    """Return an evaluation as a table.

    Returns
    -------
    DataFrame
        ``value``, ``low`` and ``high``, NaN where they are not defined; by population, ranker and metric.
    """
    import pandas as pd  # commands that show figures do without it

    rows = {
        (population, ranker, metric): vars(one)
        for population, rankers in evaluation.items()
        for ranker, metrics in rankers.items()
        for metric, one in metrics.items()
    }
    index = pd.MultiIndex.from_tuples(rows, names=("population", "ranker", "metric"))
    return pd.DataFrame(list(rows.values()), index=index)


def from_plain(plain: Mapping[str, Any]) -> Evaluation:
    """Reverse :func:`to_plain`."""
    return {
        population: {
            ranker: {
                metric: Estimate(**{name: float("nan") if x is None else float(x) for name, x in one.items()})
                for metric, one in metrics.items()
            }
            for ranker, metrics in rankers.items()
        }
        for population, rankers in plain.items()
    }
