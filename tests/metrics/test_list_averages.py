"""Means over lists: one list per cutoff, ties between two rankers shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.metrics.bootstrap import cluster_weights, interval, lead_interval
from ml_sys.metrics.list_averages import LIST_METRICS, list_estimates, paired_lists
from ml_sys.metrics.ranking import Outcomes, ranking_metrics

ASKED = {"resamples": 300, "confidence": 0.95, "seed": 1}


def ranking(score: list[float], label: list[int], cutoff: list[int], company: list[int]) -> Outcomes:
    days, names = (np.array(one, dtype=np.int32) for one in (cutoff, company))
    return Outcomes(np.array(score, dtype=np.float64), np.array(label, dtype=bool), days, names)


def lists(seed: int = 0, n: int = 120) -> Outcomes:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.2
    cutoff = np.arange(n) % 3 * 7
    score = np.round(rng.random(n) + 0.3 * label, 1)
    return ranking(score.tolist(), label.tolist(), cutoff.tolist(), (np.arange(n) // 3).tolist())


def test_a_metric_is_the_mean_of_what_each_list_alone_has() -> None:
    every = lists()
    alone = [every.take(every.cutoff == cutoff) for cutoff in (0, 7, 14)]
    found = list_estimates({"one": every}, **ASKED)["one"]
    for metric in LIST_METRICS:
        values = [ranking_metrics(one, np.ones((1, one.score.size)))[metric][0] for one in alone]
        assert found[metric].value == pytest.approx(np.mean(values))
        assert found[metric].low < found[metric].value < found[metric].high


def test_a_list_shorter_than_ten_is_called_whole() -> None:
    short = ranking([3, 2, 1, 0], [1, 0, 0, 0], [0] * 4, [0, 1, 2, 3])
    assert list_estimates({"one": short}, **ASKED)["one"]["precision_at_10"].value == 0.25


def test_a_list_without_a_converter_counts_for_precision_alone() -> None:
    with_one = ranking([3, 2, 1, 0] * 2, [1, 0, 0, 0] + [0] * 4, [0] * 4 + [7] * 4, [0, 1, 2, 3] * 2)
    found = list_estimates({"one": with_one}, **ASKED)["one"]
    assert (found["average_precision"].value, found["precision_at_10"].value) == (1, 0.125)


def test_of_two_rankers_resamples_in_which_they_are_level_count_half_for_either() -> None:
    # They differ in who of two companies comes first, only one of which converts.
    first = ranking([3, 2, 1, 0], [1, 0, 0, 1], [0] * 4, [0, 1, 2, 3])
    other = replace(first, score=np.array([2.0, 3.0, 1.0, 0.0]))
    found = paired_lists(first, other, **ASKED)["average_precision"]
    assert found.difference > 0
    assert found.low == 0
    assert 0.5 < found.probability_better < 1
    assert found.probability_better + found.probability_worse == pytest.approx(1)
    back = paired_lists(other, first, **ASKED)["average_precision"]
    assert (back.probability_better, back.probability_worse) == (
        found.probability_worse,
        found.probability_better,
    )


def resampled(every: Outcomes, metric: str) -> np.ndarray:
    """Means over lists of every resample, worked out list by list."""
    weights = np.concatenate(list(cluster_weights(every.company, 300, 1)))
    days = [every.cutoff == cutoff for cutoff in np.unique(every.cutoff)]
    return np.nanmean([ranking_metrics(every.take(rows), weights[:, rows])[metric] for rows in days], axis=0)


@pytest.mark.parametrize("metric", LIST_METRICS)
def test_intervals_of_means_and_of_leads_are_those_of_the_resamples_of_companies(metric: str) -> None:
    one, other = lists(1), replace(lists(1), score=lists(2).score)
    ours, theirs = resampled(one, metric), resampled(other, metric)
    converters = len(set(one.company[one.label].tolist()))
    found = list_estimates({"one": one, "other": other}, **ASKED)
    for name, drawn in (("one", ours), ("other", theirs)):
        each = found[name][metric]
        assert (each.low, each.high) == pytest.approx(interval(metric, each.value, drawn, converters, 0.95))
    lead = paired_lists(one, other, **ASKED)[metric]
    assert (lead.metric, lead.challenger, lead.champion) == (
        metric,
        found["one"][metric].value,
        found["other"][metric].value,
    )
    assert lead.difference == lead.challenger - lead.champion
    bounds = lead_interval(metric, lead.difference, ours - theirs, converters, 0.95)
    assert (lead.low, lead.high) == pytest.approx(bounds)
    level = np.isclose(ours, theirs, atol=1e-12)
    assert lead.probability_better == pytest.approx(np.mean((ours > theirs) & ~level) + level.mean() / 2)
    assert lead.probability_worse == pytest.approx(1 - lead.probability_better)
