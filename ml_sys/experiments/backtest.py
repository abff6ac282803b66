"""Evaluate past lists: one by one, together, and two sets of the same lists against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.experiments.past_lists import joined_lists, make_lists
from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.campaign import Season, play_season
from ml_sys.metrics.holdout import population_rows
from ml_sys.metrics.list_averages import list_estimates, paired_lists
from ml_sys.metrics.ranking import random_metrics, ranking_metrics
from ml_sys.metrics.scored_lists import MODEL, RANDOM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.experiments.cache import TermStore
    from ml_sys.experiments.schedule import Term, TermScores
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.metrics.paired import ListMetric, Paired
    from ml_sys.metrics.scored_lists import ScoredLists
    from ml_sys.model.split import Source
    from ml_sys.settings import BootstrapSettings, Settings

Metrics = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class CutoffResult:
    """One list of a backtest.

    Attributes
    ----------
    cutoff : int
        Day since 1970-01-01.
    trained : int
        Day on which the model was fitted that made it.
    prospects, conversions : dict of str to int
        By population: companies in the list, and those that paid within the horizon.
    training_cutoffs, training_positives : int
        What was mature when the model was fitted.
    trees : int or None
        Number of trees chosen.
    metrics : dict
        Population → ranker → metric → value.
    """

    cutoff: int
    trained: int
    prospects: dict[str, int]
    conversions: dict[str, int]
    training_cutoffs: int
    training_positives: int
    trees: int | None
    metrics: Metrics


@dataclass(frozen=True)
class Backtest:
    """A backtest: each list, mean and spread over lists, intervals, all lists' probabilities together.

    Attributes
    ----------
    mean, spread : dict
        Mean and standard deviation over lists; population → ranker → metric → value.
    intervals : dict
        Population → ranker → metric of :data:`ml_sys.metrics.list_averages.LIST_METRICS` → mean over lists
        with its interval, clustered by company.
    pooled : dict
        Probability metrics of all rows of all lists; population → metric → value.
    season : Season
        What working down the lists reaches.
    lists : ScoredLists
        Every prospect of every list.
    ids : ndarray of shape (n_companies,), object
        Id of the company at each position.
    remembered : int
        Lists that were made in an earlier run with the same data, settings and code.
    """

    cutoffs: list[CutoffResult]
    mean: Metrics
    spread: Metrics
    intervals: dict[str, dict[str, dict[ListMetric, Estimate]]]
    pooled: dict[str, dict[str, float]]
    season: Season
    lists: ScoredLists
    ids: NDArray[np.object_]
    remembered: int

    def predictions(self) -> pd.DataFrame:
        """Return ``cutoff`` (date text), ``id`` and ``probability`` of every prospect, best first by list.

        Outcomes are left out.
        """
        lists = self.lists
        order = np.lexsort((-lists.probability, lists.cutoff))
        return pd.DataFrame(
            {
                "cutoff": np.datetime_as_string(lists.cutoff[order].astype("datetime64[D]")),
                "id": self.ids[lists.company[order]],
                "probability": lists.probability[order],
            }
        )


def backtest(
    snapshot: Snapshot | Outline,
    terms: Sequence[Term],
    settings: Settings,
    *,
    store: TermStore | None = None,
    source: Source | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Backtest:
    """Make past lists again and evaluate them; arguments and errors as in :func:`make_lists`."""
    found, remembered = make_lists(
        snapshot, terms, settings, store=store, source=source, on_progress=on_progress
    )
    lists = joined_lists(snapshot, found)
    parts = populations(lists)
    results = [
        _judged(cutoff, term, made, lists, parts)
        for term, made in zip(terms, found, strict=True)
        for cutoff in term.cutoffs
    ]
    return Backtest(
        results,
        _over(results, np.mean),
        _over(results, np.std),
        _intervals(lists, settings.bootstrap, settings.seed),
        {population: _pooled(lists.take(rows)) for population, rows in parts},
        play_season(
            lists,
            capacities=settings.backtest.capacities,
            cooldown_weeks=settings.backtest.cooldown_weeks,
            resamples=settings.bootstrap.resamples,
            confidence=settings.bootstrap.confidence,
            seed=settings.seed,
        ),
        lists,
        snapshot.companies["id"].to_numpy(dtype=object),
        remembered,
    )


def compare_lists(
    challenger: ScoredLists, champion: ScoredLists, bootstrap: BootstrapSettings, seed: int
) -> dict[str, dict[ListMetric, Paired]]:
    """Compare two sets of the same lists, by population and metric.

    Parameters
    ----------
    challenger, champion : ScoredLists
        The same companies at the same cutoffs; their rows may be in any order.
    """
    one, other = _aligned(challenger), _aligned(champion)
    return {
        population: paired_lists(
            one.take(rows).outcomes(),
            other.take(rows).outcomes(),
            resamples=bootstrap.resamples,
            confidence=bootstrap.confidence,
            seed=seed,
        )
        for population, rows in populations(one)
    }


def populations(lists: ScoredLists) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return the name and the rows of each population that has any in one of the lists."""
    found = population_rows(lists.seen, lists.scores)
    return [(population, rows) for population, rows in found.items() if rows.any()]


