"""How long each design of an experiment has to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.outcomes.effect import POWER
from ml_sys.outcomes.plan import MOST_WEEKS
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from ml_sys.jobs.outcomes.experiment import ExperimentPlan
    from ml_sys.outcomes.lottery import Design


def planned(plan: ExperimentPlan) -> None:
    """Show what each design asks for, and how the lottery is switched on."""
    rows = [
        (
            _design(one.design, plan.capacity),
            f"over {MOST_WEEKS}" if one.weeks is None else one.weeks,
            f"{one.drawn:.0f}",
            f"{one.in_lottery:.1f}",
            f"{plan.given_up(one):.2f}",
        )
        for one in plan.designs
    ]
    console.table(
        f"Weeks until an effect of {plan.effect:+.0%} shows, with {counted(plan.capacity, 'call')} a week",
        ("design", "weeks", "calls by lot", "pay among those drawn for", "given up a week"),
        rows,
        caption=(
            f"played on {counted(plan.lists, 'past list')} of version {plan.version}, "
            f"{date_of(plan.first)} to {date_of(plan.last)}; weeks after which the effect shows in "
            f"{POWER:.0%} of programmes at {plan.confidence:.0%} confidence, and the conversions a week that "
            "are given up if calling has this effect and the first of the list are not always called"
        ),
    )
    console.note('switch the lottery on in conf/mlsys.toml: [experiment] design = "lottery"')


def _design(design: Design, capacity: int) -> str:
    if design.kind == "holdout":
        return f"{design.share:.0%} never called"
    certain = int(design.certain_share * capacity)
    drawn = f"lottery among {round(design.pool * capacity)}"
    return f"{drawn}, first {certain} always called" if certain else drawn
