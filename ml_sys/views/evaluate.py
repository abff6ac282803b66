"""How well a version does on its holdout, and compared with the truth of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.metrics.names import METRICS
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.text import counted
from ml_sys.views.frame.cells import interval, number

if TYPE_CHECKING:
    from ml_sys.jobs.models.evaluate import Reevaluation
    from ml_sys.metrics.holdout import Evaluation
    from ml_sys.metrics.truth import Closeness


def evaluation(judged: Evaluation, confidence: float) -> None:
    """Show the metrics on the holdout, one table per population."""
    for population, rankers in judged.items():
        model = rankers[MODEL]
        others = [name for name in rankers if name != MODEL]
        rows = [
            (
                one.label,
                number(model[key].value, one.digits),
                interval(model[key], one.digits),
                *(
                    number(rankers[name][key].value, one.digits) if one.kind == "ranking" else None
                    for name in others
                ),
            )
            for key, one in METRICS.items()
            if one.kind != "count" and key in model
        ]
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
    """Show a version that was evaluated again."""
    evaluation(result.evaluation, confidence)
    if result.closeness is not None:
        closeness(result.closeness)
    if result.identical:
        console.line(f"Version {result.version}: the stored metrics are reproduced exactly.")
    elif not result.differing:
        console.line(
            f"Version {result.version}: the stored metrics are reproduced to nine digits; "
            "the remaining ones depend on the CPU."
        )
    else:
        differing = counted(len(result.differing), "stored metric differs", "stored metrics differ")
        console.line(f"Version {result.version}: {differing}: " + ", ".join(result.differing[:5]))
    if result.report is not None:
        console.line(f"Written: {result.report}")


def closeness(found: Closeness) -> None:
    """Show how close a model comes to the best possible ranking."""
    rows = [
        (
            one.label,
            *(
                number(side[key], one.digits)
                for side in (found.model, found.truth, found.model_expected, found.truth_expected)
            ),
        )
        for key, one in METRICS.items()
        if one.kind == "ranking"
    ]
    console.table(
        f"Compared with the true probabilities: {found.share:.0%} of the best reachable average precision, "
        f"{found.expected_share:.0%} with luck averaged out",
        ("metric", "model", "truth", "model, averaged", "truth, averaged"),
        rows,
        caption=f"{counted(found.rows, 'holdout row')}, {counted(found.positives, 'conversion')}; "
        "the truth is each company's probability, not its outcome; averaged: over all outcomes that it "
        f"allows; rank correlation with the truth {found.correlation:.2f}",
    )
