"""How well the settings would have done at past cutoffs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.evaluation.backtest import PLAIN, Backtest
from ml_sys.evaluation.lists import MODEL, RANDOM
from ml_sys.views.cells import date_of, number, plain
from ml_sys.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Metrics in the order shown, with their number of decimals.
_BACKTEST = (("roc_auc", 3), ("average_precision", 3), ("precision_at_10", 3))


def backtest(result: Backtest, predictions: Path | None = None) -> None:
    """Show a backtest: each cutoff, mean and spread by population; and where its predictions are."""
    for population in result.mean:
        rankers = [MODEL, *(name for name in result.mean[population] if name not in {MODEL, RANDOM})]
        columns = ["cutoff", "prospects", "conversions"]
        columns += [f"{name}: {short}" for name in ("model",) for short in ("ROC-AUC", "AP", "P@10")]
        columns += [f"{name}: AP" for name in rankers[1:]]
        rows: list[Sequence[object]] = []
        for one in result.cutoffs:
            metrics = one.metrics[population]
            rows.append(
                (
                    date_of(one.cutoff),
                    f"{one.prospects:,}",
                    one.conversions,
                    *_backtest_cells(metrics, rankers),
                )
            )
        rows.append(("mean", "", "", *_backtest_cells(result.mean[population], rankers)))
        rows.append(("spread (sd)", "", "", *_backtest_cells(result.spread[population], rankers)))
        console.table(f"Backtest, {population}", columns, rows)
        means = [
            (name, *(number(result.mean[population][name][metric], digits) for metric, digits in _BACKTEST))
            for name in [*rankers, RANDOM]
        ]
        console.table(
            f"Means, {population}", ("ranked by", "ROC-AUC", "average precision", "precision at 10"), means
        )
        pooled = result.pooled[population]
        console.line(
            f"{population}: mean probability {pooled['mean_probability']:.4%}, "
            f"observed {pooled['conversion_rate']:.4%}, "
            f"calibration error {pooled['calibration_error']:.5f}"
        )
    console.line(f"{PLAIN}: XGBoost with the default parameters on the same rows: 200 trees, no resampling.")
    if predictions is not None:
        console.line(f"Written: {predictions} ({counted(len(result.predictions), 'row')})")


def backtest_plain(result: Backtest) -> dict[str, Any]:
    """Return a backtest as plain data, without its predictions."""
    return {
        "cutoffs": [
            {**vars(one), "cutoff": date_of(one.cutoff), "metrics": plain(one.metrics)}
            for one in result.cutoffs
        ],
        "mean": plain(result.mean),
        "spread": plain(result.spread),
        "pooled": plain(result.pooled),
    }


def _backtest_cells(metrics: Mapping[str, Mapping[str, float]], rankers: Sequence[str]) -> list[str | None]:
    ours = [number(metrics[MODEL][metric], digits) for metric, digits in _BACKTEST]
    return ours + [number(metrics[name]["average_precision"], 3) for name in rankers[1:]]
