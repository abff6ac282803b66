"""An Optuna search stored on disk trial by trial, so that a killed one resumes where it stopped.

What a trial tries depends on the seed and on the finished trials alone: a search that was interrupted any
number of times tries what an uninterrupted one does. Only `mlsys tune` imports this, and with it Optuna.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from ml_sys.durable import make_folder, storage_errors
from ml_sys.errors import BusyError
from ml_sys.experiments.search_space import IMBALANCE, Choice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_sys.experiments.search_space import Point, Range, Space

JOURNAL, LOCK, NAME = "journal.jsonl", "lock", "tune"
# Trials before the sampler learns from them, and before one is cut short.
_RANDOM_TRIALS, _UNPRUNED_TRIALS = 10, 5
# Cutoffs that every trial is judged on before it may be cut short.
_UNPRUNED_CUTOFFS = 2
# Fewer trials say next to nothing of what mattered.
_ENOUGH_TRIALS = 20
_VALUES = "values"

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@contextmanager
def opened_study(folder: Path) -> Iterator[optuna.Study]:
    """Open or create a study, and lock it until the end of the block.

    Raises
    ------
    BusyError
        If another process does.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors(folder):
        make_folder(folder)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise BusyError(
                f"{folder}: another process searches in this study", hint="wait for it, or stop it"
            ) from error
    try:
        with storage_errors(folder):
            _drop_torn_line(folder / JOURNAL)
        journal = str(folder / JOURNAL)
        storage = JournalStorage(JournalFileBackend(journal, lock_obj=_Ours(journal)))
        study = optuna.create_study(
            storage=storage,
            study_name=NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=_UNPRUNED_TRIALS, n_warmup_steps=_UNPRUNED_CUTOFFS - 1
            ),
        )
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(left.number, state=TrialState.FAIL)
        yield study
    finally:
        lock.release()


def begin_trial(study: optuna.Study, space: Space, start: Point, seed: int) -> tuple[optuna.Trial, Point]:
    """Begin the next trial and return what it tries: the first one ``start``."""
    done = len(study.get_trials(deepcopy=False, states=FINISHED))
    drawn = int(np.random.SeedSequence([seed, done]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=_RANDOM_TRIALS)
    if not done and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.enqueue_trial(start)
    trial = study.ask()
    return trial, _suggested(trial, space)


def end_trial(study: optuna.Study, trial: optuna.Trial, values: list[float]) -> None:
    """Store a trial that was evaluated on every cutoff."""
    trial.set_user_attr(_VALUES, values)
    study.tell(trial, float(np.mean(values)))


def cut_short(study: optuna.Study, trial: optuna.Trial) -> None:
    """Store a trial as pruned."""
    study.tell(trial, state=TrialState.PRUNED)


def finished_trials(study: optuna.Study) -> list[tuple[int, Point, list[float] | None]]:
    """Return each finished trial's number, what it tried, and its value at each cutoff; None if given up."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    return [(number, dict(one.params), one.user_attrs.get(_VALUES)) for number, one in enumerate(trials)]


def importance_of_knobs(study: optuna.Study) -> dict[str, float]:
    """Return how much of the variation among the best trials each knob explains; empty for too few."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _ENOUGH_TRIALS or len({one.value for one in complete}) == 1:
        return {}
    shares = optuna.importance.get_param_importances(study)
    return {name: float(share) for name, share in shares.items() if np.isfinite(share)}


def _suggested(trial: optuna.Trial, space: Space) -> Point:
    point: Point = {}
    for knob in space:
        if isinstance(knob, Choice) or not knob.when or knob.when == point[IMBALANCE]:
            point[knob.key] = _suggest(trial, knob)
    return point


def _suggest(trial: optuna.Trial, knob: Choice | Range) -> Any:
    if isinstance(knob, Choice):
        return trial.suggest_categorical(knob.key, knob.options)
    if knob.whole:
        return trial.suggest_int(knob.key, int(knob.low), int(knob.high), log=knob.log)
    return trial.suggest_float(knob.key, knob.low, knob.high, log=knob.log)


class _Ours(JournalFileOpenLock):
    """The folder's lock is held, and unlike the journal's own it is gone with a killed process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a killed process had half-written, as the journal cannot be read with it."""
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with journal.open("r+b") as file:
            file.truncate(whole)
