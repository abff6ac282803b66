"""How a version's settings would have done in the past: the slow half of its report."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.errors import NotEnoughDataError
from ml_sys.experiments.backtest import backtest
from ml_sys.experiments.cache import TermStore
from ml_sys.experiments.resampling import compare_resampling
from ml_sys.experiments.schedule import plan_terms
from ml_sys.metrics.money import money
from ml_sys.metrics.promises import promises
from ml_sys.report.evidence import Past

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.model.split import Source, TrainingPart
    from ml_sys.settings import Settings

log = logging.getLogger(__name__)


def play_past(
    root: Path,
    snapshot: Snapshot | Outline,
    source: Source,
    part: TrainingPart,
    settings: Settings,
    on_step: Callable[..., None],
) -> Past:
    """Make past lists again and compare ways to resample, as far as the settings ask for it.

    Parameters
    ----------
    root : Path
        The artifacts folder, in which lists are remembered.
    source : Source
        Of the snapshot.
    part : TrainingPart
        The training part.
    on_step : callable
        Called with the name of each step as it begins, and with the share of it that is done as it goes on.
    """
    asked, confidence = settings.report, settings.bootstrap.confidence
    resampling = None
    if asked.resampling:
        on_step("comparing ways to resample")
        resampling = compare_resampling(part, source.spec(settings), settings)
    if not asked.backtest:
        return Past(resampling=resampling)
    on_step("making past lists again")
    try:
        terms = plan_terms(source.timeline, settings.backtest, settings.panel.step_days)
        store = TermStore(root, snapshot.id, settings, plain=True)
        lists = sum(len(term.cutoffs) for term in terms)
        found = backtest(
            snapshot,
            terms,
            settings,
            store=store,
            source=source,
            on_progress=lambda done: on_step(f"making past lists again: {done} of {lists}", done / lists),
        )
    except NotEnoughDataError as error:
        log.warning("the report has no past lists: %s", error.message)
        return Past(resampling=resampling)
    worth = money(
        found.lists,
        snapshot.closed,
        snapshot.companies["value"].to_numpy(dtype=np.float64),
        days_apart=source.timeline.days_apart,
        capacities=settings.backtest.capacities,
        resamples=settings.bootstrap.resamples,
        confidence=confidence,
        seed=settings.seed,
    )
    kept = promises(found.lists, source.timeline.days_apart, confidence)
    return Past(found, kept, worth, resampling)
