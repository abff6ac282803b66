"""The simple rules that a version is held against: those of its own companies, from its snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_sys.data import snapshot as snapshots
from ml_sys.engine.mapping import Engine
from ml_sys.errors import SnapshotError
from ml_sys.metrics.names import label
from ml_sys.metrics.paired import paired_bootstrap
from ml_sys.metrics.ranking import Outcomes, ranking_metrics
from ml_sys.metrics.reach import compare_reach, reached
from ml_sys.registry import best_rule
from ml_sys.registry.best_rule import as_good_as_rules, rules_of
from ml_sys.registry.loading import judged
from ml_sys.registry.store import Registry
from ml_sys.settings import GateSettings
from ml_sys.text import between
from tests.model.world import MOST_ACTIONS, MOST_USERS

HERE = Engine(workers=1)


def test_rules_of_an_honest_version_are_those_of_its_holdout_row_by_row(registered: Path) -> None:
    registry = Registry(registered)
    artifact = registry.open("1.0.0")
    found = judged(registry, artifact)
    rules = rules_of(registry, artifact, found, HERE)
    assert set(rules) == {MOST_ACTIONS, MOST_USERS} == set(found.panel.rules)
    for name, score in rules.items():
        np.testing.assert_array_equal(score, found.panel.rules[name])
    forged = replace(found, panel=replace(found.panel, rules={name: -score for name, score in rules.items()}))
    again = rules_of(registry, artifact, forged, HERE)
    np.testing.assert_array_equal(again[MOST_USERS], rules[MOST_USERS])
    stranger = replace(found.panel, company=(found.panel.company + 10**6).astype(np.int32))
    kept = rules_of(registry, artifact, replace(found, panel=stranger), HERE)
    assert kept is stranger.rules
    beyond = len(snapshots.everyone(registry.root))
    company = found.panel.company.copy()
    company[-1] = beyond
    edge = replace(found, panel=replace(found.panel, company=company))
    assert rules_of(registry, artifact, edge, HERE) is edge.panel.rules


class Lost(Engine):
    """Workers elsewhere, none of which reads anything."""

    def each(self, function: Any, partitions: Sequence[Any], on_done: Callable[[int, Any], object]) -> None:
        raise SnapshotError(f"{len(partitions)} parts cannot be read")


def test_rules_that_workers_cannot_compute_are_not_taken_as_they_are_stored(registered: Path) -> None:
    registry = Registry(registered)
    artifact = registry.open(registry.resolve(None))
    found = judged(registry, artifact)
    with pytest.raises(SnapshotError, match="parts cannot be read"):
        rules_of(registry, artifact, found, Lost("dask"))
    assert rules_of(registry, artifact, found, Lost(workers=1)) is found.panel.rules


@pytest.mark.parametrize(("least", "blocking"), [(20, True), (21, False)])
def test_rules_are_asked_from_so_many_converters_on(least: int, blocking: bool) -> None:
    n = 200
    label, nothing = np.arange(n) < 20, np.zeros(n, dtype=np.int32)
    good = Outcomes(-np.arange(n, dtype=np.float64), label, nothing, np.arange(n, dtype=np.int32))
    gate = GateSettings(resamples=100, rule_converters=least)
    rules = {"b": np.arange(n, dtype=np.float32), "a": (n - np.abs(np.arange(n) - 30)).astype(np.float32)}
    found = as_good_as_rules(good, rules, gate, seed=1)
    assert found.passed == found.blocking == blocking
    if blocking:
        figures = found.figures
        assert (figures["model"], figures["converters"]) == (1.0, 20)
        assert figures["model_reached"] == pytest.approx((10 + 20 + 20) / 3)
        # "a" has its converters from place 22 on, each level with another company; "b" has all of them last.
        assert figures["rule"] is not None
        assert 0.2 < figures["rule"] < 0.6
        assert figures["rule_reached"] == pytest.approx((0 + 2 + 14.5) / 3)
        assert (figures["probability_worse"], figures["probability_fewer"]) == (0, 0)


N = 400
RNG = np.random.default_rng(3)
LABEL = RNG.random(N) < 0.15
DAYS, WHO = (np.arange(N) % 4).astype(np.int32), (np.arange(N) // 4).astype(np.int32)
MODEL = Outcomes(RNG.random(N) + 0.4 * LABEL, LABEL, DAYS, WHO)
RULES = {
    "b": (RNG.random(N) + 0.3 * LABEL).astype(np.float32),
    "a": RNG.random(N).astype(np.float32),
    "far": np.where(RNG.random(N) < 0.5, LABEL, RNG.random(N) - 1).astype(np.float32),
}
GATE = GateSettings(resamples=150, rule_converters=5, confidence=0.8, tolerance=0.2)


@pytest.mark.parametrize("metric", ["average_precision", "roc_auc"])
def test_the_comparison_with_the_best_rules_is_told_whole(metric: str) -> None:
    gate = GATE.model_copy(update={"primary_metric": metric})
    found = as_good_as_rules(MODEL, RULES, gate, seed=4)
    ranked = {name: replace(MODEL, score=score.astype(np.float64)) for name, score in RULES.items()}
    once = MODEL.once()
    precise = max(ranked, key=lambda name: ranking_metrics(ranked[name], once)[metric][0])
    far = max(ranked, key=lambda name: sum(reached(ranked[name], depth).sum() for depth in (10, 25, 50)))
    drawn = {"tolerance": 0.2, "resamples": 150, "confidence": 0.8, "seed": 4}
    paired = paired_bootstrap(MODEL, ranked[precise], metric, **drawn)  # type: ignore[arg-type]
    reach = compare_reach(MODEL, ranked[far], (10, 25, 50), **drawn)  # type: ignore[arg-type]
    assert found.figures == {
        "model": paired.challenger,
        "rule": paired.champion,
        "difference": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "probability_worse": paired.probability_worse,
        "converters": len(set(WHO[LABEL].tolist())),
        "model_reached": np.mean(reach.ours),
        "rule_reached": np.mean(reach.theirs),
        "reached_difference": reach.difference.value,
        "reached_low": reach.difference.low,
        "reached_high": reach.difference.high,
        "probability_fewer": reach.probability_fewer,
    }
    ours, theirs = (", ".join(f"{one:.3g}" for one in side) for side in (reach.ours, reach.theirs))
    assert found.text == (
        f"{label(metric)} {paired.challenger:.3g}, {precise} {paired.champion:.3g}, difference "
        f"{between(paired.low, paired.high)}; converters in the first 10, 25, 50 of each list {ours}, "
        f"{far} {theirs}, difference of the means {between(reach.difference.low, reach.difference.high)}; "
        f"worse by over 20% with probability {paired.probability_worse:.2g} and {reach.probability_fewer:.2g}"
    )
    most = max(paired.probability_worse, reach.probability_fewer)
    for limit, passed in ((most, True), (np.nextafter(most, 0), False)):
        asked = gate.model_copy(update={"max_probability_worse": limit})
        judged = as_good_as_rules(MODEL, RULES, asked, seed=4)
        assert judged.passed == (passed or most == 0)


@pytest.mark.parametrize("required", [True, False])
def test_rules_block_where_they_are_required(required: bool) -> None:
    gate = GATE.model_copy(update={"require_rule": required})
    assert as_good_as_rules(MODEL, RULES, gate, seed=4).blocking == required
    none = as_good_as_rules(MODEL, {}, gate, seed=4)
    assert (none.passed, none.text, none.blocking) == (
        False, "not judged: the holdout has no rules", required,
    )  # fmt: skip
    few = as_good_as_rules(MODEL, {}, gate.model_copy(update={"rule_converters": 1000}), seed=4)
    converters = len(set(WHO[LABEL].tolist()))
    assert few.text == f"not judged: {converters} of 1000 companies that convert"
    assert not few.blocking


@pytest.mark.parametrize(("worse", "fewer"), [(0.5, 0.5), (0.51, 0.0), (0.0, 0.51), (1.0, 1.0)])
def test_either_comparison_alone_is_lost_above_its_limit(
    monkeypatch: pytest.MonkeyPatch, worse: float, fewer: float
) -> None:
    paired = best_rule.paired_bootstrap
    reach = best_rule.compare_reach
    monkeypatch.setattr(
        best_rule, "paired_bootstrap", lambda *a, **k: replace(paired(*a, **k), probability_worse=worse)
    )
    monkeypatch.setattr(
        best_rule, "compare_reach", lambda *a, **k: replace(reach(*a, **k), probability_fewer=fewer)
    )
    gate = GATE.model_copy(update={"max_probability_worse": 0.5})
    assert as_good_as_rules(MODEL, RULES, gate, seed=4).passed == (worse <= 0.5 and fewer <= 0.5)


def test_a_rule_in_production_is_held_against_as_a_champion_is() -> None:
    gate = GATE.model_copy(update={"require_rule": False, "rule_converters": 1000})
    found = as_good_as_rules(MODEL, RULES, gate, seed=4, standing=True)
    asked = as_good_as_rules(MODEL, RULES, GATE, seed=4)
    assert (found.passed, found.text, found.figures) == (asked.passed, asked.text, asked.figures)
    assert found.blocking
    assert as_good_as_rules(MODEL, {}, gate, seed=4, standing=True).blocking
