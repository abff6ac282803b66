"""How well the settings would have done at past cutoffs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.evaluation.lists import MODEL, RANDOM
from ml_sys.evaluation.terms import PLAIN
from ml_sys.views.cells import date_of, interval, number, plain
from ml_sys.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ml_sys.evaluation.backtest import Backtest
    from ml_sys.evaluation.paired import ListMetric

# Metrics in the order shown, with their number of decimals.
_BACKTEST: tuple[tuple[ListMetric, int], ...] = (
    ("roc_auc", 3), ("average_precision", 3), ("precision_at_10", 3),
)  # fmt: skip


_RETRAINED = " *"


def backtest(result: Backtest, predictions: Path | None = None) -> None:
    """Show a backtest: each list, mean and spread by population; and where its predictions are."""
    for population in result.mean:
        rankers = [MODEL, *(name for name in result.mean[population] if name not in {MODEL, RANDOM})]
        columns = [
            "list",
            "prospects",
            "paid",
            "ROC-AUC",
            "AP",
            "P@10",
            *(f"AP: {one}" for one in rankers[1:]),
        ]
        rows: list[Sequence[object]] = [
            (
                date_of(one.cutoff) + (_RETRAINED if one.cutoff == one.trained else ""),
                f"{one.prospects[population]:,}",
                one.conversions[population],
                *_backtest_cells(one.metrics[population], rankers),
            )
            for one in result.cutoffs
        ]
        rows.append(("mean", "", "", *_backtest_cells(result.mean[population], rankers)))
        rows.append(("spread (sd)", "", "", *_backtest_cells(result.spread[population], rankers)))
        caption = (
            "* the model was retrained that day; ROC-AUC, AP (average precision) and P@10 are the model's"
        )
        console.table(f"Backtest, {population}", columns, rows, caption=caption)
        means = [
            (
                name,
                *(
                    cell
                    for metric, digits in _BACKTEST
                    for cell in _estimated(result, population, name, metric, digits)
                ),
            )
            for name in [*rankers, RANDOM]
        ]
        console.table(
            f"Means over lists, {population}",
            (
                "ranked by",
                "ROC-AUC",
                "interval",
                "average precision",
                "interval",
                "precision at 10",
                "interval",
            ),
            means,
        )
        pooled = result.pooled[population]
        console.line(
            f"{population}: mean probability {pooled['mean_probability']:.4%}, "
            f"observed {pooled['conversion_rate']:.4%}, "
            f"calibration error {pooled['calibration_error']:.5f}"
        )
    console.line(f"{PLAIN}: XGBoost with the default parameters on the same rows: 200 trees, no resampling.")
    if result.remembered:
        made = counted(result.remembered, "list was", "lists were")
        console.line(f"{made} made in an earlier run with the same data, settings and code.")
    if predictions is not None:
        console.line(f"Written: {predictions} ({counted(len(result.lists), 'row')})")


def backtest_plain(result: Backtest) -> dict[str, Any]:
    """Return a backtest as plain data, without its predictions."""
    return {
        "cutoffs": [
            {
                **vars(one),
                "cutoff": date_of(one.cutoff),
                "trained": date_of(one.trained),
                "metrics": plain(one.metrics),
            }
            for one in result.cutoffs
        ],
        "mean": plain(result.mean),
        "spread": plain(result.spread),
        "intervals": plain(result.intervals),
        "pooled": plain(result.pooled),
        "remembered": result.remembered,
    }


def _estimated(
    result: Backtest, population: str, ranker: str, metric: ListMetric, digits: int
) -> tuple[str | None, str | None]:
    value = number(result.mean[population][ranker][metric], digits)
    if ranker == RANDOM:
        return value, None
    return value, interval(result.intervals[population][ranker][metric], digits)


def _backtest_cells(metrics: Mapping[str, Mapping[str, float]], rankers: Sequence[str]) -> list[str | None]:
    ours = [number(metrics[MODEL][metric], digits) for metric, digits in _BACKTEST]
    return ours + [number(metrics[name]["average_precision"], 3) for name in rankers[1:]]
