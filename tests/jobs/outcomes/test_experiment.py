"""How long an experiment has to run is said by the company's own lists, before it starts."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.engine.mapping import Engine
from ml_sys.jobs.outcomes.experiment import LISTS, ExperimentPlan, latest_lists
from ml_sys.outcomes.lottery import Design
from ml_sys.outcomes.plan import Waiting
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.views.experiment import planned

HORIZON = 30


@pytest.fixture(scope="module")
def made(registered, snapshot, everyone):
    return latest_lists(load_scorer(Registry(registered), "1.0.0"), everyone, HORIZON, Engine(workers=1))


def test_the_lists_are_a_week_apart_and_end_with_the_usage(made, source):
    cutoffs, probability = made
    assert len(cutoffs) == probability.shape[1] == LISTS
    assert set(np.diff(cutoffs)) == {7}
    assert cutoffs[-1] == source.timeline.usage_end


def test_who_had_paid_is_on_no_list_and_everybody_else_on_each(made, snapshot):
    cutoffs, probability = made
    there = snapshot.closed[:, None] >= cutoffs
    np.testing.assert_array_equal(np.isnan(probability), ~there)
    assert (snapshot.closed == NEVER_CLOSED).any()


def test_the_terminal_shows_every_design_and_how_the_lottery_is_switched_on(capsys):
    lottery = Design("lottery", 20, 7, HORIZON)
    designs = (
        Waiting(lottery, 52, 20.0, 1.5, 1.0, 1.2, (0.1, 0.8)),
        Waiting(replace(lottery, certain_share=0.2), None, 16.0, 1.0, 1.1, 1.2, (0.1, 0.2)),
        Waiting(replace(lottery, kind="holdout"), 104, 20.0, 1.4, 1.16, 1.2, (0.1, 0.8)),
    )
    planned(ExperimentPlan("1.0.0", 18_000, 18_175, 26, 20, 7.0, 0.5, 0.95, designs))
    shown = capsys.readouterr()
    assert "Lists until an effect of +50% shows, with 20 calls per list and a list every 7 days" in shown.out
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in shown.out.splitlines() if line.startswith("│")]
    assert rows == [
        ["lottery among 40", "52", "12 months", "20", "1.5", "0.10"],
        ["lottery among 40, first 4 always called", "over 260", "over 5 years", "16", "1.0", "0.05"],
        ["10% never called", "104", "24 months", "20", "1.4", "0.02"],
    ]
    assert 'design = "lottery"' in shown.err


@pytest.mark.slow  # simulates
def test_as_json_it_says_how_often_the_effect_shows_after_each_week(mlsys, registered):
    shown = mlsys("experiment", "plan", "--capacity", 20, "--effect", 1, "--json", artifacts=registered)
    told = json.loads(shown.stdout)
    assert told["version"] == "1.0.0"
    assert [one["design"] for one in told["designs"]] == ["lottery", "lottery", "lottery", "holdout"]
    lottery = told["designs"][0]
    assert lottery["calls_by_lot"] == 20
    assert told["lists"]["every_days"] == 7
    if lottery["lists"]:
        assert lottery["power_by_list"][lottery["lists"] - 1] >= 0.8
        assert lottery["days"] == 7 * (lottery["lists"] - 1)
    assert lottery["given_up"] > 0
