"""A new version."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.names import label
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.sentences import of_sample, of_whole_lists, until_enough
from ml_sys.text import counted, date_of
from ml_sys.views.evaluate import evaluation
from ml_sys.views.frame.cells import interval, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.jobs.models.train import Trained
    from ml_sys.settings import ReportSettings

# Steps of a training, and how their times compared on 5,000 companies and 73 weeks.
_STEPS = {
    "computing features": 2.0, "fitting": 8.0, "judging on the holdout": 3.0, "looking for leaks": 1.0,
    "fitting with other seeds": 15.0, "comparing ways to resample": 15.0, "making past lists again": 50.0,
    "gathering the evidence": 5.0, "registering": 2.0,
}  # fmt: skip

_DIGITS = 3
SLOWER = "scored through its Pipeline, which is slower"


def planned(report: ReportSettings) -> dict[str, float]:
    """Return the steps of a training and their relative times, given what the report includes."""
    left_out = set()
    if not report.seeds:
        left_out.add("fitting with other seeds")
    if not report.resampling:
        left_out.add("comparing ways to resample")
    if not report.backtest:
        left_out.add("making past lists again")
    return {step: weight for step, weight in _STEPS.items() if step not in left_out}


def trained(result: Trained, confidence: float) -> None:
    """Show a new version."""
    fit, held = result.fit, result.holdout
    first, last = date_of(fit.cutoffs[0]), date_of(fit.cutoffs[-1])
    resampled = "not resampled"
    if fit.after != fit.before:
        total = f"{sum(fit.after):,}"
        resampled = f"SMOTENC raised the positives from {fit.before[1]:,} to {fit.after[1]:,} of {total} rows"
        if fit.synthetic_weight != 1:
            resampled += f", each new one counting {fit.synthetic_weight:g}"
    trees = f"{counted(fit.trees, 'round')} of trees; " if fit.trees else ""
    trained_on = (fit.rows, fit.positives, fit.converters, fit.companies)
    judged_on = (held["rows"], held["positives"], held["companies_converted"], held["companies"])
    dates = held["cutoffs"]
    console.table(
        f"Version {result.entry.version} ({result.entry.changes})",
        ("", "cutoffs", "rows", "positives", "converters", result.words.entity.many),
        [
            ("trained on", f"{len(fit.cutoffs)}: {first} to {last}", *(f"{n:,}" for n in trained_on)),
            ("judged on", f"{len(dates)}: {dates[0]} to {dates[-1]}", *(f"{n:,}" for n in judged_on)),
        ],
        caption=f"{resampled}; {trees}validation: predicted "
        f"{fit.validation_mean:.4%}, observed {fit.validation_rate:.4%}",
    )
    for told in filter(
        None, (of_sample(asdict(fit), result.words.entity), of_whole_lists(held), _until(result))
    ):
        console.note(told)
    evaluation(result.evaluation, confidence)
    seeds(result, confidence)
    canaries([one.to_plain() for one in result.canaries])
    if not result.compiled:
        console.note(f"{SLOWER}: no scorer is compiled for this estimator")
    console.line(f"Written: {result.folder}")


def _until(result: Trained) -> str:
    """Say when a model can be judged, and what to do until then; empty where it can."""
    told = until_enough(result.sufficiency)
    return (
        f"{told}. Until then a simple rule can make the list: mlsys score FILE --rule actions" if told else ""
    )


def seeds(result: Trained, confidence: float) -> None:
    """Show how much the headline figures depend on the seed, next to their sampling error."""
    if not result.seeds:
        return
    model = result.evaluation[ALL][MODEL]
    fits = counted(len(result.seeds[0].values), "other seed")
    console.table(
        f"Fitted with {fits}, same rows",
        ("metric", "model", f"{confidence:.0%} interval", "mean", "deviation", "lowest to highest"),
        [
            (
                label(one.metric),
                number(model[one.metric].value, _DIGITS),
                interval(model[one.metric], _DIGITS),
                number(one.mean, _DIGITS),
                number(one.deviation, _DIGITS),
                f"{number(one.lowest, _DIGITS)} to {number(one.highest, _DIGITS)}",
            )
            for one in result.seeds
        ],
    )


def canaries(found: Sequence[Mapping[str, Any]]) -> None:
    """Show what the leak canaries found."""
    failed = sum(one["status"] == "failed" for one in found)
    title = "Leak canaries" + (
        f": {counted(failed, 'has', 'have')} failed, which blocks promotion" if failed else ""
    )
    rows = [(one["name"], one["status"], one["found"]) for one in found]
    console.table(title, ("canary", "", "found"), rows, left=3)
