"""How long an experiment has to run, by this company's own lists, before it is switched on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data import snapshot
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.known import KnownFeatures
from ml_sys.features.panel import rolling_panel
from ml_sys.jobs.lists.handing_out import design_of
from ml_sys.outcomes.lottery import WEEK_DAYS
from ml_sys.outcomes.plan import Waiting, alternatives, compare
from ml_sys.registry.loading import columns_of, load_scorer
from ml_sys.text import date_of
from ml_sys.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import Settings

# Past weekly lists that programmes are played on; half a year, so that busy months and quiet ones are in it.
LISTS = 26
# The share of programmes in which an effect shows is then known to within two points.
_PROGRAMMES = 500


@dataclass(frozen=True)
class ExperimentPlan:
    """What each design asks for.

    Attributes
    ----------
    version : str
        Whose lists the programmes are played on.
    first, last : int
        Days of the lists.
    lists, capacity : int
    effect : float
        Of a call, as a share of the probability to pay.
    confidence : float
    designs : tuple of Waiting
    """

    version: str
    first: int
    last: int
    lists: int
    capacity: int
    effect: float
    confidence: float
    designs: tuple[Waiting, ...]

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "version": self.version,
            "lists": {"count": self.lists, "first": date_of(self.first), "last": date_of(self.last)},
            "capacity": self.capacity,
            "effect": self.effect,
            "confidence": self.confidence,
            "designs": [
                {
                    "design": one.design.kind,
                    **(
                        {"share": one.design.share}
                        if one.design.kind == "holdout"
                        else {"certain_share": one.design.certain_share, "pool": one.design.pool}
                    ),
                    "weeks": one.weeks,
                    "calls_by_lot": one.drawn,
                    "paying_by_chance": one.in_lottery,
                    "given_up": self.given_up(one),
                    "power_by_week": one.power,
                }
                for one in self.designs
            ],
        }

    def given_up(self, design: Waiting) -> float:
        """Return the conversions a week that a design gives up by not always calling the first."""
        return self.effect * (design.best_reached - design.reached)


def plan_experiment(
    registry: Registry,
    version: str | None,
    settings: Settings,
    *,
    capacity: int,
    effect: float,
    on_step: Callable[[str], None] = lambda _: None,
) -> ExperimentPlan:
    """Play each design through on the latest weekly lists of a version.

    Parameters
    ----------
    registry : Registry
    version : str or None
        The one in production, or else the latest, by default.
    settings : Settings
    capacity : int
        Calls a list.
    effect : float
        Of a call, as a share of the probability to pay: 0.5 for half as many again.
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    SnapshotError
        If nothing was ingested.
    NotEnoughDataError
        If no list can be made from it.
    """
    name = registry.resolve(version)
    on_step("loading the model")
    scorer = load_scorer(registry, name)
    horizon = int(registry.open(name).manifest["horizon_days"])
    on_step("making past lists")
    cutoffs, probability = weekly_lists(scorer, snapshot.latest(settings.artifacts_dir), horizon)
    on_step("playing the designs")
    design = design_of(settings, horizon_days=horizon, capacity=capacity)
    confidence = settings.bootstrap.confidence
    designs = compare(
        probability, alternatives(design), effect, programmes=_PROGRAMMES, confidence=confidence
    )
    return ExperimentPlan(
        name,
        int(cutoffs[0]),
        int(cutoffs[-1]),
        len(cutoffs),
        capacity,
        effect,
        confidence,
        designs,
    )


def weekly_lists(
    scorer: Scorer, known: snapshot.Snapshot, horizon_days: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the cutoffs of the latest weekly lists, and the probability of every company on each.

    Returns
    -------
    cutoffs : ndarray of shape (n_lists,), int32
    probability : ndarray of shape (n_companies, n_lists), float64
        NaN where a company had paid.

    Raises
    ------
    NotEnoughDataError
        If usage begins too late for any.
    """
    spec = scorer.spec
    timeline = Timeline.of(
        known.usage_stamp,
        known.as_of,
        horizon_days=horizon_days,
        period=spec.period,
    )
    cutoffs = timeline.grid(timeline.usage_end, spec.period.whole_days(WEEK_DAYS), LISTS)
    if not cutoffs.size:
        raise NotEnoughDataError(
            "the snapshot holds no usage to make a list from", hint="ingest a longer history"
        )
    features = KnownFeatures(FeatureInputs.from_snapshot(known, spec))
    features.learn(cutoffs, spec)
    probability = np.full((len(known.companies), cutoffs.size), np.nan)
    for at in range(cutoffs.size):
        panel = rolling_panel(features, known.closed, cutoffs[at : at + 1], horizon_days, spec)
        rows = scorer.rows(columns_of(panel.features, spec))
        probability[panel.company, at] = scorer.probabilities(rows)
    return cutoffs, probability
