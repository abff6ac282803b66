"""How long an experiment has to run is said by the company's own lists, before it starts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.jobs.outcomes.experiment import LISTS, weekly_lists
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry

HORIZON = 30


@pytest.fixture(scope="module")
def made(registered, snapshot):
    return weekly_lists(load_scorer(Registry(registered), "1.0.0"), snapshot, HORIZON)


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


def test_the_command_shows_every_design_and_how_the_lottery_is_switched_on(mlsys, registered):
    shown = mlsys("experiment", "plan", "--capacity", 20, "--effect", 1, artifacts=registered)
    assert shown.returncode == 0, shown.stderr
    for design in ("lottery among 40 ", "first 2 always called", "first 4 always called", "10% never called"):
        assert design in shown.stdout
    assert 'design = "lottery"' in shown.stderr


def test_as_json_it_says_how_often_the_effect_shows_after_each_week(mlsys, registered):
    shown = mlsys("experiment", "plan", "--capacity", 20, "--effect", 1, "--json", artifacts=registered)
    told = json.loads(shown.stdout)
    assert told["version"] == "1.0.0"
    lottery = told["designs"][0]
    assert (lottery["design"], lottery["calls_by_lot"]) == ("lottery", 20)
    if lottery["weeks"]:
        assert lottery["power_by_week"][lottery["weeks"] - 1] >= 0.8
    assert lottery["given_up"] > 0
