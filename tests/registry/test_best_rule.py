"""The simple rules that a version is held against: those of its own companies, from its snapshot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_sys.features.rules import MOST_ACTIONS, MOST_USERS
from ml_sys.metrics.ranking import Outcomes
from ml_sys.registry.best_rule import as_good_as_rules, rules_of
from ml_sys.registry.loading import judged
from ml_sys.registry.store import Registry
from ml_sys.settings import GateSettings


def test_rules_of_an_honest_version_are_those_of_its_holdout_row_by_row(registered: Path) -> None:
    registry = Registry(registered)
    artifact = registry.open("1.0.0")
    found = judged(registry, artifact)
    rules = rules_of(registry, artifact, found)
    assert set(rules) == {MOST_ACTIONS, MOST_USERS} == set(found.panel.rules)
    for name, score in rules.items():
        np.testing.assert_array_equal(score, found.panel.rules[name])
    forged = replace(found, panel=replace(found.panel, rules={name: -score for name, score in rules.items()}))
    again = rules_of(registry, artifact, forged)
    np.testing.assert_array_equal(again[MOST_USERS], rules[MOST_USERS])
    stranger = replace(found.panel, company=(found.panel.company + 10**6).astype(np.int32))
    kept = rules_of(registry, artifact, replace(found, panel=stranger))
    assert kept is stranger.rules


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
