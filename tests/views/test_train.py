from __future__ import annotations

from types import SimpleNamespace

import pytest

from ml_sys.experiments.reseeding import SeedSpread
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.views import train


def test_what_other_seeds_give_stands_beside_the_version_and_its_interval(
    capsys: pytest.CaptureFixture,
) -> None:
    spread = SeedSpread.of("average_precision", [0.1, 0.14, 0.12])
    judged = {ALL: {MODEL: {"average_precision": Estimate(0.131, 0.08, 0.21)}}}
    train.seeds(SimpleNamespace(seeds=(spread,), evaluation=judged), 0.95)
    shown = capsys.readouterr().out
    assert "Fitted with 3 other seeds" in shown
    (row,) = [line for line in shown.splitlines() if "average precision" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "average precision", "0.131", "0.080 to 0.210", "0.120", "0.016", "0.100 to 0.140",
    ]  # fmt: skip
    train.seeds(SimpleNamespace(seeds=(), evaluation=judged), 0.95)
    assert capsys.readouterr().out == ""


def test_a_metric_that_is_not_defined_for_a_seed_has_no_spread() -> None:
    spread = SeedSpread.of("roc_auc", [0.5, float("nan")])
    assert all(value != value for value in (spread.mean, spread.deviation, spread.lowest, spread.highest))
