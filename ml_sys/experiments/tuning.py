"""Search for better settings on past cutoffs.

A trial is worth the mean average precision that its settings reach at past cutoffs, each judged by a model of
what was mature then. All of them lie before the holdout, so that `mlsys train` judges what was found on
outcomes that had no part in finding it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.errors import NotEnoughDataError
from ml_sys.experiments import study as studies
from ml_sys.experiments.cache import code_digest, own_code
from ml_sys.experiments.search_space import STEP, Choice, Space, changes, settings_at, start_of
from ml_sys.experiments.selection import Gain, gain
from ml_sys.features.sampling import labels
from ml_sys.metrics.ranking import Outcomes, ranking_metrics
from ml_sys.model.split import Source, held_companies, holdout_cutoffs, rolling, training_part
from ml_sys.model.train import fit_model
from ml_sys.settings.tree import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import optuna
    from numpy.typing import NDArray

    from ml_sys.settings import Settings, TuneSettings

STUDIES = "studies"
# Settings that decide what a trial is worth, beside the space and the versions of libraries.
_GROUPS = ("usage", "label", "panel", "split", "features", "resample", "model", "calibration", "seed")
_KEY_DIGITS = 16
_LEAST_CUTOFFS = 2  # one to choose by and one to judge the choice
_LEAST_CONVERTERS = 2  # that company folds need


@dataclass(frozen=True)
class Trial:
    """A trial that was evaluated on every cutoff.

    Attributes
    ----------
    number : int
        Place among the finished trials; 0 are the current settings.
    changed : dict
        Settings that differ from those in force, by dotted key; None for a parameter left out.
    values : tuple of float
        Average precision at each cutoff.
    """

    number: int
    changed: dict[str, Any]
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """Mean average precision."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    folder : Path
        Of the study.
    cutoffs : tuple of int
        Days since 1970-01-01.
    trials : tuple of Trial
        Those judged on every cutoff, best first.
    pruned : int
        Trials stopped early.
    importance : dict of str to float
        Share of the spread of the best trials that each knob explains; empty for too few trials.
    settings : Settings
        Those of the best trial.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    folder: Path
    cutoffs: tuple[int, ...]
    trials: tuple[Trial, ...]
    pruned: int
    gain: Gain
    importance: dict[str, float]
    settings: Settings
    interrupted: bool

    @property
    def best(self) -> Trial:
        """The best trial; the current settings when none is better."""
        return self.trials[0]


def study_key(snapshot: str, settings: Settings, space: Space, versions: Mapping[str, str]) -> str:
    """Return the name of the study of a snapshot, settings, space, code and versions of libraries."""
    values = {key: one for key, one in entries(settings).items() if key.partition(".")[0] in _GROUPS}
    del values["model.distributed"]  # for the version's own trees alone
    tune = {"cutoffs": settings.tune.cutoffs, "every_days": settings.tune.every_days}
    code = [code_digest(), own_code(settings)]
    content = [snapshot, values, tune, [asdict(knob) for knob in space], dict(versions), code]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_KEY_DIGITS]


def inner_cutoffs(source: Source, settings: Settings, space: Space, asked: TuneSettings) -> NDArray[np.int32]:
    """Return the past cutoffs that trials are evaluated on, ascending.

    Each has a conversion and, whichever step between cutoffs the search chooses, two to learn from; its
    outcome was known by the first cutoff of the holdout.

    Raises
    ------
    NotEnoughDataError
        If fewer than two are left.
    """
    timeline, split = source.timeline, settings.split
    latest, steps = timeline.latest_mature(), _steps(space)
    there, horizon = (source.closed, source.inputs.since), settings.label.horizon_days
    if split.kind == "stratified":
        kept = ~held_companies(source, split.holdout_share, settings.seed)
        there = (there[0][kept], there[1][kept])
        cutoffs = timeline.grid(latest, asked.every_days, asked.cutoffs)
    else:
        holdout = holdout_cutoffs(timeline, split)
        before = int(holdout[0]) if holdout.size else latest
        cutoffs = timeline.training_cutoffs(before, asked.every_days, asked.cutoffs)
    usable = [
        int(c)
        for c in cutoffs
        if _paying(there, np.array([c]), horizon)
        and all(
            _paying(there, timeline.training_cutoffs(int(c), step, settings.panel.max_cutoffs), horizon)
            >= _LEAST_CONVERTERS
            for step in steps
        )
    ]
    if len(usable) < _LEAST_CUTOFFS:
        raise NotEnoughDataError(
            f"only {len(usable)} of {asked.cutoffs} cutoffs before the holdout has conversions and a past",
            hint="ingest a longer history, or lower tune.every_days or split.holdout_cutoffs",
        )
    return np.array(usable, dtype=np.int32)


