"""Search for better settings, resume an earlier search, and write the best to a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.data import snapshot as snapshots
from ml_sys.durable import replacing
from ml_sys.experiments import search_space, study, tuning
from ml_sys.model.split import Source
from ml_sys.registry.environment import environment
from ml_sys.settings import writing
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_sys.experiments.tuning import Trial, Tuned
    from ml_sys.settings import Settings

_MINUTE = 60
_DIGITS = 4


@dataclass(frozen=True)
class Search:
    """A search for better settings, so far.

    Attributes
    ----------
    asked : int
        Number of trials asked for.
    written : Path or None
        File of the best settings.
    """

    tuned: Tuned
    asked: int
    written: Path | None

    @property
    def done(self) -> int:
        """Number of trials done, including those stopped early."""
        return len(self.tuned.trials) + self.tuned.pruned

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        found = self.tuned
        return {
            "study": found.folder,
            "interrupted": found.interrupted,
            "cutoffs": [date_of(c) for c in found.cutoffs],
            "in_force": found.gain.in_force,
            "best": found.gain.best,
            "nested": found.gain.nested,
            "selection": found.gain.selection,
            "pruned": found.pruned,
            "trials": [_trial(one) for one in found.trials],
            "importance": found.importance,
            "written": self.written,
        }


def tune_settings(
    settings: Settings,
    out: Path | None,
    *,
    clock: Callable[[], float],
    on_trial: Callable[[int, float], None] = lambda *_: None,
) -> Search:
    """Search for better settings on cutoffs before the holdout.

    Parameters
    ----------
    settings : Settings
        The settings to start from.
    out : Path, optional
        TOML file to write the best settings to.
    clock : callable
        Returns seconds from any fixed moment.
    on_trial : callable
        Called with the number of trials done and the best value so far.

    Raises
    ------
    NotEnoughDataError
        If the snapshot is too small for a search.
    StorageError
        If the study or the settings cannot be written.
    """
    snapshot = snapshots.opened_latest(settings.artifacts_dir)
    source, space = Source.of(snapshot, settings), search_space.space_around(settings)
    key = tuning.study_key(snapshot.id, settings, space, environment()["packages"])
    folder = settings.artifacts_dir / tuning.STUDIES / key
    until = clock() + settings.tune.minutes * _MINUTE if settings.tune.minutes else float("inf")
    with study.opened_study(folder) as opened:
        found = tuning.search(
            opened,
            source,
            settings,
            space,
            folder=folder,
            may_begin=lambda: clock() < until,
            on_trial=on_trial,
        )
    if out is not None:
        text = writing.as_changes(found.settings, _head(found, key))
        with replacing(out) as sink:
            sink.write(text.encode())
    return Search(found, settings.tune.trials, out)


def _head(result: Tuned, key: str) -> list[str]:
    """Return the comment that names the search a settings file came from."""
    gain = result.gain
    return [
        f"Found by mlsys tune in study {key}: trial {result.best.number} of "
        f"{len(result.trials) + result.pruned}.",
        f"Mean average precision at {counted(len(result.cutoffs), 'past cutoff')}: {gain.best:.{_DIGITS}f}; "
        f"settings in force then: {gain.in_force:.{_DIGITS}f}; nested estimate: {gain.nested:.{_DIGITS}f}.",
        "It has every setting that differs from its default, and needs no other file.",
    ]


def _trial(one: Trial) -> dict[str, Any]:
    return {
        "number": one.number,
        "average_precision": one.value,
        "by_cutoff": one.values,
        "changed": one.changed,
    }
