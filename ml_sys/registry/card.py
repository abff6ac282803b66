"""The model card: what a version is, learnt from and achieves, for a person to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.evaluation.holdout import MODEL, Evaluation

if TYPE_CHECKING:
    from ml_sys.evaluation.bootstrap import Estimate
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.model.train import FitReport
    from ml_sys.registry.store import Entry

_SHOWN = (
    "average_precision", "roc_auc", "precision_at_10", "precision_at_50", "recall_top_decile",
    "lift_top_decile", "brier", "calibration_error",
)  # fmt: skip


def write_card(
    entry: Entry,
    fit: FitReport,
    holdout: dict[str, Any],
    evaluation: Evaluation,
    spec: FeatureSpec,
    horizon_days: int,
) -> str:
    """Return the card as Markdown."""
    groups = sorted(set(spec.groups().values()))
    first, last = (np.datetime64(day, "D") for day in (fit.cutoffs[0], fit.cutoffs[-1]))
    lines = [
        f"# Model {entry.version}",
        "",
        f"Predicts which free companies become customers within {horizon_days} days of a cutoff.",
        "",
        f"- Made: {entry.created_at} ({entry.changes})",
        f"- Said of it: {entry.message}" if entry.message else "- Said of it: nothing",
        f"- Data: snapshot `{entry.snapshot}`, usage through {entry.data_through}",
        f"- Trained on: {fit.rows:,} rows, {fit.positives:,} conversions, {fit.companies:,} companies, "
        f"{len(fit.cutoffs)} cutoffs from {first} to {last}",
        f"- Resampled: {fit.before[1]:,} of {sum(fit.before):,} rows positive before, "
        f"{fit.after[1]:,} of {sum(fit.after):,} after",
        f"- Judged on: {holdout['rows']:,} rows, {holdout['positives']:,} conversions, cutoffs "
        + ", ".join(holdout["cutoffs"]),
        f"- Features: {len(spec.names())} in the groups {', '.join(groups)}",
        "",
    ]
    for population, rankers in evaluation.items():
        names = list(rankers)
        lines += [
            f"## Holdout, {population}",
            "",
            f"| metric | {' | '.join(names)} |",
            "|---" * (len(names) + 1) + "|",
        ]
        for metric in _SHOWN:
            cells = [_cell(rankers[name].get(metric), interval=name == MODEL) for name in names]
            lines.append(f"| {metric.replace('_', ' ')} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(one: Estimate | None, *, interval: bool) -> str:
    if one is None or np.isnan(one.value):
        return "–"
    return f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})" if interval else f"{one.value:.4f}"