def _aligned(lists: ScoredLists) -> ScoredLists:
    return lists.take(np.lexsort((lists.company, lists.cutoff)))


def _judged(
    cutoff: int, term: Term, made: TermScores, lists: ScoredLists, parts: list[tuple[str, NDArray[np.bool_]]]
) -> CutoffResult:
    taken = {population: lists.take(rows & (lists.cutoff == cutoff)) for population, rows in parts}
    known = {population: _metrics(one, made.threshold) for population, one in taken.items() if len(one)}
    undefined = {
        ranker: dict.fromkeys(metrics, float("nan")) for ranker, metrics in next(iter(known.values())).items()
    }
    return CutoffResult(
        cutoff,
        term.trained,
        {population: len(one) for population, one in taken.items()},
        {population: int(one.label.sum()) for population, one in taken.items()},
        made.training_cutoffs,
        made.training_positives,
        made.trees,
        {population: known.get(population, undefined) for population in taken},
    )


def _metrics(one: ScoredLists, threshold: float) -> dict[str, dict[str, float]]:
    """Return the metrics of each ranker on one list."""
    weights = np.ones((1, len(one)))
    found = {ranker: _first(ranking_metrics(one.outcomes(ranker), weights)) for ranker in one.scores}
    found[MODEL] |= _first(probability_metrics(one.outcomes(), weights, threshold))
    return {**found, RANDOM: random_metrics(one.outcomes())}


def _intervals(
    lists: ScoredLists, bootstrap: BootstrapSettings, seed: int
) -> dict[str, dict[str, dict[ListMetric, Estimate]]]:
    return {
        population: list_estimates(
            {ranker: lists.take(rows).outcomes(ranker) for ranker in lists.scores},
            resamples=bootstrap.resamples,
            confidence=bootstrap.confidence,
            seed=seed,
        )
        for population, rows in populations(lists)
    }


def _first(metrics: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in metrics.items()}


def _over(results: list[CutoffResult], how: Callable[[list[float]], np.floating]) -> Metrics:
    """Aggregate each metric over the lists where it is defined."""

    def folded(values: list[float]) -> float:
        known = [value for value in values if not np.isnan(value)]
        return float(how(known)) if known else float("nan")

    return {
        population: {
            ranker: {
                metric: folded([one.metrics[population][ranker][metric] for one in results])
                for metric in metrics
            }
            for ranker, metrics in rankers.items()
        }
        for population, rankers in results[0].metrics.items()
    }


def _pooled(lists: ScoredLists) -> dict[str, float]:
    weights = np.ones((1, len(lists)))
    metrics = _first(probability_metrics(lists.outcomes(), weights, float(lists.threshold.mean())))
    names = ("brier", "log_loss", "calibration_error", "mean_probability", "conversion_rate")
    return {name: metrics[name] for name in names}
