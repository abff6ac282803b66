"""The sections about probabilities: whether they are true, and what past ones promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.metrics.promises import FACTOR, KEPT, NOT_REFUTED, TOO_FEW, TOO_LITTLE, TOO_MUCH
from ml_sys.report import charts
from ml_sys.report.numbers import number, percent
from ml_sys.report.page import Figure, Section, Table, missing_section
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from ml_sys.metrics.promises import Promise, Promises
    from ml_sys.report.evidence import Evidence


# What a table and a sentence say of each verdict.
_VERDICTS = {
    KEPT: ("kept", "the promise was kept"),
    TOO_MUCH: ("promised too much", "too much was promised"),
    TOO_LITTLE: ("promised too little", "too little was promised"),
    NOT_REFUTED: ("not contradicted, but too few to confirm",) * 2,
    TOO_FEW: ("too few to say",) * 2,
}


def probabilities(evidence: Evidence) -> Section:
    """Show whether the probabilities are true and what the threshold decides."""
    found = evidence.truthfulness
    bins = Table(
        "Predicted and observed",
        ("rows", "converted", "predicted", "observed"),
        tuple(
            (
                f"{one.rows:,}",
                f"{one.conversions:,}",
                percent(one.predicted, 2),
                f"{percent(one.observed, 2)} ({percent(one.low, 2)} to {percent(one.high, 2)})",
            )
            for one in found.calibration
        ),
    )
    points = [
        {"predicted": one.predicted, "observed": one.observed, "low": one.low, "high": one.high}
        for one in found.calibration
        if one.predicted > 0 and one.observed > 0 and one.low > 0
    ]
    title, told = "Predicted and observed conversion", (
        f"On the dotted line, what was predicted came true. Bars are {evidence.confidence:.0%} intervals; "
        "each point represents at least 5 conversions if there are that many."
    )  # fmt: skip
    figures = []
    if points:
        svg = charts.calibration(points, key="calibration", title=title, text=told)
        figures.append(Figure(title, told, svg, bins))
    figures.append(_distribution(evidence))
    tables, entities = () if points else (bins,), evidence.words.entity.many
    return Section(
        "probabilities",
        "Are the probabilities true?",
        (
            f"A probability of 2% should mean that 2 in 100 such {entities} convert. Only then can it be "
            "multiplied by money.",
        ),
        figures=tuple(figures),
        tables=(*tables, _confusion(evidence)),
        notes=(
            f"The marked row is the version's own threshold. Moving it down calls more {entities}: more "
            "converters are found and more calls are wasted.",
        ),
    )


def _distribution(evidence: Evidence) -> Figure:
    bins = evidence.truthfulness.distribution
    kinds = ("converted", "did not convert")
    totals = (max(sum(one.converted for one in bins), 1), max(sum(one.others for one in bins), 1))
    points = [
        {"ranker": kind, "x": f"{one.high * 100:g}%", "y": count / total}
        for one in bins
        for kind, count, total in zip(kinds, (one.converted, one.others), totals, strict=True)
    ]
    rows = tuple(
        (f"{one.low * 100:g}% to {one.high * 100:g}%", f"{one.converted:,}", f"{one.others:,}")
        for one in bins
    )
    title = "Probabilities of those who converted and of the others"
    told = "Share of each kind by its probability; the further apart the two, the better they are told apart."
    svg = charts.columns(
        points, kinds, x="probability up to", y="share of its kind", key="scores", title=title, text=told
    )
    return Figure(title, told, svg, Table(title, ("probability", *kinds), rows))


def _confusion(evidence: Evidence) -> Table:
    found = evidence.truthfulness.confusions
    rows = tuple(
        (
            percent(one.threshold, 2),
            number(one.calls_per_list, 0),
            f"{one.true_positives:,}",
            f"{one.false_positives:,}",
            f"{one.false_negatives:,}",
            f"{one.true_negatives:,}",
            percent(one.precision),
            percent(one.recall),
        )
        for one in found
    )
    marked = next((at for at, one in enumerate(found) if one.chosen), None)
    head = (
        "threshold", "calls per list", "called, converted", "called in vain", "missed", "rightly left",
        "precision", "recall",
    )  # fmt: skip
    return Table("What the threshold decides", head, rows, marked)


def promised(evidence: Evidence) -> Section:
    """Show whether past lists kept what their probabilities promised."""
    title, found, confidence = "Promised and realised", evidence.past.promises, evidence.confidence
    if found is None:
        return missing_section("promise", title, "past lists were not made for it")
    total = found.total
    days, entities = ", ".join(date_of(cutoff) for cutoff in found.cutoffs), evidence.words.entity.many
    return Section(
        "promise",
        title,
        (
            f"A probability is a promise: of a hundred {entities} at 5%, five should convert. In all, "
            f"{number(total.promised, 1)} conversions were promised and "
            f"{total.realised} came: {_VERDICTS[total.verdict][1]}.",
            _how_many_more(found),
            f"Counted on {counted(len(found.cutoffs), 'list')} whose {evidence.horizon_days} days do not "
            f"overlap, so that nobody counts twice: {days}. Each list was made by a model "
            "trained only on what was known then.",
        ),
        tables=(_promises("By tier", ("tier", entities), found.tiers, confidence),),
        folded=(_promises("By probability", ("probability", entities), (*found.bands, total), confidence),),
    )


def _promises(caption: str, of: tuple[str, str], rows: tuple[Promise, ...], confidence: float) -> Table:
    return Table(
        caption,
        (*of, "promised", "came", f"{confidence:.0%} interval", "verdict"),
        tuple(
            (
                one.name,
                f"{one.companies:,}",
                number(one.promised, 1),
                f"{one.realised:,}",
                f"{number(one.low, 1)} to {number(one.high, 1)}",
                _VERDICTS[one.verdict][0],
            )
            for one in rows
        ),
    )


def _how_many_more(found: Promises) -> str:
    """Say whether there are enough conversions to notice a broken promise, or how long that will take."""
    have = f"The lists hold {counted(found.total.realised, 'conversion')}"
    if found.total.realised >= found.needed:
        return (
            f"{have}, enough to notice a promise that is off by a factor of {FACTOR} "
            f"({found.needed} are needed)."
        )
    text = f"{have}; to notice a promise that is off by a factor of {FACTOR}, {found.needed} are needed"
    if found.more_weeks is None:
        return f"{text}."
    return f"{text}: about {counted(found.more_weeks, 'more week')} at this rate."
