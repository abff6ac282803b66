"""Each result as tables for a person, and as plain data for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys import console
from ml_sys.evaluation.backtest import PLAIN, Backtest
from ml_sys.evaluation.holdout import MODEL, RANDOM, Evaluation, to_plain

if TYPE_CHECKING:
    from ml_sys.data.report import IngestReport
    from ml_sys.evaluation.bootstrap import Estimate
    from ml_sys.evaluation.truth import Closeness
    from ml_sys.registry.creation import Reevaluation, Trained
    from ml_sys.registry.store import Entry, Index
    from ml_sys.scoring.batch import ScoredList
    from ml_sys.scoring.ranking import CapacityPlan

# Metrics in the order shown, with their number of decimals.
_RANKING = (
    ("average_precision", 3), ("roc_auc", 3), ("precision_at_10", 3), ("recall_at_10", 3), ("lift_at_10", 1),
    ("precision_at_50", 3), ("recall_at_50", 3), ("lift_at_50", 1), ("precision_top_decile", 4),
    ("recall_top_decile", 3), ("lift_top_decile", 1),
)  # fmt: skip
_PROBABILITY = (
    ("precision", 3), ("recall", 3), ("f1", 3), ("accuracy", 4), ("brier", 5), ("log_loss", 5),
    ("calibration_error", 5), ("mean_probability", 5), ("conversion_rate", 5),
)  # fmt: skip
_HEADLINE = (("average_precision", 3), ("roc_auc", 3), ("precision_at_10", 3), ("calibration_error", 5))
_BACKTEST = (("roc_auc", 3), ("average_precision", 3), ("precision_at_10", 3))


def ingested(report: IngestReport) -> None:
    """Show what an ingest took and what it did not."""
    rows: list[Sequence[object]] = []
    for name, one in report.tables.items():
        days = f"{one.first_day} to {one.last_day}" if one.first_day else None
        merged, rejected = sum(one.merged.values()), sum(one.rejected.values())
        rows.append((name, days, f"{one.read:,}", f"{one.accepted:,}", f"{merged:,}", f"{rejected:,}"))
    known = "new" if report.is_new else "recognised: the same content was ingested before"
    columns = ("table", "dates", "read", "accepted", "merged", "rejected")
    console.table(f"Snapshot {report.id} ({known}), as of {report.as_of}", columns, rows, left=2)
    reasons = [
        (name, reason, f"{count:,}")
        for name, one in report.tables.items()
        for reason, count in [*one.rejected.items(), *one.merged.items()]
    ]
    if reasons:
        console.table("Not taken, by reason; all in quarantine", ("table", "reason", "rows"), reasons, left=2)
    months: list[Sequence[object]] = [
        (
            m.month,
            f"{m.free:,}",
            m.conversions,
            _percent(m.rate),
            f"{m.active:,}",
            m.active_conversions,
            _percent(m.active_rate),
        )
        for m in report.conversion
    ]
    heads = ("month", "free companies", "conversions", "rate", "seen in usage", "conversions", "rate")
    console.table("Conversion by month", heads, months)
    for text in report.notes:
        console.note(f"note: {text}")
    console.line(f"Written: {report.path}" if report.is_new else f"Kept: {report.path}")


def ingested_plain(report: IngestReport) -> dict[str, Any]:
    """Return an ingest as plain data."""
    plain: dict[str, Any] = _plain(report)
    return plain


def scored(
    result: ScoredList, plan: CapacityPlan | None, out: Path | None, kept: Path | None, shown: int
) -> None:
    """Show the top of a ranked list and what calling it is expected to bring."""
    table = result.table
    if shown:
        first = table.head(shown)
        rows = [
            (row.rank, row.id, f"{row.probability:.2%}", row.tier, "yes" if row.will_convert else "no")
            for row in first.itertuples()
        ]
        version, cutoff = first["model_version"].iloc[0], first["cutoff"].iloc[0]
        title = f"Top {len(first)} of {len(table):,} prospects, model {version}, as of {cutoff}"
        console.table(title, ("rank", "id", "probability", "tier", "will convert"), rows, left=0)
    if plan is not None:
        capacity(plan)
    for text in result.notes:
        console.note(f"note: {text}")
    for text in result.warnings:
        console.warn(text)
    if kept is not None:
        console.note(f"rows not taken, with their reasons: {kept}")
    if out is not None:
        console.line(f"Written: {out} ({len(table):,} rows)")


def capacity(plan: CapacityPlan) -> None:
    """Show what the top of a list is expected to bring."""
    console.table(
        f"Calling the first {plan.calls}: {plan.expected:.1f} conversions expected, "
        f"{plan.low} to {plan.high} with {plan.confidence:.0%} confidence if the probabilities hold",
        ("stop after", "expected", "left uncalled"),
        [(stop.calls, f"{stop.expected:.2f}", f"{stop.lost:.2f}") for stop in plan.stops],
        left=0,
        caption=f"that is {plan.share:.0%} of the conversions expected in the whole list",
    )


def scored_plain(
    result: ScoredList, plan: CapacityPlan | None, out: Path | None, kept: Path | None, shown: int
) -> dict[str, Any]:
    """Return a ranked list as plain data: the rows shown, or where all of them were written."""
    return {
        "prospects": len(result.table),
        "list": result.table.head(shown).to_dict("records"),
        "out": None if out is None else str(out),
        "quarantine": None if kept is None else str(kept),
        "capacity": None if plan is None else _plain(plan),
        "notes": list(result.notes),
        "warnings": list(result.warnings),
    }


def trained(result: Trained, confidence: float) -> None:
    """Show a new version."""
    fit, held = result.fit, result.holdout
    first, last = _date(fit.cutoffs[0]), _date(fit.cutoffs[-1])
    resampled = "not resampled"
    if fit.after != fit.before:
        total = f"{sum(fit.after):,}"
        resampled = f"SMOTENC raised the positives from {fit.before[1]:,} to {fit.after[1]:,} of {total} rows"
    trees = f"{fit.trees} trees by early stopping; " if fit.trees else ""
    trained_on = (fit.rows, fit.positives, fit.companies)
    judged_on = (held["rows"], held["positives"], held["companies"])
    dates = held["cutoffs"]
    console.table(
        f"Version {result.entry.version} ({result.entry.changes})",
        ("", "cutoffs", "rows", "positives", "companies"),
        [
            ("trained on", f"{len(fit.cutoffs)}: {first} to {last}", *(f"{n:,}" for n in trained_on)),
            ("judged on", f"{len(dates)}: {dates[0]} to {dates[-1]}", *(f"{n:,}" for n in judged_on)),
        ],
        caption=f"{resampled}; {trees}validation: predicted "
        f"{fit.validation_mean:.4%}, observed {fit.validation_rate:.4%}",
    )
    evaluation(result.evaluation, confidence)
    console.line(f"Written: {result.folder}")


def trained_plain(result: Trained) -> dict[str, Any]:
    """Return a new version as plain data."""
    fit = result.fit
    return {
        "version": result.entry.version,
        "changes": result.entry.changes,
        "snapshot": result.entry.snapshot,
        "folder": str(result.folder),
        "training": {
            "cutoffs": [_date(c) for c in fit.cutoffs],
            "rows": fit.rows,
            "positives": fit.positives,
            "companies": fit.companies,
            "trees": fit.trees,
            "positives_after_resampling": fit.after[1],
            "rows_after_resampling": sum(fit.after),
        },
        "holdout": result.holdout,
        "metrics": to_plain(result.evaluation),
    }


def evaluation(judged: Evaluation, confidence: float) -> None:
    """Show the holdout's verdict, a table per population."""
    for population, rankers in judged.items():
        model = rankers[MODEL]
        others = [name for name in rankers if name != MODEL]
        rows = []
        for metric, digits in _RANKING:
            beside = [_number(rankers[name][metric].value, digits) for name in others]
            rows.append(
                (
                    _spoken(metric),
                    _number(model[metric].value, digits),
                    _interval(model[metric], digits),
                    *beside,
                )
            )
        for metric, digits in _PROBABILITY:
            blank = [None] * len(others)
            rows.append(
                (
                    _spoken(metric),
                    _number(model[metric].value, digits),
                    _interval(model[metric], digits),
                    *blank,
                )
            )
        console.table(
            f"Holdout, {population}", ("metric", "model", f"{confidence:.0%} interval", *others), rows
        )
        cells = {
            name: f"{model[name].value:,.0f}" for name in model if name.endswith(("positives", "negatives"))
        }
        console.table(
            f"Confusion at the threshold, {population}",
            ("", "predicted to convert", "predicted not to"),
            [
                ("converted", cells["true_positives"], cells["false_negatives"]),
                ("did not", cells["false_positives"], cells["true_negatives"]),
            ],
        )


