"""The model card: what a version is, what it was trained on, and how well it does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.names import REPORTED
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.numbers import number, spread
from ml_sys.report.sentences import of_sample, of_whole_lists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.form import Words
    from ml_sys.leaks.canary import Canary
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.metrics.holdout import Evaluation
    from ml_sys.model.train import FitReport
    from ml_sys.registry.index import Entry


def write_card(
    entry: Entry,
    report: FitReport,
    evaluation: Evaluation,
    holdout: Mapping[str, Any],
    canaries: Sequence[Canary],
    facts: Mapping[str, Any],
    words: Words = PLAIN_WORDS,
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    report : FitReport
        What the model learnt from.
    evaluation : Evaluation
        How it did on the holdout.
    holdout : mapping
        Cutoffs (dates), rows and positives of the holdout.
    facts : mapping
        The manifest's: parent, horizon, package versions, platform and commit.
    """
    schema = facts["feature_schema"]["features"]
    first, last = (np.datetime64(day, "D") for day in (report.cutoffs[0], report.cutoffs[-1]))
    lines = [
        f"# Model {entry.version}",
        "",
        f"Predicts which free {words.entity.many} become {words.customer.many} within "
        f"{facts['horizon_days']} days of a cutoff.",
        "",
        f"- Made: {entry.created_at} ({entry.changes})",
        f"- Parent: {facts['parent'] or 'no version'}",
        f"- Message: {entry.message or 'nothing'}",
        f"- Data: snapshot `{entry.snapshot}`, usage through {entry.data_through}",
        f"- Trained on: {report.rows:,} rows, {report.positives:,} conversions, {report.converters:,} of "
        f"{report.companies:,} {words.entity.many} convert, {len(report.cutoffs)} cutoffs from {first} to "
        f"{last}",
        *(f"- {told}" for told in filter(None, [of_sample(asdict(report), words.entity)])),
        *([f"- Trees: grown on {report.workers} workers of a cluster"] if report.workers else []),
        f"- Resampled: {report.before[1]:,} of {sum(report.before):,} rows positive before, "
        f"{report.after[1]:,} of {sum(report.after):,} after"
        + (f", each new one counting {report.synthetic_weight:g}" if report.after != report.before else ""),
        f"- Judged on: {holdout['rows']:,} rows, {holdout['positives']:,} conversions of "
        f"{holdout['companies_converted']:,} {words.entity.many}, cutoffs " + ", ".join(holdout["cutoffs"]),
        *(f"- {told}" for told in filter(None, [of_whole_lists(holdout)])),
        f"- Features: {len(schema)} in the groups {', '.join(sorted(set(schema.values())))}",
        f"- Made with: {_code(facts)}",
        "",
        "## Leak canaries",
        "",
        *(f"- {one.name}: {one.status}. {one.sentence()}" for one in canaries),
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
        for key, one in REPORTED.items():
            cells = [_cell(rankers[name].get(key), one.digits, interval=name == MODEL) for name in names]
            lines.append(f"| {one.label} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _code(facts: Mapping[str, Any]) -> str:
    git = facts["git"]
    commit = f", commit {git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git else ""
    return f"mlsys {facts['packages']['ml-sys']}{commit}, Python {facts['python']}, {facts['platform']}"


def _cell(one: Estimate | None, digits: int, *, interval: bool) -> str:
    if interval or one is None:
        return spread(one, digits)
    return number(one.value, digits)
