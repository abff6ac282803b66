"""How often intervals of weekly lists hold the truth.

Run ``python -m tests.bench.list_coverage --worlds 500``.

Companies are drawn from a population simulated by the stated hazard of `mlsys sample`, and what becomes of
them by their chances. Lists are a week apart, so that a conversion counts on four or five of them, as in a
backtest. Two rankers know the truth with noise that stays with the company, the second with more of it. What
a mean over lists comes to depends on how long the lists are, so the truth is its mean over all worlds of that
size. At 500 worlds the coverage is known to within 2 points.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.list_averages import LIST_METRICS, list_estimates, paired_lists
from ml_sys.metrics.paired import Paired, paired_bootstrap
from ml_sys.metrics.ranking import Outcomes
from ml_sys.sample.hazard import HORIZON_DAYS, draw_purchases, true_probability, weekly_hazard
from ml_sys.sample.simulation import draw_firms, draw_portals, free_usage
from tests.bench.interval_coverage import DRIFT, SLOPE, Found, log_odds, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAST_WEEK = 44
POPULATION = 20_000
EVERY = 4  # of the lists, those whose outcomes do not overlap are pooled as a holdout is
RESAMPLES, CONFIDENCE = 400, 0.95


@dataclass(frozen=True)
class Population:
    """Companies with the weekly hazard of paying, and the scores of two rankers at each list's Monday."""

    hazard: NDArray[np.float64]
    weeks: NDArray[np.int64]
    scores: tuple[NDArray[np.float64], NDArray[np.float64]]


def population(lists: int, shift: float, noises: tuple[float, float]) -> Population:
    """Simulate companies, and rankers that know their chances with so much noise, in log-odds."""
    rng = np.random.default_rng(0)
    firms = draw_firms(rng, POPULATION)
    portals = draw_portals(rng, firms, LAST_WEEK)
    hazard = weekly_hazard(free_usage(rng, portals, LAST_WEEK), firms)
    hazard = 1 / (1 + np.exp(-log_odds(hazard) - shift))
    weeks = np.arange(LAST_WEEK - lists + 1, LAST_WEEK + 1)
    chance = np.stack([true_probability(hazard, week) for week in weeks], axis=1)
    scores = [
        SLOPE * log_odds(chance)
        + noise * rng.standard_normal((POPULATION, 1))
        + DRIFT * rng.standard_normal(chance.shape)
        for noise in noises
    ]
    return Population(hazard, weeks, (scores[0], scores[1]))


def world(rng: np.random.Generator, everyone: Population, companies: int) -> tuple[Outcomes, Outcomes]:
    """Draw companies and what becomes of them, as either ranker lists them; who has paid is on no list."""
    drawn = rng.integers(len(everyone.hazard), size=companies)
    hazard = everyone.hazard[drawn]
    _, day = draw_purchases(rng, hazard, hazard.shape[1])
    monday = 7 * everyone.weeks[:, None]
    number, company = np.nonzero(day >= monday)
    pays = (day < monday + HORIZON_DAYS)[number, company]
    first, second = (
        Outcomes(scores[drawn[company], number], pays, number.astype(np.int32), company.astype(np.int32))
        for scores in everyone.scores
    )
    return first, second


def measured(rankings: tuple[Outcomes, Outcomes], seed: int) -> dict[str, Estimate]:
    """Return what a backtest says of the first ranker, and of its lead over the second."""
    asked = {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": seed}
    found: dict[str, Estimate] = {}
    estimates = list_estimates({"first": rankings[0]}, **asked)["first"]
    leads = paired_lists(*rankings, **asked)
    for metric in LIST_METRICS:
        found[metric] = estimates[metric]
        found[f"lead in {metric}"] = _lead(leads[metric])
    apart = rankings[0].cutoff % EVERY == 0
    pooled = (rankings[0].take(apart), rankings[1].take(apart))
    for metric in ("average_precision", "roc_auc"):
        found[f"pooled lead in {metric}"] = _lead(paired_bootstrap(*pooled, metric, tolerance=0.0, **asked))
    return found


def _lead(pair: Paired) -> Estimate:
    return Estimate(pair.difference, pair.low, pair.high)


def main(arguments: list[str]) -> None:
    """Print how often the interval of each metric holds the truth."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.list_coverage")
    for name, default in (("companies", 3000), ("worlds", 200), ("lists", 17), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, value in (("noise", 1.2), ("more-noise", 1.8)):
        parser.add_argument(f"--{name}", type=float, default=value, help="of a ranker, in log-odds")
    parser.add_argument("--shift", type=float, default=0.0, help="of everyone's log-odds of paying in a week")
    parser.add_argument("--smallest", action="store_true", help="two worlds, to see that it runs")
    asked = parser.parse_args(arguments)
    if asked.smallest:
        asked.worlds, asked.lists = 2, 5
    everyone = population(asked.lists, asked.shift, (asked.noise, asked.more_noise))
    rng = np.random.default_rng(asked.seed)
    found: list[Found] = []
    converters = []
    began = time.perf_counter()
    for number in range(asked.worlds):
        rankings = world(rng, everyone, asked.companies)
        converters.append(np.unique(rankings[0].company[rankings[0].label]).size)
        found.append(measured(rankings, number))
    true = {name: float(np.mean([one[name].value for one in found])) for name in found[0]}
    title = (
        f"{asked.worlds} worlds of {asked.companies:,} companies and {asked.lists} weekly lists, "
        f"{min(converters)} to {max(converters)} converters each, {np.mean(converters):.0f} on average "
        f"({time.perf_counter() - began:.0f} s)"
    )
    Console(width=110).print(table(title, true, found))


if __name__ == "__main__":
    main(sys.argv[1:])