def reevaluated(result: Reevaluation, confidence: float) -> None:
    """Show a version judged again."""
    evaluation(result.evaluation, confidence)
    if result.closeness is not None:
        closeness(result.closeness)
    if result.identical:
        console.line(f"Version {result.version}: the stored metrics are reproduced exactly.")
    else:
        console.line(
            f"Version {result.version}: {len(result.differing)} stored metrics differ: "
            + ", ".join(result.differing[:5])
        )


def closeness(found: Closeness) -> None:
    """Show how close a model comes to the best reachable ranking."""
    rows = [
        (_spoken(name), _number(found.model[name], digits), _number(found.truth[name], digits))
        for name, digits in _RANKING
    ]
    console.table(
        f"Beside the true probabilities: {found.share:.0%} of the best reachable average precision",
        ("metric", "model", "truth"),
        rows,
        caption=f"{found.rows:,} holdout rows, {found.positives} conversions; the truth knows each company's "
        f"hazard, not its outcome; rank correlation with it {found.correlation:.2f}",
    )


def reevaluated_plain(result: Reevaluation) -> dict[str, Any]:
    """Return a version judged again as plain data."""
    return {
        "version": result.version,
        "identical": result.identical,
        "differing": list(result.differing),
        "holdout": result.holdout,
        "metrics": to_plain(result.evaluation),
        "truth": None if result.closeness is None else _plain(result.closeness),
    }


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
                (_date(one.cutoff), f"{one.prospects:,}", one.conversions, *_backtest_cells(metrics, rankers))
            )
        rows.append(("mean", "", "", *_backtest_cells(result.mean[population], rankers)))
        rows.append(("spread (sd)", "", "", *_backtest_cells(result.spread[population], rankers)))
        console.table(f"Backtest, {population}", columns, rows)
        means = [
            (name, *(_number(result.mean[population][name][metric], digits) for metric, digits in _BACKTEST))
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
        console.line(f"Written: {predictions} ({len(result.predictions):,} rows)")


def backtest_plain(result: Backtest) -> dict[str, Any]:
    """Return a backtest as plain data, without its predictions."""
    return {
        "cutoffs": [
            {**vars(one), "cutoff": _date(one.cutoff), "metrics": _plain(one.metrics)}
            for one in result.cutoffs
        ],
        "mean": _plain(result.mean),
        "spread": _plain(result.spread),
        "pooled": _plain(result.pooled),
    }


def models(index: Index) -> None:
    """Show the registry."""
    rows = []
    for entry in reversed(list(index.versions.values())):
        metrics = [_number(entry.metrics.get(name), digits) for name, digits in _HEADLINE]
        rows.append(
            (entry.version, entry.status, entry.created_at, entry.data_through, entry.changes, *metrics)
        )
    columns = ("version", "status", "trained", "data through", "changes", "AP", "ROC-AUC", "P@10", "ECE")
    console.table(f"Models; in production: {index.production or 'none'}", columns, rows, left=5)


def models_plain(index: Index) -> dict[str, Any]:
    """Return the registry as plain data."""
    return {"production": index.production, "versions": [vars(entry) for entry in index.versions.values()]}


def settings(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Show effective settings and where each came from."""
    rows = [(key, _toml(value), origins[key]) for key, value in values.items()]
    console.table("Settings", ("key", "value", "origin"), rows, left=3)


def headline(entry: Entry) -> str:
    """Return a version's headline metrics in a few words."""
    ap, roc = entry.metrics.get("average_precision"), entry.metrics.get("roc_auc")
    shown = [_number(value, 3) or "unknown" for value in (ap, roc)]
    return f"average precision {shown[0]}, ROC-AUC {shown[1]} on its holdout"


def _plain(value: Any) -> Any:
    """Return frozen dataclasses, mappings and sequences as what JSON knows; NaN becomes None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and np.isnan(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _percent(share: float) -> str | None:
    return None if np.isnan(share) else f"{share:.2%}"


def _backtest_cells(metrics: Mapping[str, Mapping[str, float]], rankers: Sequence[str]) -> list[str | None]:
    ours = [_number(metrics[MODEL][metric], digits) for metric, digits in _BACKTEST]
    return ours + [_number(metrics[name]["average_precision"], 3) for name in rankers[1:]]


def _spoken(metric: str) -> str:
    special = {
        "roc_auc": "ROC-AUC",
        "f1": "F1",
        "brier": "Brier score",
        "calibration_error": "expected calibration error",
    }
    return special.get(metric, metric.replace("_", " "))


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None or np.isnan(value) else f"{value:.{digits}f}"


def _interval(one: Estimate, digits: int) -> str | None:
    return None if np.isnan(one.low) else f"{one.low:.{digits}f} to {one.high:.{digits}f}"


def _toml(value: Any) -> str:
    return '""' if value == "" else str(value)


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))
