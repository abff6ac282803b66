"""Estimators and resampling beside each other on the same past lists: what the shipped default is held to.

``python -m tests.bench.quality --artifacts DIR`` takes the latest snapshot of an artifacts folder. Each
variant makes the same lists with several seeds, all by a model of the first list's day; what was made is
remembered there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ml_sys.data.snapshot import Snapshot, latest
from ml_sys.experiments.cache import TermStore
from ml_sys.experiments.past_lists import joined_lists, make_lists
from ml_sys.experiments.schedule import PLAIN, plan_terms
from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.holdout import population_rows
from ml_sys.metrics.ranking import ranking_metrics
from ml_sys.metrics.scored_lists import MODEL, ScoredLists
from ml_sys.model.split import Source
from ml_sys.settings import Settings
from tests.model.world import MOST_ACTIONS, MOST_USERS

SEEDS, LISTS, EVERY_DAYS = (1, 2, 3), 8, 14
DEFAULT = "default"
# Half the time of the default; ways to treat the imbalance, and steps of the panel, are compared with it.
_FAST = {"early_stopping_rounds": 50, "params": {"learning_rate": 0.05}}
_SMALLEST = {"model": {"max_trees": 5, "early_stopping_rounds": 2}, "panel": {"step_days": 28}}
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "fast, no resampling": {"model": _FAST},
    **{
        f"fast, SMOTENC {ratio}": {"model": _FAST, "resample": {"sampling_strategy": ratio, "weight": 1.0}}
        for ratio in (0.005, 0.02, 0.05, 0.1, "auto")
    },
    "fast, scale_pos_weight 20": {
        "model": {**_FAST, "params": {"learning_rate": 0.05, "scale_pos_weight": 20.0}}
    },
    **{f"fast, every {days} days": {"model": _FAST, "panel": {"step_days": days}} for days in (14, 28)},
    "LogisticRegression": {
        "model": {
            "estimator": "sklearn.linear_model:LogisticRegression",
            "params": {"C": 0.01, "max_iter": 2000},
        },
    },
    "RandomForest": {
        "model": {
            "estimator": "sklearn.ensemble:RandomForestClassifier",
            "params": {"n_estimators": 100, "min_samples_leaf": 20, "max_features": 0.2},
        },
    },
}
_COLUMNS = ("roc_auc", "average_precision", "precision_at_10", "recall_top_decile", "calibration_error")


def main(arguments: list[str]) -> None:
    """Print a table per population."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality")
    parser.add_argument("--artifacts", type=Path, required=True)
    parser.add_argument("--lists", type=int, default=LISTS)
    parser.add_argument("--every-days", type=int, default=EVERY_DAYS)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--smallest", action="store_true", help="two lists, to see that it runs")
    asked = parser.parse_args(arguments)
    seeds: tuple[int, ...] = SEEDS
    if asked.smallest:
        asked.lists, asked.variants, seeds = 2, [DEFAULT], SEEDS[:1]
    snapshot = latest(asked.artifacts)
    backtest = {
        "lists": asked.lists,
        "every_days": asked.every_days,
        "retrain_days": asked.lists * asked.every_days,
    }
    variants = {DEFAULT: _SMALLEST} if asked.smallest else VARIANTS
    found: dict[str, list[tuple[ScoredLists, float]]] = {}
    for name in asked.variants:
        for seed in seeds:
            settings = Settings.model_validate(
                {"artifacts_dir": asked.artifacts, "seed": seed, "backtest": backtest, **variants[name]}
            )
            found.setdefault(name, []).append(_made(snapshot, settings, plain=name == DEFAULT))
    console = Console(width=160)
    for population in _parts(found[asked.variants[0]][0][0]):
        table = Table(title=f"{population}: means over {asked.lists} lists and seeds {seeds} (sd over seeds)")
        for column in ("", *_COLUMNS, "predicted/observed", "seconds a model"):
            table.add_column(
                column.replace("_", " "), justify="right" if column else "left", no_wrap=not column
            )
        for row in _rows(found, population):
            table.add_row(*row)
        console.print(table)


def _made(snapshot: Snapshot, settings: Settings, *, plain: bool) -> tuple[ScoredLists, float]:
    terms = plan_terms(Source.of(snapshot, settings).timeline, settings.backtest, settings.panel.step_days)
    store = TermStore(settings.artifacts_dir, snapshot.id, settings, plain=plain)
    began = time.perf_counter()
    made, remembered = make_lists(snapshot, terms, settings, store=store, plain=plain)
    seconds = (time.perf_counter() - began) / len(terms) if not remembered else float("nan")
    return joined_lists(snapshot, made), seconds


def _rows(found: dict[str, list[tuple[ScoredLists, float]]], population: str) -> Iterator[list[str]]:
    for name, runs in found.items():
        yield _row(name, [_metrics(lists, population, MODEL) for lists, _ in runs], [s for _, s in runs])
        if name == DEFAULT:
            for ranker in (PLAIN, MOST_USERS, MOST_ACTIONS):
                yield _row(ranker, [_metrics(lists, population, ranker) for lists, _ in runs], [])


def _row(name: str, metrics: list[dict[str, float]], seconds: list[float]) -> list[str]:
    cells = [name]
    for column in (*_COLUMNS, "ratio"):
        values = [one[column] for one in metrics if column in one]
        digits = 5 if column == "calibration_error" else 3
        cells.append(f"{np.mean(values):.{digits}f} ({np.std(values):.{digits}f})" if values else "–")
    known = [one for one in seconds if not np.isnan(one)]
    return [*cells, f"{np.mean(known):.1f}" if known else "–"]


def _parts(lists: ScoredLists) -> dict[str, NDArray[np.bool_]]:
    return population_rows(lists.seen, lists.scores)


def _metrics(lists: ScoredLists, population: str, ranker: str) -> dict[str, float]:
    lists = lists.take(_parts(lists)[population])
    each = []
    for cutoff in np.unique(lists.cutoff):
        one = lists.take(lists.cutoff == cutoff)
        each.append(ranking_metrics(one.outcomes(ranker), np.ones((1, len(one)))))
    means = {name: float(np.nanmean([one[name][0] for one in each])) for name in each[0]}
    if ranker == MODEL:
        pooled = probability_metrics(
            lists.outcomes(), np.ones((1, len(lists))), float(lists.threshold.mean())
        )
        means["calibration_error"] = float(pooled["calibration_error"][0])
        means["ratio"] = float(pooled["mean_probability"][0] / pooled["conversion_rate"][0])
    return means


if __name__ == "__main__":
    main(sys.argv[1:])
