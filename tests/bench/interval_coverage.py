"""How often intervals hold the truth.

Run ``python -m tests.bench.interval_coverage --companies 3000 --shift -0.7``.

A large population is simulated by the stated hazard of `mlsys sample`, so that the chance of every company is
known, and with it what each metric comes to over the population. Worlds are companies drawn from it, with
outcomes drawn by their chances; their ranker is the truth with noise that stays with the company. An interval
is right if it holds the population's value. At 500 worlds the coverage is known to within 2 points.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ml_sys.metrics.bootstrap import Estimate, estimate
from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.ranking import Outcomes, Weights, ranking_metrics
from ml_sys.sample.hazard import true_probability, weekly_hazard
from ml_sys.sample.simulation import draw_firms, draw_portals, free_usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

WEEKS = (24, 28, 32)  # lists, four weeks apart as those of a holdout
POPULATION, AT_ONCE = 60_000, 20_000
# Log-odds of the ranker: a part of the true ones, noise of the company, noise of the list.
SLOPE, DRIFT = 0.9, 0.2
CAPACITY = 50
METRICS = (
    "average_precision", "roc_auc", "precision_at_10", "recall_at_10", "precision_at_50", "recall_at_50",
    "precision_top_decile", "recall_top_decile", "lift_top_decile", "precision", "recall", "f1", "brier",
    "log_loss", "mean_probability", "conversion_rate", "calibration_error",
)  # fmt: skip

Found = dict[str, Estimate]


def log_odds(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(p / (1 - p))."""
    return np.log(chance) - np.log1p(-chance)


def population(
    noise: float, shift: float, size: int = POPULATION
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the true chances and the ranker's probabilities, shape (size, 3)."""
    rng = np.random.default_rng(0)
    chances = []
    for _ in range(size // AT_ONCE):
        firms = draw_firms(rng, AT_ONCE)
        hazard = weekly_hazard(free_usage(rng, draw_portals(rng, firms, WEEKS[-1]), WEEKS[-1]), firms)
        chances.append(np.stack([true_probability(hazard, week) for week in WEEKS], axis=1))
    odds = log_odds(np.concatenate(chances)) + shift
    chance = 1 / (1 + np.exp(-odds))
    ranked = SLOPE * odds + noise * rng.standard_normal((size, 1)) + DRIFT * rng.standard_normal(odds.shape)
    low, high = -10.0, 10.0  # where the mean probability is right
    for _ in range(60):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(-ranked - middle))).mean() > chance.mean():
            high = middle
        else:
            low = middle
    return chance, 1 / (1 + np.exp(-ranked - low))


def judged(outcomes: Outcomes, threshold: float, weights: Weights) -> dict[str, Weights]:
    """Return every metric of a holdout."""
    return {**ranking_metrics(outcomes, weights), **probability_metrics(outcomes, weights, threshold)}


def truth(
    chance: NDArray[np.float64], probability: NDArray[np.float64], threshold: float, companies: int
) -> dict[str, float]:
    """Return what each metric comes to over the population: rows stand for both outcomes by their chances."""
    still = np.cumprod(np.column_stack([np.ones(len(chance)), 1 - chance[:, :-1]]), axis=1)
    still *= companies / len(chance)
    cutoff = np.repeat(np.arange(len(WEEKS), dtype=np.int32), len(chance))
    score, paid = probability.T.ravel(), (still * chance).T.ravel()
    rows = Outcomes(
        np.tile(score, 2),
        np.repeat([True, False], score.size),
        np.tile(cutoff, 2),
        np.zeros(2 * score.size, dtype=np.int32),
    )
    weights = np.concatenate([paid, still.T.ravel() - paid])[None]
    judgement = judged(rows, threshold, weights)
    return {name: float(judgement[name][0]) for name in METRICS}


def world(
    rng: np.random.Generator, chance: NDArray[np.float64], probability: NDArray[np.float64], companies: int
) -> Outcomes:
    """Draw companies and what becomes of them; who has paid stands on no later list."""
    drawn = rng.integers(len(chance), size=companies)
    pays = rng.random((companies, len(WEEKS))) < chance[drawn]
    there = (np.cumsum(pays, axis=1) - pays == 0).T
    cutoff, company = np.nonzero(there)
    return Outcomes(
        probability[drawn].T[there], pays.T[there], cutoff.astype(np.int32), company.astype(np.int32)
    )


def main(arguments: list[str]) -> None:
    """Print how often the interval of each metric holds the truth."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.interval_coverage")
    for name, default in (("companies", 2000), ("worlds", 200), ("resamples", 400), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--noise", type=float, default=1.5, help="of the ranker, in log-odds")
    parser.add_argument(
        "--shift", type=float, default=0.0, help="of everyone's log-odds: rarer or more common"
    )
    parser.add_argument("--smallest", action="store_true", help="two worlds, to see that it runs")
    asked = parser.parse_args(arguments)
    if asked.smallest:
        asked.worlds, asked.resamples = 2, 50
    chance, probability = population(asked.noise, asked.shift, AT_ONCE if asked.smallest else POPULATION)
    threshold = float(np.quantile(probability, 1 - CAPACITY / asked.companies))
    true = truth(chance, probability, threshold, asked.companies)
    rng = np.random.default_rng(asked.seed)
    found: list[Found] = []
    positives = []
    began = time.perf_counter()
    for number in range(asked.worlds):
        one = world(rng, chance, probability, asked.companies)
        positives.append(int(one.label.sum()))
        found.append(
            estimate(
                partial(judged, one, threshold),
                one.company,
                resamples=asked.resamples,
                confidence=0.95,
                seed=number,
                label=one.label,
            )
        )
    took = time.perf_counter() - began
    title = (
        f"{asked.worlds} worlds of {asked.companies:,} companies, {min(positives)} to {max(positives)} "
        f"conversions each, {np.mean(positives):.0f} on average ({took:.0f} s)"
    )
    Console(width=110).print(table(title, true, found))


def table(title: str, true: Mapping[str, float], found: Sequence[Found]) -> Table:
    """Set out coverage of the metrics in ``true``, and on which side intervals miss."""
    shown = Table(title=title)
    for column in ("metric", "truth", "mean of worlds", "held %", "too high %", "too low %", "mean width"):
        shown.add_column(column, justify="left" if column == "metric" else "right")
    for name in true:
        value, low, high = (
            np.array([getattr(one[name], side) for one in found]) for side in ("value", "low", "high")
        )
        cells: list[Any] = [f"{true[name]:.4f}", f"{np.nanmean(value):.4f}"]
        cells += [
            f"{100 * share:.1f}"
            for share in (
                ((low <= true[name]) & (true[name] <= high)).mean(),
                (true[name] < low).mean(),
                (true[name] > high).mean(),
            )
        ]
        shown.add_row(name, *cells, f"{np.nanmean(high - low):.4f}")
    return shown


if __name__ == "__main__":
    main(sys.argv[1:])
