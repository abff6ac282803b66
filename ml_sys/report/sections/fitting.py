"""The sections about the fit: how much the seed matters, and how the imbalance is treated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.experiments.resampling import NONE, SMOTE
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.names import label, named
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.numbers import number, percent, spread
from ml_sys.report.page import Section, Table, missing_section
from ml_sys.text import counted, likely, signed

if TYPE_CHECKING:
    from ml_sys.experiments.resampling import Resampling, Variant
    from ml_sys.metrics.paired import Paired
    from ml_sys.report.evidence import Evidence


def seeds(evidence: Evidence) -> Section:
    """Show how much the headline figures depend on the seed."""
    title = "How much does the seed matter?"
    if not evidence.seeds:
        return missing_section("seeds", title, "it was not fitted with other seeds (report.seeds is 0)")
    model = evidence.evaluation[ALL][MODEL]
    rows = tuple(
        (
            label(one.metric),
            spread(model[one.metric], named(one.metric).digits),
            *(number(value, 3) for value in (one.mean, one.deviation, one.lowest, one.highest)),
        )
        for one in evidence.seeds
    )
    fits = counted(len(evidence.seeds[0].values), "other seed")
    return Section(
        "seeds",
        title,
        (
            f"The model was fitted again with {fits} and evaluated on the same holdout. Differences "
            "between them come from the fit alone; the interval shows how much the "
            f"{evidence.words.entity.many} matter.",
        ),
        tables=(
            Table(
                "This version, and the same rows with other seeds",
                (
                    "metric",
                    f"this one ({evidence.confidence:.0%})",
                    "mean",
                    "deviation",
                    "lowest",
                    "highest",
                ),
                rows,
            ),
        ),
    )


def resampling(evidence: Evidence) -> Section:
    """Show whether resampling earned its place."""
    title, found = "Did resampling earn its place?", evidence.past.resampling
    if found is None:
        return missing_section("resampling", title, "the comparison was not run (report.resampling is off)")
    chosen, entity = [at for at, one in enumerate(found.variants) if one.chosen], evidence.words.entity
    return Section(
        "resampling",
        title,
        (
            _verdict(found),
            f"Judged on the {counted(found.rows, 'row')} of the training part with their "
            f"{counted(found.positives, 'conversion')} of "
            f"{entity.counted(found.converters)}, each row scored by a model that had not "
            f"seen its {entity.one} and calibrated on the others; the holdout plays no part in this choice.",
        ),
        tables=(
            Table(
                "Ways to treat the imbalance, each calibrated, on the same folds",
                (
                    "resampling",
                    label("average_precision"),
                    f"against none ({evidence.confidence:.0%})",
                    "better with probability",
                    label("roc_auc"),
                    label("calibration_error"),
                    "predicted",
                    "predicted before calibration",
                ),
                tuple(_variant(one) for one in found.variants),
                marked=chosen[0] if chosen else None,
            ),
        ),
    )


def _variant(one: Variant) -> tuple[str, ...]:
    paired = one.against_none
    same = paired.difference == 0 and paired.low == 0 == paired.high
    return (
        one.name,
        number(paired.challenger, 3),
        "–" if same else _difference(paired),
        "–" if same else likely(paired.probability_better),
        number(one.roc_auc, 3),
        number(one.calibration_error, 5),
        percent(one.mean_probability, 2),
        percent(one.raw_probability, 2),
    )


def _difference(one: Paired) -> str:
    value, low, high = (signed(each, 3, plus=True) for each in (one.difference, one.low, one.high))
    return f"{value} ({low} to {high})"


def _verdict(found: Resampling) -> str:
    """Say whether what the settings ask for earned its place."""
    chosen = next((one for one in found.variants if one.chosen), found.variants[0])
    best = max(found.variants, key=lambda one: one.against_none.challenger)
    said = _beside_none(chosen)
    if best is not chosen and best.name != NONE:
        said += f" Most precise on these rows: {best.name}, {best.against_none.challenger:.3f}."
    return said


def _beside_none(chosen: Variant) -> str:
    one = chosen.against_none
    if chosen.name == NONE:
        return "Resampling is off; the table shows what it would have done."
    shown = (
        f"average precision {one.challenger:.3f} against {one.champion:.3f} without, "
        f"difference {_difference(one)}"
    )
    name = "Resampling" if chosen.name == SMOTE else "The class weight"
    if one.low > 0:
        return f"{name} earned its place: {shown}."
    if one.high < 0:
        return f"{name} did harm: {shown}."
    return f"{name} is not shown to help or to harm: {shown}."