def average_precision_at(source: Source, cutoff: int, settings: Settings) -> float:
    """Fit to what was mature at a cutoff and return the average precision over all prospects of that day."""
    spec, seed = source.spec(settings), settings.seed
    stratified = settings.split.kind == "stratified"
    companies = ~held_companies(source, settings.split.holdout_share, seed) if stratified else None
    part = training_part(source, cutoff, spec, settings.panel, seed, companies)
    model, _ = fit_model(part.train, part.validation, spec, settings)
    panel = rolling(source, np.array([cutoff], dtype=np.int32), spec)
    if companies is not None:
        panel = panel.take(companies[panel.company])
    judged = Outcomes(model.probabilities(panel.rows), panel.label, panel.cutoff, panel.company)
    return float(ranking_metrics(judged, np.ones((1, len(panel))))["average_precision"][0])


def search(
    study: optuna.Study,
    source: Source,
    settings: Settings,
    space: Space,
    *,
    folder: Path,
    may_begin: Callable[[], bool] = lambda: True,
    on_trial: Callable[[int, float], None] = lambda _done, _best: None,
) -> Tuned:
    """Try settings until the study has as many trials as requested, and summarise.

    Ctrl-C ends it early; the trials that were finished are kept.

    Parameters
    ----------
    study : optuna.Study
        Opened by :func:`ml_sys.experiments.study.opened_study`.
    settings : Settings
        Those in force, which the first trial tries.
    folder : Path
        Of the study.
    may_begin : callable
        Asked before each trial but the first.
    on_trial : callable
        Called with the number of finished trials and the best value so far.

    Raises
    ------
    NotEnoughDataError
        If the data cannot carry a first trial.
    """
    cutoffs = inner_cutoffs(source, settings, space, settings.tune)
    interrupted = False
    try:
        while True:
            done = studies.finished_trials(study)
            known = [float(np.mean(values)) for _, _, values in done if values]
            on_trial(len(done), max(known, default=float("nan")))
            if len(done) >= settings.tune.trials or (done and not may_begin()):
                break
            _one_trial(study, source, settings, space, cutoffs)
    except KeyboardInterrupt:
        if not studies.finished_trials(study):
            raise
        interrupted = True
    return _summed_up(study, settings, cutoffs, folder, interrupted=interrupted)


def _one_trial(
    study: optuna.Study, source: Source, settings: Settings, space: Space, cutoffs: NDArray[np.int32]
) -> None:
    first = not studies.finished_trials(study)
    trial, point = studies.begin_trial(study, space, start_of(space, settings), settings.seed)
    tried = settings if first else settings_at(settings, point)
    values: list[float] = []
    for step, cutoff in enumerate(cutoffs):
        try:
            values.append(average_precision_at(source, int(cutoff), tried))
        except NotEnoughDataError:
            if first:
                raise
            studies.cut_short(study, trial)
            return
        trial.report(float(np.mean(values)), step)
        if step + 1 < cutoffs.size and trial.should_prune():
            studies.cut_short(study, trial)
            return
    studies.end_trial(study, trial, values)


def _summed_up(
    study: optuna.Study, settings: Settings, cutoffs: NDArray[np.int32], folder: Path, *, interrupted: bool
) -> Tuned:
    trials, found, pruned = [], {}, 0
    for number, point, values in studies.finished_trials(study):
        if values is None:
            pruned += 1
            continue
        found[number] = settings if number == 0 else settings_at(settings, point)
        trials.append(Trial(number, changes(settings, found[number]), tuple(values)))
    judged = gain(np.array([one.values for one in trials]))
    ranked = tuple(sorted(trials, key=lambda one: (-one.value, one.number)))
    return Tuned(
        folder=folder,
        cutoffs=tuple(int(c) for c in cutoffs),
        trials=ranked,
        pruned=pruned,
        gain=judged,
        importance=studies.importance_of_knobs(study),
        settings=found[ranked[0].number],
        interrupted=interrupted,
    )


def _paying(
    there: tuple[NDArray[np.int32], NDArray[np.int32]], cutoffs: NDArray[np.int32], horizon_days: int
) -> int:
    """Count the companies that paid within the horizon of any of the cutoffs, by which they existed."""
    closed, since = there
    return int(labels(closed, cutoffs, horizon_days, since)[1].any(axis=1).sum())


def _steps(space: Space) -> list[int]:
    return [
        int(step) for knob in space if isinstance(knob, Choice) and knob.key == STEP for step in knob.options
    ]
