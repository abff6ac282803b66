"""Retrains at past cutoffs on what was mature then, and scores every prospect of each day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.errors import NotEnoughDataError
from ml_sys.evaluation.holdout import ALL, SEEN
from ml_sys.evaluation.lists import MODEL, RANDOM
from ml_sys.evaluation.metrics import Outcomes, probability_metrics, random_metrics, ranking_metrics
from ml_sys.model.pipeline import build_pipeline
from ml_sys.model.split import Source, rolling, training_part
from ml_sys.model.train import fit_model, raw_scores
from ml_sys.settings import ModelSettings, ResampleSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel

PLAIN = "plain XGBoost"
_PLAIN_MODEL = ModelSettings(max_trees=200)

Metrics = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class CutoffResult:
    """One cutoff of a backtest.

    Attributes
    ----------
    cutoff : int
        Day since 1970-01-01.
    prospects, conversions : int
        Companies in the panel, and those that paid within the horizon.
    training_cutoffs, training_positives : int
        What was mature then.
    trees : int or None
        Number of trees chosen.
    metrics : dict
        Population → ranker → metric → value.
    """

    cutoff: int
    prospects: int
    conversions: int
    training_cutoffs: int
    training_positives: int
    trees: int | None
    metrics: Metrics


@dataclass(frozen=True)
class Backtest:
    """A backtest: each cutoff, the mean and spread over cutoffs, all cutoffs' probabilities taken together.

    Attributes
    ----------
    cutoffs : list of CutoffResult
    mean, spread : dict
        Mean and standard deviation over cutoffs; population → ranker → metric → value.
    pooled : dict
        Probability metrics of all rows of all cutoffs; population → metric → value.
    predictions : DataFrame
        ``cutoff`` (date text), ``id``, ``probability``: every company in the panel at each cutoff, best
        first, and no outcome.
    """

    cutoffs: list[CutoffResult]
    mean: Metrics
    spread: Metrics
    pooled: dict[str, dict[str, float]]
    predictions: pd.DataFrame


def backtest_cutoffs(
    source: Source, first: int | None, last: int | None, every_days: int
) -> NDArray[np.int32]:
    """Return the cutoffs from ``first`` to ``last`` inclusive, by default the last six that are mature.

    Raises
    ------
    NotEnoughDataError
        If none is left, or one's outcome is not known yet or lies outside the usage.
    """
    timeline = source.timeline
    last = timeline.latest_mature() if last is None else last
    first = last - 5 * every_days if first is None else first
    cutoffs = np.arange(first, last + 1, every_days, dtype=np.int32)
    late = [int(c) for c in cutoffs if not timeline.is_mature(int(c))]
    if late or not cutoffs.size:
        found = f"cutoff {_date(late[0])} is not mature" if late else "no cutoff lies in the range asked for"
        raise NotEnoughDataError(found, hint=f"the latest mature cutoff is {_date(timeline.latest_mature())}")
    return cutoffs


def backtest(
    source: Source,
    cutoffs: Sequence[int] | NDArray[np.int32],
    spec: FeatureSpec,
    settings: Settings,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Backtest:
    """Retrain at each cutoff and judge what the model would have said on that day.

    Parameters
    ----------
    source : Source
    cutoffs : sequence of int
        Mature cutoffs, in days since 1970-01-01.
    spec : FeatureSpec
    settings : Settings
    on_progress : callable
        Called with the number of cutoffs done.

    Raises
    ------
    NotEnoughDataError
        If a cutoff has no mature training cutoff before it.
    """
    results, outcomes, predictions = [], [], []
    for done, cutoff in enumerate(cutoffs, start=1):
        result, panel, probability, threshold = _one(source, int(cutoff), spec, settings)
        results.append(result)
        outcomes.append((panel, probability, threshold))
        order = np.argsort(-probability, kind="stable")
        predictions.append(
            pd.DataFrame(
                {
                    "cutoff": _date(int(cutoff)),
                    "id": source.ids[panel.company[order]],
                    "probability": probability[order],
                }
            )
        )
        on_progress(done)
    return Backtest(
        results,
        _over(results, np.nanmean),
        _over(results, np.nanstd),
        _pooled(outcomes),
        pd.concat(predictions, ignore_index=True),
    )


def _one(
    source: Source, cutoff: int, spec: FeatureSpec, settings: Settings
) -> tuple[CutoffResult, Panel, NDArray[np.float64], float]:
    part = training_part(source, cutoff, spec, settings)
    model, report = fit_model(part.train, part.validation, spec, settings)
    panel = rolling(source, np.array([cutoff], dtype=np.int32), spec, settings)
    probability = model.probabilities(panel.features)
    rankers = {MODEL: probability, PLAIN: _plain_scores(part.train, panel, spec, settings)}
    rankers |= {rule: score.astype(np.float64) for rule, score in panel.rules.items()}
    metrics: Metrics = {}
    for population, rows in ((ALL, np.ones(len(panel), dtype=bool)), (SEEN, panel.seen)):
        one = np.ones((1, int(rows.sum())))
        metrics[population] = {
            name: _first(ranking_metrics(_outcomes(panel, score).take(rows), one))
            for name, score in rankers.items()
        }
        judged = _outcomes(panel, probability).take(rows)
        metrics[population][MODEL] |= _first(probability_metrics(judged, one, model.threshold))
        metrics[population][RANDOM] = random_metrics(judged)
    result = CutoffResult(
        cutoff=cutoff,
        prospects=len(panel),
        conversions=int(panel.label.sum()),
        training_cutoffs=len(report.cutoffs),
        training_positives=report.positives,
        trees=report.trees,
        metrics=metrics,
    )
    return result, panel, probability, model.threshold


def _plain_scores(train: Panel, panel: Panel, spec: FeatureSpec, settings: Settings) -> NDArray[np.float64]:
    """Score by XGBoost with the default parameters: no resampling, no early stopping, no calibration."""
    pipeline = build_pipeline(
        spec,
        features=settings.features,
        resample=ResampleSettings(sampling_strategy="none"),
        model=_PLAIN_MODEL,
        seed=settings.seed,
        threads=settings.threads,
    )
    pipeline.fit(train.features, train.label.astype(np.int64))
    return raw_scores(pipeline, panel.features)


def _outcomes(panel: Panel, score: NDArray[np.float64]) -> Outcomes:
    return Outcomes(score, panel.label, panel.cutoff, panel.company)


def _first(metrics: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in metrics.items()}


def _over(results: list[CutoffResult], how: Callable[[list[float]], float]) -> Metrics:
    """Fold each metric over the cutoffs where it is defined."""
    first = results[0].metrics
    return {
        population: {
            ranker: {
                metric: _defined([r.metrics[population][ranker][metric] for r in results], how)
                for metric in metrics
            }
            for ranker, metrics in rankers.items()
        }
        for population, rankers in first.items()
    }


def _defined(values: list[float], how: Callable[[list[float]], float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(how(known)) if known else float("nan")


def _pooled(outcomes: list[tuple[Panel, NDArray[np.float64], float]]) -> dict[str, dict[str, float]]:
    pooled = {}
    for population in (ALL, SEEN):
        parts = []
        for panel, probability, _ in outcomes:
            rows = np.ones(len(panel), dtype=bool) if population == ALL else panel.seen
            parts.append(_outcomes(panel, probability).take(rows))
        joined = Outcomes(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("score", "label", "cutoff", "company")
            )
        )
        threshold = float(np.mean([threshold for _, _, threshold in outcomes]))
        metrics = _first(probability_metrics(joined, np.ones((1, joined.score.size)), threshold))
        pooled[population] = {
            name: metrics[name]
            for name in ("brier", "log_loss", "calibration_error", "mean_probability", "conversion_rate")
        }
    return pooled


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))
