"""How long each design of an experiment has to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.outcomes.effect import POWER
from ml_sys.outcomes.lottery import WEEK_DAYS
from ml_sys.outcomes.plan import MOST_YEARS
from ml_sys.text import counted, date_of, signed

if TYPE_CHECKING:
    from ml_sys.jobs.outcomes.experiment import ExperimentPlan
    from ml_sys.outcomes.lottery import Design

_MONTH_DAYS, _MONTHS_FROM = 30.44, 90


def planned(plan: ExperimentPlan) -> None:
    """Show what each design needs, and how to switch the lottery on."""
    rows = [
        (
            _design(one.design, plan.capacity),
            f"over {plan.most_lists}" if one.lists is None else one.lists,
            f"over {MOST_YEARS} years" if one.lists is None else _time(plan.days(one) or 0),
            f"{one.drawn:.0f}",
            f"{one.in_lottery:.1f}",
            f"{plan.given_up(one):.2f}",
        )
        for one in plan.designs
    ]
    console.table(
        f"Lists until an effect of {signed(100 * plan.effect, 0, plus=True)}% shows, with "
        f"{counted(plan.capacity, 'call')} per list "
        f"and a list every {plan.every_days:.0f} days",
        ("design", "lists", "time", "calls by lot", "pay among them", "given up"),
        rows,
        caption=(
            f"simulated on {counted(plan.lists, 'past list')} of version {plan.version}, "
            f"{date_of(plan.first)} to {date_of(plan.last)}; lists: how many it takes until the effect shows "
            f"in {POWER:.0%} of programmes at {plan.confidence:.0%} confidence, once the outcome of the last "
            "is known; given up: conversions per list, if calling has this effect, because the top of the "
            "list is not always called"
        ),
    )
    console.note('switch the lottery on in conf/mlsys.toml: [experiment] design = "lottery"')


def _design(design: Design, capacity: int) -> str:
    if design.kind == "holdout":
        return f"{design.share:.0%} never called"
    certain = int(design.certain_share * capacity)
    drawn = f"lottery among {round(design.pool * capacity)}"
    return f"{drawn}, first {certain} always called" if certain else drawn


def _time(days: float) -> str:
    """Return an approximate duration in words.

    Examples
    --------
    >>> _time(60), _time(616)
    ('9 weeks', '20 months')
    """
    if days < _MONTHS_FROM:
        return counted(round(days / WEEK_DAYS), "week")
    return counted(round(days / _MONTH_DAYS), "month")
