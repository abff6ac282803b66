"""A search as plain data, and what stands at the head of the settings that it found."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.experiments.selection import Gain
from ml_sys.experiments.tuning import Trial, Tuned
from ml_sys.jobs.past.tune import Search, _head
from ml_sys.settings import Settings

# The best one first.
TRIALS = (Trial(1, {"seed": 3}, (0.5, 0.75)), Trial(0, {}, (0.25, 0.5)))
TUNED = Tuned(
    Path("studies/ab"), (18_000, 18_035), TRIALS, 3, Gain(0.375, 0.625, 0.56251), {"seed": 1.0}, Settings(),
    False,
)  # fmt: skip


def test_trials_given_up_on_the_way_count_as_done() -> None:
    assert Search(TUNED, 9, None).done == 5


def test_a_search_is_plain_data() -> None:
    told = Search(TUNED, 9, Path("best.toml")).to_plain()
    assert told["cutoffs"] == ["2019-04-14", "2019-05-19"]
    assert (told["study"], told["written"]) == (Path("studies/ab"), Path("best.toml"))
    assert (told["in_force"], told["best"], told["nested"]) == (0.375, 0.625, 0.56251)
    assert told["selection"] == pytest.approx(0.06249)
    assert (told["pruned"], told["interrupted"], told["importance"]) == (3, False, {"seed": 1.0})
    assert told["trials"] == [
        {"number": 1, "average_precision": 0.625, "by_cutoff": (0.5, 0.75), "changed": {"seed": 3}},
        {"number": 0, "average_precision": 0.375, "by_cutoff": (0.25, 0.5), "changed": {}},
    ]


def test_settings_that_were_found_say_by_which_trial_and_how_far_to_trust_them() -> None:
    first, second, _ = _head(TUNED, "ab")
    assert first == "Found by mlsys tune in study ab: trial 1 of 5."
    assert second == (
        "Mean average precision at 2 past cutoffs: 0.6250; settings in force then: 0.3750; nested estimate: "
        "0.5625."
    )
