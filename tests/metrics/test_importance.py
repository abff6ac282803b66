"""Importance of features, and segments of companies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.metrics.importance import MOST_ROWS, importances
from ml_sys.metrics.segments import LEAST_POSITIVES, segments
from ml_sys.report.evidence import Evidence

GROUPS = {"told": "signal", "twin": "signal", "noise": "rest"}


def rows_of(n: int = 900) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]]:
    rng = np.random.default_rng(4)
    label = rng.random(n) < 0.2
    told = label + rng.normal(0, 0.5, n)
    rows = np.column_stack([told, told, rng.normal(size=n)]).astype(np.float32)
    return rows, label, np.sort(rng.integers(0, 3, n)).astype(np.int32)


def judged(n: int = 900, weights: tuple[float, ...] = (1, 0, 0)) -> dict[str, float]:
    rows, label, cutoff = rows_of(n)
    single, together = importances(
        rows, label, cutoff, GROUPS, lambda x: x @ np.array(weights), gain=None, shap=None, repeats=3, seed=1
    )
    return {one.name: one.drop for one in (*single, *together)}


def test_shuffling_costs_what_the_scores_rest_on_and_nothing_else() -> None:
    drops = judged()
    assert drops["told"] > 0.2
    assert drops["twin"] == drops["noise"] == drops["rest"] == 0


def test_twins_are_dispensable_alone_but_not_together() -> None:
    drops = judged(weights=(0.5, 0.5, 0))
    assert drops["signal"] > 1.5 * max(drops["told"], drops["twin"])


def test_a_sample_of_the_others_stands_for_all() -> None:
    whole, sampled = judged(MOST_ROWS), judged(2 * MOST_ROWS)
    assert abs(whole["told"] - sampled["told"]) < 0.05


def test_values_move_only_between_companies_of_one_cutoff() -> None:
    cutoff = np.repeat(np.array([1, 2], np.int32), 50)
    rows = np.repeat(np.array([[0.0], [1.0]], np.float32), 50, axis=0)
    label = np.arange(100) % 7 == 0
    (one,), _ = importances(
        rows, label, cutoff, {"day": "time"}, lambda x: x[:, 0], gain=None, shap=None, repeats=3, seed=1
    )
    assert one.drop == 0


def test_gain_is_shared_out_among_the_features_and_the_strongest_comes_first(evidence: Evidence) -> None:
    found = evidence.reliance
    assert sum(one.gain or 0 for one in found.features) > 0.999
    assert sum(one.gain or 0 for one in found.groups) > 0.999
    drops = [one.drop for one in found.features]
    assert drops == sorted(drops, reverse=True)
    assert all(one.drop == 0 for one in found.features if not one.gain)


def test_hits_stand_above_misses_and_are_told_with_reasons(evidence: Evidence) -> None:
    hits, misses = evidence.reliance.hits, evidence.reliance.misses
    assert len(hits) == len({one.company for one in (*hits, *misses)}) - len(misses)
    assert max(one.rank for one in hits) < min(one.rank for one in misses)
    assert all(one.reasons for one in hits)


def panel_of(industry: list[str], label: list[bool]) -> Panel:
    n = len(label)
    return Panel(
        rows=Rows.of(pd.DataFrame({"industry": pd.Series(industry, dtype=object)})),
        company=np.arange(n, dtype=np.int32),
        cutoff=np.zeros(n, np.int32),
        label=np.array(label),
        seen=np.arange(n) % 2 == 0,
        rules={},
    )


def test_a_segment_with_too_few_conversions_has_no_figure() -> None:
    few, enough = LEAST_POSITIVES - 1, LEAST_POSITIVES
    labels = [True] * few + [False] * 20 + [True] * enough + [False] * 20
    panel = panel_of(["farming"] * (few + 20) + ["fishing"] * (enough + 20), labels)
    found = segments(panel, np.linspace(1, 0, len(labels)), resamples=20, confidence=0.95, seed=1)
    by_name = {one.name: one for one in found}
    assert by_name["farming"].roc_auc is None
    fishing = by_name["fishing"].roc_auc
    assert fishing is not None
    assert fishing.value == 1


def test_segments_of_one_kind_hold_every_row_once(evidence: Evidence) -> None:
    for kind in ("Usage", "Employees", "Industry"):
        rows = sum(one.rows for one in evidence.segments if one.kind == kind)
        assert rows in {0, evidence.holdout["rows"]}
