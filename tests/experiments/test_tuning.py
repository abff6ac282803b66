"""The search: never the holdout, the same however often it is interrupted, and honest about its gain."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import optuna
import pytest

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.errors import BusyError, NotEnoughDataError
from ml_sys.experiments import study as studies
from ml_sys.experiments import tuning
from ml_sys.experiments.search_space import STEP, Choice, space_around
from ml_sys.experiments.tuning import _paying, average_precision_at, inner_cutoffs, search, study_key
from ml_sys.model.split import Source, split
from ml_sys.model.train import spec_from
from ml_sys.views.tune import said_of
from tests.model import world as w

# Few rows, so that a trial takes a fraction of a second.
WORLD = w.small_world(companies=120)
SETTINGS = w.settings(
    tune={"trials": 4, "cutoffs": 3},
    panel={"max_cutoffs": 3},
    model={"max_trees": 8, "params": {"line_share": 0.0}},
    resample={"sampling_strategy": "none"},
)
SOURCE = Source.of(WORLD, SETTINGS)
SPACE = space_around(SETTINGS)
CUTOFFS = inner_cutoffs(SOURCE, SETTINGS, SPACE, SETTINGS.tune)


def searched(folder, source=SOURCE, settings=SETTINGS, trials=None, **options):
    if trials is not None:
        settings = settings.model_copy(update={"tune": settings.tune.model_copy(update={"trials": trials})})
    with studies.opened_study(folder) as study:
        return search(study, source, settings, space_around(settings), folder=folder, **options)


def found(result):
    """What was tried and what came of it."""
    return result.trials, result.pruned, result.gain, result.importance


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("study"))


def test_the_first_trial_are_the_settings_in_force(done):
    first = next(one for one in done.trials if one.number == 0)
    assert first.changed == {}
    assert first.values == tuple(average_precision_at(SOURCE, int(c), SETTINGS) for c in CUTOFFS)
    assert done.gain.in_force == first.value
    assert len(done.trials) + done.pruned == 4
    assert all(one.changed for one in done.trials if one.number)


def test_the_best_trial_s_settings_reach_its_values_again(done):
    again = tuple(average_precision_at(SOURCE, int(c), done.settings) for c in CUTOFFS)
    assert again == done.best.values
    assert done.best.value == max(one.value for one in done.trials) == done.gain.best


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search_and_another_one_another(done, tmp_path):
    assert found(searched(tmp_path / "again")) == found(done)
    other = searched(tmp_path / "other", settings=SETTINGS.model_copy(update={"seed": 8}))
    assert [one.changed for one in other.trials] != [one.changed for one in done.trials]


def test_a_search_that_is_interrupted_goes_on_as_if_it_had_not_been(done, tmp_path, monkeypatch):
    asked = []

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) in {5, 9}:  # in the second trial, and later
            raise KeyboardInterrupt
        return average_precision_at(*arguments)

    monkeypatch.setattr(tuning, "average_precision_at", interrupted)
    runs = [searched(tmp_path) for _ in range(3)]
    assert [run.interrupted for run in runs] == [True, True, False]
    assert found(runs[-1]) == found(done)


def test_a_search_that_is_stopped_in_its_first_trial_has_nothing_to_say(done, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "average_precision_at", interrupted)
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path)
    assert found(searched(tmp_path)) == found(done)


def test_more_trials_go_on_from_those_that_are_there(done, tmp_path, monkeypatch):
    searched(tmp_path, trials=2)
    assert found(searched(tmp_path, trials=4)) == found(done)
    monkeypatch.setattr(tuning, "average_precision_at", None)
    assert found(searched(tmp_path, trials=3)) == found(done)


@pytest.mark.slow
def test_a_half_written_line_is_dropped(done, tmp_path):
    searched(tmp_path, trials=2)
    journal = tmp_path / studies.JOURNAL
    content = journal.read_bytes()
    journal.write_bytes(content[:-9])
    (tmp_path / f"{studies.JOURNAL}.lock").touch()  # what Optuna's own lock would leave behind
    assert found(searched(tmp_path)) == found(done)


def test_one_process_at_a_time_searches_in_a_study(tmp_path):
    with (
        studies.opened_study(tmp_path),
        pytest.raises(BusyError, match="another process"),
        studies.opened_study(tmp_path),
    ):
        pass


def test_a_budget_of_time_lets_the_first_trial_be_made(tmp_path):
    result = searched(tmp_path, may_begin=lambda: False)
    assert [one.number for one in result.trials] == [0]
    assert not result.interrupted
    assert said_of(result.gain) == "No trial was better than the current settings."


def test_a_trial_that_is_worse_than_most_is_given_up(tmp_path, monkeypatch):
    worth = iter([0.5] * 3 * 5 + [0.1, 0.1])  # the sixth trial is judged on two cutoffs of three

    monkeypatch.setattr(tuning, "average_precision_at", lambda *_: next(worth))
    seen = []
    result = searched(tmp_path, trials=6, on_trial=lambda done, best: seen.append((done, best)))
    assert (len(result.trials), result.pruned) == (5, 1)
    assert seen[-1] == (6, 0.5)
    assert next(worth, None) is None


def test_where_no_trial_is_better_the_best_are_the_settings_in_force(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "average_precision_at", lambda *_: 0.5)
    result = searched(tmp_path, trials=3)
    assert [one.number for one in result.trials] == [0, 1, 2]
    assert result.best.changed == {}
    assert (result.settings.model, result.settings.panel) == (SETTINGS.model, SETTINGS.panel)


def test_settings_that_the_data_cannot_carry_are_given_up(tmp_path, monkeypatch):
    def hungry(source, cutoff, settings):
        if settings.panel.step_days == 14:
            raise NotEnoughDataError("too few")
        return 0.5

    monkeypatch.setattr(tuning, "average_precision_at", hungry)
    result = searched(tmp_path, trials=8)
    assert result.pruned
    assert all(one.changed.get("panel.step_days") != 14 for one in result.trials)


@contextmanager
def holdout_replaced(source, settings):
    """The same past with another future: from the holdout on everything is otherwise."""
    first = int(split(source, spec_from(settings), settings)[1].cutoff.min())
    rng = np.random.default_rng(5)
    later = WORLD.closed >= first
    other = np.where(
        later & (rng.random(later.size) < 0.8), NEVER_CLOSED, np.where(later, first + 3, WORLD.closed)
    ).astype(np.int32)
    still = np.flatnonzero(WORLD.closed == NEVER_CLOSED)[:20]
    other[still] = first + 5
    values = WORLD.usage_values.copy()
    values[WORLD.usage_stamp + w.PERIOD > first] *= 7
    yield Source.of(replace(WORLD, closed=other, usage_values=values), settings)


@pytest.mark.parametrize("step", [pytest.param(14, marks=pytest.mark.slow), 35])
def test_nothing_that_happens_from_the_holdout_on_changes_the_search(tmp_path, step):
    settings = SETTINGS.model_copy(update={"panel": SETTINGS.panel.model_copy(update={"step_days": step})})
    with holdout_replaced(SOURCE, settings) as other:
        assert other.timeline == SOURCE.timeline
        known = searched(tmp_path / "known", settings=settings, trials=2)
        assert found(searched(tmp_path / "other", other, settings, trials=2)) == found(known)


@pytest.mark.parametrize("step", [7, 28, 42])
def test_every_outcome_looked_at_was_known_before_the_holdout_of_any_step(step):
    settings = SETTINGS.model_copy(update={"panel": SETTINGS.panel.model_copy(update={"step_days": step})})
    space = space_around(settings)
    cutoffs = inner_cutoffs(SOURCE, settings, space, settings.tune)
    steps = next(knob.options for knob in space if isinstance(knob, Choice) and knob.key == STEP)
    assert set(steps) == {7, 14, 28, step}
    for one in steps:
        asked = settings.model_copy(update={"panel": settings.panel.model_copy(update={"step_days": one})})
        _, holdout = split(SOURCE, spec_from(asked), asked)
        assert cutoffs.max() + w.HORIZON <= holdout.cutoff.min()


def test_the_companies_that_a_stratified_split_holds_out_are_not_looked_at():
    settings = SETTINGS.model_copy(
        update={
            "split": SETTINGS.split.model_copy(update={"kind": "stratified", "holdout_share": 0.2}),
            "tune": SETTINGS.tune.model_copy(update={"cutoffs": 8}),
        }
    )
    held = np.unique(split(SOURCE, spec_from(settings), settings)[1].company)
    closed, values = WORLD.closed.copy(), WORLD.usage_values.copy()
    pay = held[closed[held] != NEVER_CLOSED]
    closed[pay] -= 21  # who never pays stays in the stratum of those who do not, and so held out
    assert pay.size
    values[np.isin(WORLD.usage_company, held)] += 3
    other = Source.of(replace(WORLD, closed=closed, usage_values=values), settings)
    cutoff = int(inner_cutoffs(SOURCE, settings, SPACE, settings.tune)[-1])
    known = average_precision_at(SOURCE, cutoff, settings)
    assert average_precision_at(other, cutoff, settings) == known
    assert average_precision_at(SOURCE, cutoff, SETTINGS) != known


def test_too_short_a_history_is_said_to_be():
    short = Source.of(w.small_world(companies=120, weeks=22), SETTINGS)
    with pytest.raises(NotEnoughDataError, match="cutoffs before the holdout"):
        inner_cutoffs(short, SETTINGS, SPACE, SETTINGS.tune)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"threads": 2}, True),
        ({"tune": {"trials": 9, "minutes": 1.0, "cutoffs": 3}}, True),
        ({"score": {"top": 3}}, True),
        ({"tune": {"trials": 4, "cutoffs": 5}}, False),
        ({"tune": {"trials": 4, "cutoffs": 3, "every_days": 14}}, False),
        ({"seed": 9}, False),
        ({"label": {"horizon_days": 14}}, False),
    ],
)
def test_a_study_is_of_what_its_trials_depend_on(changed, same):
    base = w.settings(tune={"trials": 4, "cutoffs": 3})
    other = base.model_validate({**base.model_dump(by_alias=True), **changed})
    keys = [study_key("a" * 16, one, space_around(one), {"xgboost": "3"}) for one in (base, other)]
    assert (keys[0] == keys[1]) == same
    assert study_key("b" * 16, base, space_around(base), {"xgboost": "3"}) != keys[0]
    elsewhere = base.model_copy(update={"model": base.model.model_copy(update={"distributed": True})})
    assert study_key("a" * 16, elsewhere, space_around(base), {"xgboost": "3"}) == keys[0]
    assert study_key("a" * 16, base, space_around(base), {"xgboost": "4"}) != keys[0]


def test_with_enough_trials_what_mattered_is_named(tmp_path, monkeypatch):
    def deep_is_good(source, cutoff, settings):
        return settings.model.params["max_depth"] / 100 + settings.model.params["subsample"] / 1e6

    monkeypatch.setattr(tuning, "average_precision_at", deep_is_good)
    with monkeypatch.context() as patch:
        patch.setattr(optuna.pruners.MedianPruner, "prune", lambda *_: False)
        result = searched(tmp_path, trials=25)
    assert next(iter(result.importance)) == "model.params.max_depth"
    assert sum(result.importance.values()) == pytest.approx(1)
    assert result.best.changed["model.params.max_depth"] == 8


def test_companies_that_pay_within_a_window_are_counted_once_and_from_its_first_day_to_before_its_end():
    closed = np.array([99, 100, 129, 130, 159, 160, NEVER_CLOSED], dtype=np.int32)
    always = np.full(closed.size, NEVER_BEGAN, dtype=np.int32)
    assert _paying((closed, always), np.array([100]), 30) == 2
    assert _paying((closed, always), np.array([100, 130]), 30) == 4
    assert _paying((closed, always), np.array([100, 101]), 30) == 3
    assert _paying((closed, always), np.array([], dtype=np.int32), 30) == 0
    assert _paying((closed, np.where(closed == 129, 100, always)), np.array([100]), 30) == 1


def test_cutoffs_to_choose_by_lie_the_days_asked_for_apart_and_have_conversions_and_a_past():
    asked = SETTINGS.tune.model_copy(update={"every_days": 14, "cutoffs": 4})
    cutoffs = inner_cutoffs(SOURCE, SETTINGS, SPACE, asked)
    assert (np.diff(cutoffs) % 14 == 0).all()
    assert 2 <= cutoffs.size <= 4
    labels = [(SOURCE.closed >= c) & (SOURCE.closed < int(c) + w.HORIZON) for c in cutoffs]
    assert all(one.any() for one in labels)
    nobody = SOURCE.closed.copy()
    nobody[labels[-1]] = NEVER_CLOSED
    fewer = inner_cutoffs(replace(SOURCE, closed=nobody), SETTINGS, SPACE, asked)
    assert cutoffs[-1] not in fewer


def test_a_cutoff_to_choose_by_has_a_past_whichever_step_the_search_takes():
    last = int(CUTOFFS[-1])
    asked = SETTINGS.tune.model_copy(update={"every_days": 7, "cutoffs": 2})

    def usable(*days):
        closed = np.full_like(SOURCE.closed, NEVER_CLOSED)
        closed[: len(days) + 1] = [last + 1, *days]
        return inner_cutoffs(replace(SOURCE, closed=closed), SETTINGS, SPACE, asked).tolist()

    # Three cutoffs a week apart do not reach back as far as three that lie four weeks apart.
    with pytest.raises(NotEnoughDataError, match="only 0 of 2 cutoffs"):
        usable(last - 80, last - 80)
    # One converter is none that folds could be made of.
    with pytest.raises(NotEnoughDataError, match="only 0 of 2 cutoffs"):
        usable(last - 30)
    assert usable(last - 30, last - 30) == [last - 7, last]


def test_one_cutoff_is_too_few_to_choose_by_and_to_judge_the_choice():
    last = int(CUTOFFS[-1])
    closed = np.full_like(SOURCE.closed, NEVER_CLOSED)
    closed[:3] = [last + 25, last - 30, last - 30]  # within the window of the last cutoff alone
    asked = SETTINGS.tune.model_copy(update={"every_days": 7, "cutoffs": 2})
    with pytest.raises(NotEnoughDataError, match="only 1 of 2 cutoffs"):
        inner_cutoffs(replace(SOURCE, closed=closed), SETTINGS, SPACE, asked)


def test_a_stratified_search_looks_at_the_latest_cutoffs_whose_outcome_is_known():
    settings = SETTINGS.model_copy(update={"split": SETTINGS.split.model_copy(update={"kind": "stratified"})})
    asked = SETTINGS.tune.model_copy(update={"every_days": 7, "cutoffs": 4})
    latest, at = SOURCE.timeline.latest_mature(), np.arange(w.COMPANIES)[: SOURCE.closed.size]
    closed = np.where(at < 80, latest + w.HORIZON - 1 - 7 * (at % 20), NEVER_CLOSED).astype(np.int32)
    found = inner_cutoffs(replace(SOURCE, closed=closed), settings, SPACE, asked)
    assert found.tolist() == [latest - 21, latest - 14, latest - 7, latest]


def test_a_trial_is_given_up_by_its_mean_so_far_and_never_after_its_last_cutoff(tmp_path, monkeypatch):
    # After five trials of a half, one begins well, and ends so badly that its mean is below theirs.
    values = iter([0.5] * 15 + [0.9, 0.3, 0.1])
    monkeypatch.setattr(tuning, "average_precision_at", lambda *_: next(values))
    told = []
    result = searched(tmp_path, trials=6, on_trial=lambda done, best: told.append((done, best)))
    assert result.pruned == 0
    assert result.trials[-1].values == (0.9, 0.3, 0.1)
    assert told[-1] == (6, 0.5)


def test_the_best_value_so_far_is_told_after_each_trial(tmp_path, monkeypatch):
    values = iter([0.2] * 3 + [0.4] * 3 + [0.3] * 3)
    monkeypatch.setattr(tuning, "average_precision_at", lambda *_: next(values))
    told = []
    result = searched(tmp_path, trials=3, on_trial=lambda done, best: told.append((done, best)))
    assert np.isnan(told[0][1])
    assert told[1:] == [(1, pytest.approx(0.2)), (2, pytest.approx(0.4)), (3, pytest.approx(0.4))]
    assert [one.number for one in result.trials] == [1, 2, 0]
    assert result.best.changed
    assert result.settings.model.params != SETTINGS.model.params
