"""Puts promises, money, resampling and other seeds into the words and tables of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.money import GAIN_DEPTHS
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.page import Passage, Table
from ml_sys.report.writing import METRICS_SHOWN, number, percent, spread
from ml_sys.text import counted, date_of, likely

if TYPE_CHECKING:
    from ml_sys.experiments.resampling import Resampling, Variant
    from ml_sys.metrics.money import Money
    from ml_sys.metrics.promises import Promise, Promises
    from ml_sys.report.evidence import Evidence


def promise_passage(found: Promises, horizon_days: int, confidence: float) -> Passage:
    """Say whether probabilities were kept."""
    total = found.total
    days = ", ".join(date_of(cutoff) for cutoff in found.cutoffs)
    return Passage(
        (
            f"A probability is a promise: of a hundred companies at 5%, five should convert. In all, "
            f"{number(total.promised, 1)} conversions were promised and "
            f"{total.realised} came: {_verdict(total)}.",
            found.evidence,
            f"Counted on {counted(len(found.cutoffs), 'list')} whose {horizon_days} days do not overlap, so "
            f"that nobody counts twice: {days}. Each list was made by a model of its time.",
        ),
        (
            _promises("By tier", "tier", found.tiers, confidence),
            _promises("By probability", "probability", (*found.bands, total), confidence),
        ),
    )


def money_passage(found: Money, confidence: float) -> Passage:
    """Say what the lists were worth."""
    past = [
        (
            counted(one.capacity, "call"),
            counted(one.lists, "list"),
            f"{one.worth.expected:,.0f} ({one.worth.low:,.0f} to {one.worth.high:,.0f})",
            f"{one.realised:,.0f}",
        )
        for one in found.past
    ]
    gains = [(ranker, *(percent(share, 0) for share in shares)) for ranker, shares in found.gains.items()]
    rankers = list(found.gains)
    return Passage(
        (
            "An estimate, not a forecast of invoices: each conversion is taken to be worth what customers "
            f"before it paid on average a month. {counted(found.customers, 'customer')} with a known MRR, "
            f"{found.not_positive} of them with zero or less, which counts as zero.",
            f"The brackets hold what such lists bring {confidence:.0%} of the time if probabilities hold.",
        ),
        (
            Table(
                "Monthly recurring revenue of the converters among the first of each list, all lists added",
                ("calls a list", "lists", "expected", "came"),
                tuple(past),
            ),
            Table(
                "Share of the converters' MRR within the first of each list",
                ("ranked by", *(percent(depth, 0) for depth in GAIN_DEPTHS)),
                tuple(gains),
                marked=rankers.index(MODEL),
            ),
        ),
    )


def resampling_passage(found: Resampling, confidence: float) -> Passage:
    """Say whether resampling earned its place."""
    chosen = [at for at, one in enumerate(found.variants) if one.chosen]
    return Passage(
        (
            found.verdict,
            f"Judged on the {counted(found.rows, 'row')} of the training part with their "
            f"{counted(found.positives, 'conversion')} of "
            f"{counted(found.converters, 'company', 'companies')}, each row scored by a model that had not "
            "seen its company and calibrated on the others; the holdout plays no part in this choice.",
        ),
        (
            Table(
                "Ways to treat the imbalance, each calibrated, on the same folds",
                (
                    "resampling",
                    "average precision",
                    f"against none ({confidence:.0%})",
                    "better with probability",
                    "ROC-AUC",
                    "calibration error",
                    "predicted",
                    "predicted before calibration",
                ),
                tuple(_variant(one) for one in found.variants),
                marked=chosen[0] if chosen else None,
            ),
        ),
    )


def seeds_passage(evidence: Evidence) -> Passage:
    """Say how far the headline figures hang on the seed of the fit."""
    model = evidence.evaluation[ALL][MODEL]
    spoken = {metric: (name, digits) for metric, name, digits in METRICS_SHOWN}
    rows = tuple(
        (
            spoken[one.metric][0],
            spread(model[one.metric], spoken[one.metric][1]),
            *(number(value, 3) for value in (one.mean, one.deviation, one.lowest, one.highest)),
        )
        for one in evidence.seeds
    )
    fits = counted(len(evidence.seeds[0].values), "other seed")
    return Passage(
        (
            f"The model was fitted again with {fits} and judged on the same holdout. What changes between "
            "them is chance of the fit alone; the interval is chance of who happened to be there.",
        ),
        (
            Table(
                "This version, and the same rows by other seeds",
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


def _promises(caption: str, of: str, rows: tuple[Promise, ...], confidence: float) -> Table:
    return Table(
        caption,
        (of, "companies", "promised", "came", f"{confidence:.0%} interval", "verdict"),
        tuple(
            (
                one.name,
                f"{one.companies:,}",
                number(one.promised, 1),
                f"{one.realised:,}",
                f"{number(one.low, 1)} to {number(one.high, 1)}",
                one.verdict,
            )
            for one in rows
        ),
    )


def _verdict(one: Promise) -> str:
    return {
        "kept": "the promise was kept",
        "promised too much": "too much was promised",
        "promised too little": "too little was promised",
    }.get(one.verdict, one.verdict)


def _variant(one: Variant) -> tuple[str, ...]:
    paired = one.against_none
    same = paired.difference == 0 and paired.low == 0 == paired.high
    return (
        one.name,
        number(paired.challenger, 3),
        "–" if same else f"{paired.difference:+.3f} ({paired.low:+.3f} to {paired.high:+.3f})",
        "–" if same else likely(paired.probability_better),
        number(one.roc_auc, 3),
        number(one.calibration_error, 5),
        percent(one.mean_probability, 2),
        percent(one.raw_probability, 2),
    )
