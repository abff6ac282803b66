"""A search on disk: what the next trial tries depends on the seed and on the finished trials alone."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from ml_sys.errors import BusyError
from ml_sys.experiments import study as studies
from ml_sys.experiments.search_space import IMBALANCE, Choice, Range

SPACE = (
    Choice(IMBALANCE, ("none", "weighted")),
    Range("depth", 2, 8, whole=True),
    Range("rate", 0.01, 1.0, log=True),
    Range("weight", 2.0, 300.0, log=True, when="weighted"),
)
START = {IMBALANCE: "weighted", "depth": 3, "rate": 0.5, "weight": 7.0}


@pytest.fixture
def study(tmp_path):
    with studies.opened_study(tmp_path) as opened:
        yield opened


def whole_search(study, trials: int, seed: int = 5) -> list:
    for _ in range(trials):
        trial, _ = studies.begin_trial(study, SPACE, START, seed)
        studies.end_trial(study, trial, [0.1, 0.2 + trial.params["depth"] / 100])
    return studies.finished_trials(study)


def test_the_first_trial_tries_the_start_and_each_is_remembered_with_its_values(study):
    trial, point = studies.begin_trial(study, SPACE, START, 5)
    assert point == START
    studies.end_trial(study, trial, [0.25, 0.75])
    assert study.trials[0].value == 0.5
    second, point = studies.begin_trial(study, SPACE, START, 5)
    assert point != START
    studies.cut_short(study, second)
    assert studies.finished_trials(study) == [(0, START, [0.25, 0.75]), (1, point, None)]


def test_a_knob_of_another_kind_of_imbalance_is_not_drawn(study):
    for _, point, _ in whole_search(study, 8):
        assert ("weight" in point) == (point[IMBALANCE] == "weighted")
        assert isinstance(point["depth"], int)
        assert 2 <= point["depth"] <= 8
        assert 0.01 <= point["rate"] <= 1


def test_numbers_on_a_logarithmic_scale_are_drawn_by_their_order_of_magnitude(tmp_path):
    for log, few in ((True, False), (False, True)):
        space = (Choice(IMBALANCE, ("none",)), Range("rate", 0.001, 1.0, log=log))
        with studies.opened_study(tmp_path / str(log)) as study:
            for _ in range(10):
                trial, _ = studies.begin_trial(study, space, {IMBALANCE: "none", "rate": 1.0}, 3)
                studies.end_trial(study, trial, [0.5])
            small = sum(point["rate"] < 0.1 for _, point, _ in studies.finished_trials(study))
        assert (small < 4) == few


def test_the_same_seed_tries_the_same_whatever_was_left_half_done(study, tmp_path):
    expected = whole_search(study, 5)
    with studies.opened_study(tmp_path / "other") as other:
        first = whole_search(other, 2)
        studies.begin_trial(other, SPACE, START, 5)  # never finished
    with studies.opened_study(tmp_path / "other") as other:
        assert other.trials[2].state == TrialState.FAIL
        assert studies.finished_trials(other) == first
        assert whole_search(other, 3) == expected
    with studies.opened_study(tmp_path / "seed") as seeded:
        assert whole_search(seeded, 5, seed=6) != expected


def test_a_start_that_was_never_evaluated_is_tried_first_again(tmp_path):
    with studies.opened_study(tmp_path) as study:
        studies.begin_trial(study, SPACE, START, 5)
    with studies.opened_study(tmp_path) as study:
        assert studies.begin_trial(study, SPACE, START, 5)[1] == START
        study.enqueue_trial(START)  # waiting already
        waiting = len(study.get_trials(states=(TrialState.WAITING,)))
        studies.begin_trial(study, SPACE, START, 5)
        assert len(study.get_trials(states=(TrialState.WAITING,))) == waiting - 1


def test_a_half_written_line_is_cut_off_and_whole_ones_stay(tmp_path):
    with studies.opened_study(tmp_path) as study:
        whole_search(study, 1)
    journal = tmp_path / studies.JOURNAL
    whole = journal.read_bytes()
    for torn in (b'{"op_code": 4, "tri', b""):
        journal.write_bytes(whole + torn)
        with studies.opened_study(tmp_path) as study:
            assert len(studies.finished_trials(study)) == 1
        assert journal.read_bytes().startswith(whole)
        assert torn == b"" or torn not in journal.read_bytes()


def test_a_study_that_is_searched_is_busy_and_free_afterwards(tmp_path):
    with studies.opened_study(tmp_path) as study:
        assert study.direction.name == "MAXIMIZE"
        with (
            pytest.raises(BusyError, match=f"{tmp_path}: another process searches") as busy,
            studies.opened_study(tmp_path),
        ):
            pass
        assert busy.value.hint == "wait for it, or stop it"
    with studies.opened_study(tmp_path):
        pass


def complete(value: float, depth: int) -> optuna.trial.FrozenTrial:
    spread = optuna.distributions.IntDistribution(2, 8)
    return create_trial(value=value, params={"depth": depth}, distributions={"depth": spread})


def test_what_mattered_is_told_from_twenty_trials_that_differ(study):
    for number in range(19):
        study.add_trial(complete(number % 7 / 10, 2 + number % 7))
    assert studies.importance_of_knobs(study) == {}
    study.add_trial(complete(0.3, 5))
    assert studies.importance_of_knobs(study) == {"depth": 1.0}


def test_trials_that_are_all_the_same_tell_nothing(study):
    for number in range(25):
        study.add_trial(complete(0.5, 2 + number % 7))
    assert studies.importance_of_knobs(study) == {}


def test_a_trial_is_given_up_from_its_second_cutoff_on_once_five_are_there(study):
    for _ in range(4):
        trial, _ = studies.begin_trial(study, SPACE, START, 5)
        for step in range(3):
            trial.report(0.5, step)
        studies.end_trial(study, trial, [0.5] * 3)
    worse, _ = studies.begin_trial(study, SPACE, START, 5)
    for step in range(3):
        worse.report(0.1, step)
        assert not worse.should_prune()
    studies.end_trial(study, worse, [0.1] * 3)
    worse, _ = studies.begin_trial(study, SPACE, START, 5)
    given_up = []
    for step in range(3):
        worse.report(0.2, step)
        given_up.append(worse.should_prune())
    assert given_up == [False, True, True]
    studies.cut_short(study, worse)
    better, _ = studies.begin_trial(study, SPACE, START, 5)
    for step in range(3):
        better.report(0.9, step)
        assert not better.should_prune()
    assert np.isclose(study.best_value, 0.5)
