"""Simulate on past lists how long an experiment has to run, before it is switched on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data import snapshot
from ml_sys.engine.mapping import Engine
from ml_sys.errors import NotEnoughDataError
from ml_sys.experiments.cache import own_code
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.known import KnownFeatures
from ml_sys.features.panel import rolling_panel
from ml_sys.jobs.lists.handing_out import design_of
from ml_sys.outcomes.lottery import WEEK_DAYS
from ml_sys.outcomes.plan import Waiting, most_lists, play, pools
from ml_sys.registry.loading import columns_of, load_scorer
from ml_sys.text import date_of
from ml_sys.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.outcomes.lottery import Design
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import Settings

# Past lists to simulate on; half a year of weekly lists, with busy and quiet months.
LISTS = 26
# Shares of the capacity that are always called, to see what they cost.
_TOPS = (0.0, 0.1, 0.2)
# With this many programmes, the share in which an effect shows is known to within two points.
_PROGRAMMES = 500


@dataclass(frozen=True)
class ExperimentPlan:
    """What each design needs.

    Attributes
    ----------
    version : str
        The version that made the lists.
    first, last : int
        Days of the first and the last list.
    lists, capacity : int
    every_days : float
        Days from one list to the next: a week, or a longer period of the data.
    effect : float
        Of a call, as a share of the probability of paying.
    confidence : float
    designs : tuple of Waiting
    """

    version: str
    first: int
    last: int
    lists: int
    capacity: int
    every_days: float
    effect: float
    confidence: float
    designs: tuple[Waiting, ...]

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "version": self.version,
            "lists": {
                "count": self.lists,
                "first": date_of(self.first),
                "last": date_of(self.last),
                "every_days": self.every_days,
            },
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
                    "lists": one.lists,
                    "days": self.days(one),
                    "calls_by_lot": one.drawn,
                    "paying_by_chance": one.in_lottery,
                    "given_up": self.given_up(one),
                    "power_by_list": one.power,
                }
                for one in self.designs
            ],
        }

    @property
    def most_lists(self) -> int:
        """Maximum number of lists that are simulated."""
        return most_lists(self.every_days)

    def days(self, design: Waiting) -> int | None:
        """Return the days from the first to the last of the lists that a design needs."""
        return None if design.lists is None else round((design.lists - 1) * self.every_days)

    def given_up(self, design: Waiting) -> float:
        """Return the conversions per list that a design gives up by not always calling the top."""
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
    """Simulate each design on the latest lists of a version.

    Parameters
    ----------
    registry : Registry
    version : str or None
        By default the one in production, or else the latest.
    settings : Settings
    capacity : int
        Calls per list.
    effect : float
        Of a call, as a share of the probability of paying: 0.5 means half as many conversions again.
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
    known = snapshot.everyone(settings.artifacts_dir)
    engine = Engine.of(settings.engine, partial(own_code, settings))
    cutoffs, probability = latest_lists(scorer, known, horizon, engine)
    on_step("simulating the designs")
    design = design_of(settings, horizon_days=horizon, capacity=capacity)
    confidence = settings.bootstrap.confidence
    every_days = float(np.diff(cutoffs).mean()) if cutoffs.size > 1 else float(WEEK_DAYS)
    designs = compare(
        probability,
        alternatives(design),
        effect,
        programmes=_PROGRAMMES,
        confidence=confidence,
        every_days=every_days,
    )
    return ExperimentPlan(
        name,
        int(cutoffs[0]),
        int(cutoffs[-1]),
        len(cutoffs),
        capacity,
        every_days,
        effect,
        confidence,
        designs,
    )


def latest_lists(
    scorer: Scorer, known: snapshot.Everyone, horizon_days: int, engine: Engine
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the cutoffs of the latest lists, and the probability of every company on each.

    They lie a week apart, or a period of usage if that is longer, since nothing is new more often.

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
            "the snapshot has no usage to make a list from", hint="ingest a longer history"
        )
    parts = known.parts
    probability = np.full((len(known), cutoffs.size), np.nan)
    engine = engine.for_parts(len(parts))
    sent = parts.shared(engine.storage)
    lists = partial(_lists_of_part, parts=sent, scorer=scorer, cutoffs=cutoffs, horizon_days=horizon_days)

    def put(number: int, found: NDArray[np.float64]) -> None:
        probability[parts.positions(number)] = found

    engine.each(lists, range(len(parts)), put)
    return cutoffs, probability


def _lists_of_part(
    number: int, *, parts: snapshot.Parts, scorer: Scorer, cutoffs: NDArray[np.int32], horizon_days: int
) -> NDArray[np.float64]:
    """Return the probability of every company of a part on each list."""
    part, spec = parts.part(number), scorer.spec
    probability = np.full((len(part.companies), cutoffs.size), np.nan)
    if not len(part.companies):
        return probability
    features = KnownFeatures(FeatureInputs.from_snapshot(part, spec))
    features.learn(cutoffs, spec)
    for at in range(cutoffs.size):
        panel = rolling_panel(features, part.closed, cutoffs[at : at + 1], horizon_days, spec)
        rows = scorer.rows(columns_of(panel.features, spec))
        probability[panel.company, at] = scorer.probabilities(rows)
    return probability


def compare(
    probability: NDArray[np.float64],
    designs: Sequence[Design],
    effect: float,
    *,
    programmes: int,
    confidence: float,
    every_days: float = WEEK_DAYS,
) -> tuple[Waiting, ...]:
    """Return what each design needs on the same lists; see :mod:`ml_sys.outcomes.plan`."""
    return tuple(
        play(pools(probability, one, every_days), one, effect, programmes=programmes, confidence=confidence)
        for one in designs
    )


def alternatives(design: Design) -> tuple[Design, ...]:
    """Return the designs to compare: the lottery as set, lotteries with a fixed top, and a holdout.

    Parameters
    ----------
    design : Design
        The design in the settings.
    """
    lottery = replace(design, kind="lottery")
    shares = sorted({lottery.certain_share, *_TOPS})
    return (
        *(replace(lottery, certain_share=share) for share in shares),
        replace(design, kind="holdout"),
    )
