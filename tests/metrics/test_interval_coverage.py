"""Intervals hold the truth as often as they say, on generated data with few conversions."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.metrics.paired import RankingMetric, metric_interval
from tests.bench.interval_coverage import population, truth, world

WORLDS = 250


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["average_precision", "roc_auc"])
def test_ninety_five_percent_intervals_hold_the_truth_about_as_often_with_thirty_conversions(
    metric: RankingMetric,
) -> None:
    companies = 3000
    chance, probability = population(noise=1.5, shift=-0.7)
    true = truth(chance, probability, 0.5, companies)[metric]
    rng = np.random.default_rng(11)
    held = []
    for number in range(WORLDS):
        rows = world(rng, chance, probability, companies)
        found = metric_interval(rows, metric, resamples=400, confidence=0.95, seed=number)
        held.append(found.low <= true <= found.high)
    # 93 to 97 %, and a standard error and a half of so many worlds on either side.
    assert 0.91 <= np.mean(held) <= 0.99
