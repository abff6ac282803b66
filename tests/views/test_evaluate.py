from __future__ import annotations

import pytest

from ml_sys.jobs.models.evaluate import Reevaluation
from ml_sys.metrics.truth import Closeness
from ml_sys.views import evaluate

RANKING = {
    f"{metric}_{at}": 0.5
    for metric in ("precision", "recall", "lift")
    for at in ("at_10", "at_50", "top_decile")
} | {"average_precision": 0.5, "roc_auc": 0.75}


@pytest.mark.parametrize(
    ("identical", "differing", "said"),
    [
        (True, (), "the stored metrics are reproduced exactly."),
        (
            False,
            (),
            "the stored metrics are reproduced to nine digits; the remaining ones depend on the CPU.",
        ),
        (False, ("f1",), "1 stored metric differs: f1"),
        (False, ("f1", "brier"), "2 stored metrics differ: f1, brier"),
    ],
)
def test_judging_again_says_what_differs_from_the_stored_metrics(capsys, identical, differing, said):
    again = Reevaluation("1.0.0", {}, {}, None, identical=identical, differing=differing, closeness=None)
    evaluate.reevaluated(again, 0.95)
    assert " ".join(capsys.readouterr().out.split()) == f"Version 1.0.0: {said}"


@pytest.mark.parametrize(
    ("rows", "positives", "said"),
    [(1, 1, "1 holdout row, 1 conversion;"), (1500, 0, "1,500 holdout rows, 0 conversions;")],
)
def test_closeness_says_on_how_many_rows_it_rests(capsys, rows, positives, said):
    evaluate.closeness(Closeness(rows, positives, RANKING, RANKING, RANKING, RANKING, correlation=1.0))
    shown = capsys.readouterr().out
    assert "100% of the best reachable average precision" in shown
    assert said in shown
