"""The sections about the order of a list: the summary, curves, gains and depths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.metrics.curves import GRID, Curve
from ml_sys.metrics.holdout import ALL, SEEN
from ml_sys.metrics.names import REPORTED
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report import charts
from ml_sys.report.numbers import NONE, number, percent, percent_spread, spread
from ml_sys.report.page import Figure, Section, Table, Tile
from ml_sys.report.sentences import chance_of, of_whole_lists, summary
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.form import Noun
    from ml_sys.report.evidence import Evidence


# Rows of a table behind a curve: every tenth, and the steep beginning.
_TOLD = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


def overview(evidence: Evidence) -> Section:
    """Summarise the version in plain words."""
    model = evidence.evaluation[ALL][MODEL]
    held, confidence = evidence.holdout, f"{evidence.confidence:.0%}"
    entity = evidence.words.entity
    said, came = model["mean_probability"].value, model["conversion_rate"].value
    seen = evidence.evaluation.get(SEEN, {}).get(MODEL, {})
    failed = [one.name for one in evidence.canaries if one.status == "failed"]
    return Section(
        "summary",
        "In short",
        summary(evidence),
        tiles=(
            Tile(
                percent(model["precision_at_10"].value, 0),
                "Calls in the top 10 that convert",
                f"{percent_spread(model['precision_at_10'], 0)}; at random {percent(came, 2)}",
            ),
            Tile(
                percent(model["recall_at_50"].value, 0),
                "Converters found in the top 50",
                f"{percent_spread(model['recall_at_50'], 0)}; "
                f"at random {percent(chance_of(evidence, 'recall_at_50'), 0)}",
            ),
            Tile(
                number(model["roc_auc"].value, 2),
                "ROC-AUC",
                "0.5 is chance, 1 is perfect"
                + (f"; among those seen in usage {number(seen['roc_auc'].value, 2)}" if seen else ""),
            ),
            Tile(
                number(said / came, 2) if came else NONE,
                "Promised for each conversion",
                f"predicted {percent(said, 2)}, observed {percent(came, 2)}",
            ),
        ),
        notes=(
            f"Judged on {counted(held['rows'], 'prospect row')} of "
            f"{counted(len(held['cutoffs']), 'past day')} with "
            f"{counted(held['positives'], 'conversion')} of "
            f"{entity.counted(held['companies_converted'])}. Figures in brackets are "
            f"{confidence} intervals: repeated for other {entity.many} of the same market, they would "
            "contain the true figure that often. " + _how_sure(held["companies_converted"], entity),
            *filter(None, [of_whole_lists(held)]),
            *([f"Leak canaries failed: {', '.join(failed)}. Do not trust the figures."] if failed else []),
        ),
        folded=tuple(_metrics(evidence, population) for population in evidence.evaluation),
    )


def ranking(evidence: Evidence) -> Section:
    """Show how good the order is."""
    found, population = evidence.ranking, counted(evidence.holdout["positives"], "conversion")
    band = f"The shaded band is the {evidence.confidence:.0%} interval of the model, point by point."
    roc_title = "Converters found, by share of the others called"
    roc_text = f"ROC curve: the closer to the upper left, the better; chance is the diagonal. {band}"
    precision_title = "Calls that convert, by share of converters found"
    precision_text = f"Precision and recall: the higher, the better; chance lies at the bottom. {band}"
    return Section(
        "ranking",
        "Is the order right?",
        (
            f"All prospects of the holdout in the order of the model, and in that of simple rules, with "
            f"{population} among them.",
        ),
        figures=(
            Figure(
                roc_title,
                roc_text,
                charts.lines(
                    found.roc, x="others called (false positives)", y="converters found", key="roc",
                    title=roc_title, text=roc_text,
                ),
                _curve_table("Converters found", "others called", found.roc),
            ),
            Figure(
                precision_title,
                precision_text,
                charts.lines(
                    found.precision_recall, x="converters found (recall)", y="calls that convert (precision)",
                    key="precision", title=precision_title, text=precision_text,
                ),
                _curve_table("Calls that convert", "converters found", found.precision_recall),
            ),
            *_gains(evidence),
            *_depths(evidence),
        ),
    )  # fmt: skip


def _how_sure(converters: int, entity: Noun) -> str:
    wanted = 100
    if converters >= wanted:
        return f"Enough {entity.many} convert for these intervals to be narrow."
    return (
        f"With {entity.counted(converters, 'that converts', 'that convert')} the intervals are "
        f"wide; with about {wanted - converters} more, shares would be known to within about a fifth of "
        "their value."
    )


def _metrics(evidence: Evidence, population: str) -> Table:
    rankers = evidence.evaluation[population]
    rows = tuple(
        (
            one.label,
            *(spread(metrics.get(key), one.digits) for metrics in rankers.values()),
        )
        for key, one in REPORTED.items()
    )
    return Table(f"Every metric, {population}", ("metric", *rankers), rows)


def _curve_table(caption: str, x: str, curves: Mapping[str, Curve]) -> Table:
    at = [int(abs(GRID - share).argmin()) for share in _TOLD]
    rows = tuple(
        (
            percent(float(GRID[i]), 0),
            *(
                percent(curve.y[i])
                + (f" ({percent(curve.low[i])} to {percent(curve.high[i])})" if curve.low else "")
                for curve in curves.values()
            ),
        )
        for i in at
    )
    return Table(caption, (x, *curves), rows)


def _gains(evidence: Evidence) -> tuple[Figure, ...]:
    found = {name: tenths for name, tenths in evidence.ranking.gains.items() if tenths}
    if not found:
        return ()
    order = [*found, RANDOM]
    steps = (0.0, *(at / 10 for at in range(1, 11)))
    cumulated = {name: Curve(steps, (0.0, *(one.gain for one in tenths))) for name, tenths in found.items()}
    cumulated[RANDOM] = Curve((0.0, 1.0), (0.0, 1.0))
    gain_title, lift_title = "Cumulative gains", "Lift by tenth of the list"
    gain_text = "How many of all converters are among the first part of the list."
    entities = evidence.words.entity.many
    lift_text = f"How many times as often as on average {entities} of each tenth convert; 1 is the average."
    columns = [
        {"ranker": name, "x": str(one.decile), "y": one.lift}
        for name, tenths in found.items()
        for one in tenths
    ]
    rows = tuple(
        (
            str(at + 1),
            f"{found[MODEL][at].rows:,}",
            number(found[MODEL][at].conversions, 0),
            *(
                f"{percent(tenths[at].gain, 0)}, lift {number(tenths[at].lift, 1)}"
                for tenths in found.values()
            ),
        )
        for at in range(10)
    )
    table = Table("Gains and lift by tenth", ("tenth", "rows", "conversions (model)", *found), rows)
    return (
        Figure(
            gain_title,
            gain_text,
            charts.lines(
                {name: cumulated[name] for name in order}, x="first part of the list", y="converters found",
                key="gains", title=gain_title, text=gain_text,
            ),
            table,
        ),
        Figure(
            lift_title,
            lift_text,
            charts.columns(
                columns, list(found), x="tenth of the list, best first", y="lift", y_format="~g", key="lift",
                title=lift_title, text=lift_text,
            ),
            table,
        ),
    )  # fmt: skip


def _depths(evidence: Evidence) -> tuple[Figure, ...]:
    found = evidence.ranking.depths
    figures = []
    for what, title, text, key in (
        (
            "precision",
            "Calls that convert, by calls per list",
            "Deeper lists contain fewer converters per call.",
            "depth-p",
        ),
        ("recall", "Converters found, by calls per list", "Deeper lists find more of them.", "depth-r"),
    ):
        points = [
            {
                "ranker": name,
                "x": one.depth,
                "y": getattr(one, what).value,
                "low": getattr(one, what).low,
                "high": getattr(one, what).high,
            }
            for name, depths in found.items()
            for one in depths
            if getattr(one, what).value == getattr(one, what).value
        ]
        rows = tuple(
            (str(one.depth), *(percent_spread(getattr(depths[at], what)) for depths in found.values()))
            for at, one in enumerate(found[MODEL])
        )
        if points:
            svg = charts.by_depth(
                points,
                list(found),
                x=f"{evidence.words.entity.many} called from each list",
                y=title.split(",")[0].lower(),
                key=key,
                title=title,
                text=text,
            )
            figures.append(Figure(title, text, svg, Table(title, ("calls per list", *found), rows)))
    return tuple(figures)
