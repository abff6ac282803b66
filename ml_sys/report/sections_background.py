"""The sections of a report about probabilities, segments, reasons, data and where a version comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.metrics.segments import LEAST_POSITIVES
from ml_sys.report import charts
from ml_sys.report.page import Figure, Section, Story, Table
from ml_sys.report.writing import NONE, number, of_sample, percent, spread, text
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.report.evidence import Evidence
    from ml_sys.report.examples import Example

_SHOWN_FEATURES = 15
_COMPARED = (
    ("average_precision", "average precision", 3), ("roc_auc", "ROC-AUC", 3),
    ("precision_at_10", "precision at 10", 3), ("recall_at_50", "recall at 50", 3),
    ("calibration_error", "calibration error", 4), ("brier", "Brier score", 5),
)  # fmt: skip


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
        "each point stands for at least 5 conversions where there are that many."
    )  # fmt: skip
    figures = []
    if points:
        svg = charts.calibration(points, key="calibration", title=title, text=told)
        figures.append(Figure(title, told, svg, bins))
    figures.append(_distribution(evidence))
    tables = () if points else (bins,)
    return Section(
        "probabilities",
        "Are the probabilities true?",
        (
            "A probability of 2% should mean that 2 in 100 such companies convert. Only then can it be "
            "multiplied by money.",
        ),
        figures=tuple(figures),
        tables=(*tables, _confusion(evidence)),
        notes=(
            "The marked row is the version's own threshold. Moving it down calls more companies: more "
            "converters are found and more calls are in vain.",
        ),
    )


def who(evidence: Evidence) -> Section:
    """Show how the model does by kind of company."""
    table = Table(
        "By kind of company",
        ("kind", "companies", "conversions", "predicted", "observed", "ROC-AUC", "average precision"),
        tuple(
            (
                f"{one.kind}: {one.name}",
                f"{one.companies:,}",
                f"{one.conversions:,}",
                percent(one.predicted, 2),
                percent(one.observed, 2),
                _or_too_few(one.roc_auc),
                _or_too_few(one.average_precision),
            )
            for one in evidence.segments
        ),
    )
    title, told = "ROC-AUC by kind of company", "A dot and its interval; 0.5 is chance, 1 is perfect."
    points = [
        {
            "name": f"{one.name} ({one.kind.lower()})",
            "y": one.roc_auc.value,
            "low": one.roc_auc.low,
            "high": one.roc_auc.high,
        }
        for one in evidence.segments
        if one.roc_auc is not None
    ]
    figures = (
        (
            Figure(
                title,
                told,
                charts.intervals(points, x="ROC-AUC", key="segments", title=title, text=told),
                table,
            ),
        )
        if points
        else ()
    )
    return Section(
        "segments",
        "For whom does it work?",
        (f"Kinds with fewer than {LEAST_POSITIVES} conversions are too small for a figure, and say so.",),
        figures=figures,
        tables=() if points else (table,),
    )


def why(evidence: Evidence) -> Section:
    """Show what the model rests on."""
    found = evidence.reliance
    compiled = bool(found.features) and found.features[0].gain is not None
    figures = []
    for title, ones, told_of, key in (
        ("What each group of features adds", found.groups, found.groups, "groups"),
        ("Single features", found.features[:_SHOWN_FEATURES], found.features, "features"),
    ):
        told = "Average precision lost when values are shuffled between the companies of a day."
        points = [
            {"name": one.name, "y": one.drop, "low": one.drop - one.spread, "high": one.drop + one.spread}
            for one in ones
        ]
        rows = tuple(
            (
                one.name,
                f"{number(one.drop, 4)} ± {number(one.spread, 4)}",
                percent(one.gain),
                number(one.shap, 4),
                *([one.group] if key == "features" else []),
            )
            for one in told_of
        )
        head = {
            "groups": ("group", "lost when shuffled", "share of gain", "mean |SHAP|, added up"),
            "features": ("feature", "lost when shuffled", "share of gain", "mean |SHAP|", "group"),
        }[key]
        table = Table(title, head, rows)
        svg = charts.bars(points, x="average precision lost", key=key, title=title, text=told)
        figures.append(Figure(title, told, svg, table))
    notes = [
        "Features that say nearly the same stand in for each other: each alone may look dispensable. "
        "Shuffling tells what the holdout would miss, gain what the fit found useful, SHAP what moves single "
        "probabilities. Thin lines span one standard deviation of the shufflings to either side."
    ]
    if not compiled:
        notes.append("This estimator gives neither gain nor exact reasons, so permutation alone is shown.")
    return Section(
        "why",
        "What does it rest on?",
        figures=tuple(figures),
        notes=tuple(notes),
    )


def stories(evidence: Evidence) -> tuple[Section, Section]:
    """Tell the best hits and the worst misses."""
    return (
        Section(
            "hits",
            "Converters that stood highest",
            ("Converters of the holdout that stood highest in the list of their day.",)
            if evidence.reliance.hits
            else ("No company of the holdout converted.",),
            stories=tuple(map(_story, evidence.reliance.hits)),
        ),
        Section(
            "misses",
            "Converters that stood lowest",
            (f"Converters that stood lowest; {_unseen(evidence.reliance.misses)}.",)
            if evidence.reliance.misses
            else ("There are none beside those above.",),
            stories=tuple(map(_story, evidence.reliance.misses)),
        ),
    )


def trust(evidence: Evidence) -> Section:
    """Show the leak canaries."""
    table = Table(
        "Leak canaries",
        ("canary", "outcome", "what was found"),
        tuple((one.name, one.status, one.found) for one in evidence.canaries),
    )
    failed = sum(one.status == "failed" for one in evidence.canaries)
    warned = sum(one.status == "warned" for one in evidence.canaries)
    told = (
        f"{counted(failed, 'canary', 'canaries')} failed: "
        "the model knows what it cannot know on the day it is used."
        if failed
        else "No canary failed"
        + (
            f"; {counted(warned, 'canary warns', 'canaries warn')}."
            if warned
            else ": nothing was found that looks ahead."
        )
    )
    return Section("canaries", "Does it look ahead?", (told,), tables=(table,))


def data(evidence: Evidence) -> Section:
    """Show what the snapshot is made of."""
    title, found = "What is it made of?", evidence.quality
    if found is None:
        return Section("data", title, ("Not in this report: the snapshot is not at hand.",))
    rows = []
    for name, reasons in found.quarantined.items():
        out, read = sum(reasons.values()), found.read.get(name)
        said = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items()) or "none"
        rows.append(
            (
                name,
                NONE if read is None else f"{read:,}",
                NONE if read is None else f"{read - out:,}",
                f"{out:,}",
                said,
            )
        )
    blanks = tuple((name, percent(paid), percent(others)) for name, paid, others in found.blanks)
    return Section(
        "data",
        title,
        (
            f"{counted(found.companies, 'company', 'companies')}, {counted(found.customers, 'customer')} "
            f"among them, and {counted(found.usage_rows, 'usage row')}; "
            f"usage through {evidence.data_through}.",
        ),
        tables=(
            Table("Rows that came in", ("table", "read", "accepted", "set aside", "why"), tuple(rows)),
            Table("Share of blanks", ("column", "customers", "the others"), blanks),
        ),
    )


def origin(evidence: Evidence) -> tuple[Section, Section, Section]:
    """Show what changed since the last version, the settings and the lineage."""
    changed = tuple(
        (key, text(value), text(default)) for key, (value, default) in evidence.set_otherwise.items()
    )
    tables = (Table("Settings that differ from the default", ("setting", "here", "default"), changed),)
    every = Table(
        "Every setting", ("setting", "value"), tuple((k, text(v)) for k, v in evidence.settings.items())
    )
    said = f"The author says: {evidence.message}" if evidence.message else "The author left no message."
    fit = evidence.fit
    return (
        _since(evidence),
        Section(
            "settings",
            "How was it set?",
            () if changed else ("Every setting has its default.",),
            tables=tables if changed else (),
            folded=(every,),
        ),
        Section(
            "lineage",
            "Where does it come from?",
            (
                said,
                f"Learnt from {counted(fit['rows'], 'row')} with {counted(fit['positives'], 'conversion')} "
                f"of {counted(fit['companies'], 'company', 'companies')}, cutoffs {fit['cutoffs'][0]} to "
                f"{fit['cutoffs'][-1]}; judged on {', '.join(evidence.holdout['cutoffs'])}.",
                *filter(None, [of_sample(fit)]),
                "The same snapshot, settings and packages give the same model, byte for byte.",
            ),
            tables=(
                Table("Lineage", ("what", "which"), tuple((k, str(v)) for k, v in evidence.lineage.items())),
            ),
        ),
    )


def _since(evidence: Evidence) -> Section:
    title, parent = "What changed since the last version?", evidence.parent
    if parent is None:
        return Section("changes", title, ("It is the first version, or its parent is not at hand.",))
    ours, theirs = evidence.evaluation[ALL][MODEL], parent.evaluation[ALL][MODEL]
    rows = tuple(
        (spoken, spread(theirs.get(metric), digits), spread(ours.get(metric), digits))
        for metric, spoken, digits in _COMPARED
    )
    same = (
        "Both were judged on the same rows, so the figures can be compared."
        if parent.same_holdout
        else "They were judged on different rows: differences may come from the days, not from the models."
    )
    return Section(
        "changes",
        title,
        (f"Since version {parent.version}: {evidence.changes}.", same),
        tables=(Table("Beside its parent", ("metric", parent.version, evidence.version), rows),),
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
        "threshold", "calls a list", "called, converted", "called in vain", "missed", "rightly left",
        "precision", "recall",
    )  # fmt: skip
    return Table("What the threshold decides", head, rows, marked)


def _unseen(misses: tuple[Example, ...]) -> str:
    unseen = sum(not one.seen for one in misses)
    return f"{unseen} of these {len(misses)} had no usage yet by which they could have been told"


def _or_too_few(one: Estimate | None) -> str:
    return "too few conversions" if one is None else spread(one, 2)


def _story(one: Example) -> Story:
    unseen = "" if one.seen else " It had no usage by then."
    return Story(
        one.company,
        f"Place {one.rank:,} of {one.listed:,} on {date_of(one.cutoff)}, with a probability of "
        f"{percent(one.probability, 2)}.{unseen}",
        one.reasons,
    )
