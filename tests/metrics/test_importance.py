"""What a model rests on: shuffling costs what the scores rest on, and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml_sys.metrics.importance import MOST_ROWS, importances

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
