"""The design of the experiment, as the settings have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.outcomes.lottery import Design

if TYPE_CHECKING:
    from ml_sys.settings import Settings


def experiment_design(settings: Settings, *, horizon_days: int, capacity: int) -> Design:
    """Return how it is drawn who is called.

    Parameters
    ----------
    settings : Settings
    horizon_days : int
        Of the version that ranks.
    capacity : int
        Calls a list.
    """
    chosen = settings.experiment
    return Design(
        chosen.design,
        capacity,
        settings.seed,
        horizon_days,
        pool=chosen.pool,
        certain_share=chosen.certain_share,
        wait_weeks=chosen.wait_weeks,
        share=chosen.share,
        hold_weeks=chosen.hold_weeks,
    )
