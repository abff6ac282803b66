"""Whether `impact` tells the truth: programmes with a known effect of calling, by lottery and by holdout.

Run ``python -m tests.bench impact``, or ``python -m tests.bench.impact --programmes 200 --shift -1.2``.

Companies come from the stated hazard of `mlsys sample`, so that the chance of each to pay is known.
Programmes of weekly lists are played on them: the ranker is the truth with noise, whom to call is drawn by
the design, who was called pays by a raised chance, and who paid or waits is on no list. Then `impact`'s own
functions estimate the effect. At 1,000 programmes a coverage of 95 % is known to within 1.4 points.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from ml_sys.outcomes.effect import POWER, DrawnCalls, effect_of_calls_made, extra_per_list
from ml_sys.outcomes.lottery import WEEK_DAYS, Design, in_lottery, inclusion_probabilities, pivotal
from ml_sys.outcomes.plan import play, pools
from ml_sys.sample.hazard import true_probability, weekly_hazard
from ml_sys.sample.simulation import draw_firms, draw_portals, free_usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CAPACITY, HORIZON_DAYS, CONFIDENCE = 50, 30, 0.95
BEFORE = 20  # weeks of usage before the first list
STANDING = 2500  # companies with any chance of standing near the top of a list
SLOPE, NOISE, DRIFT = 0.9, 0.7, 0.2  # the ranker's log-odds: a part of the true ones, and noise
AT_ONCE = 100  # programmes side by side
PLANNED = 0.5  # the effect that weeks are planned for
CERTAIN = 0.2  # of the calls, in the lottery that is planned with a fixed top
SEASONS = 5  # past lists that are planned on, each with luck of its own
GRID = 13  # weeks around those planned at which it is looked whether the effect shows
FALLING = 20.0  # an effect of +100 % that is halved at a probability of one in this many


@dataclass(frozen=True)
class World:
    """Chances (n, weeks), what the ranker makes of them, and the chance of paying in a week."""

    chance: NDArray[np.float64]
    promised: NDArray[np.float64]
    hazard: NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """A programme as `impact` sees it, and what it cannot see."""

    trial: DrawnCalls
    made: NDArray[np.bool_]
    extra: float
    per_call: float
    lost: float


@dataclass(frozen=True)
class Scenario:
    """An effect of calling on the chance of paying, and the share of calls that are made."""

    name: str
    raised: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    made: float = 1.0


SCENARIOS = (
    Scenario("none", lambda chance: chance),
    Scenario("+50 %", lambda chance: np.minimum(1.5 * chance, 1)),
    Scenario("+100 %", lambda chance: np.minimum(2 * chance, 1)),
    Scenario("+100 %, less for likely payers", lambda chance: chance * (1 + 1 / (1 + FALLING * chance))),
    Scenario("+100 %, a fifth not called", lambda chance: np.minimum(2 * chance, 1), made=0.8),
)


def world(companies: int, weeks: int, shift: float, seed: int = 0) -> World:
    """Generate companies; ``shift`` moves everyone's log-odds."""
    rng = np.random.default_rng(seed)
    firms = draw_firms(rng, companies)
    usage = free_usage(rng, draw_portals(rng, firms, BEFORE + weeks), BEFORE + weeks)
    hazard = weekly_hazard(usage, firms)
    chance = np.stack([true_probability(hazard, BEFORE + week) for week in range(weeks)], axis=1)
    odds = np.log(chance) - np.log1p(-chance) + shift
    chance = 1 / (1 + np.exp(-odds))
    noise = NOISE * rng.standard_normal((companies, 1)) + DRIFT * rng.standard_normal(odds.shape)
    promised = _calibrated(SLOPE * odds + noise, chance)
    best = np.argsort(-promised.max(axis=1))[:STANDING]
    weekly = np.exp(shift) * hazard[best, BEFORE : BEFORE + weeks]
    return World(chance[best], promised[best], weekly)


def _calibrated(ranked: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities by Platt's line through the ranker's log-odds, fitted to the true chances."""
    design = np.stack([np.ones(ranked.size), ranked.ravel()], axis=1)
    line = np.array([0.0, 1.0])
    for _ in range(30):  # Newton's steps
        fitted = 1 / (1 + np.exp(-design @ line))
        curvature = design.T @ (design * (fitted * (1 - fitted))[:, None])
        line += np.linalg.solve(curvature, design.T @ (chance.ravel() - fitted))
    return (1 / (1 + np.exp(-design @ line))).reshape(ranked.shape)


def programmes(
    rng: np.random.Generator, there: World, design: Design, scenario: Scenario, weeks: int, many: int
) -> list[Truth]:
    """Play a design in so many programmes side by side.

    Weeks beyond those of the world are its own again, and whoever paid has been replaced by someone alike.
    """
    companies, known = there.chance.shape
    free, back = (np.zeros((many, companies), dtype=np.int64) for _ in range(2))
    held = np.zeros((many, companies), dtype=bool)
    rows, wait, found = np.arange(many)[:, None], design.wait_days // WEEK_DAYS, []
    size = (
        inclusion_probabilities(companies, design).size
        if design.kind == "lottery"
        else pools(there.promised, design).company.shape[1]
    )
    for week in range(weeks):
        if week % design.hold_weeks == 0:
            held = rng.random(held.shape) < design.share
        standing = np.where((back > week) | (free > week), -1.0, there.promised[:, week % known])
        pool = np.argpartition(-standing, size, axis=1)[:, :size]
        pool = np.take_along_axis(pool, np.argsort(-standing[rows, pool], axis=1, kind="stable"), axis=1)
        if design.kind == "holdout":
            out = held[rows, pool]
            within = np.cumsum(~out, axis=1) - ~out < design.capacity
            inclusion, called = np.where(within, 1 - design.share, 0.0), within & ~out
        else:
            inclusion = np.broadcast_to(inclusion_probabilities(companies, design), pool.shape)
            called = pivotal(inclusion, rng.random(pool.shape))
        chance = there.chance[pool, week % known]
        made = called & (rng.random(pool.shape) < scenario.made)
        raised = scenario.raised(chance)
        paid = (rng.random(pool.shape) < np.where(made, raised, chance)) & (inclusion > 0)
        found.append((pool, standing[rows, pool], inclusion, called, made, paid, raised - chance))
        elsewhere = (free <= week) & (back <= week)
        free[rows, pool] = np.where(inclusion > 0, week + wait, free[rows, pool])
        elsewhere[rows, pool] &= inclusion == 0
        left = elsewhere & (rng.random(back.shape) < there.hazard[:, week % known])
        left[rows, pool] |= paid
        back[left] = week + known
    every = [np.stack(one, axis=1) for one in zip(*found, strict=True)]
    return [_truth([one[at] for one in every], design, scenario) for at in range(many)]


def _truth(played: list[NDArray[np.generic]], design: Design, scenario: Scenario) -> Truth:
    """Take out of a programme what `impact` gets, and what it should find."""
    pool, promised, inclusion, called, made, paid, raised = played
    by_lot, weeks = in_lottery(inclusion), len(pool)
    week, _ = np.nonzero(by_lot)
    outcome = paid[by_lot].astype(float)
    trial = DrawnCalls(
        week, pool[by_lot], promised[by_lot], inclusion[by_lot], called[by_lot], outcome, weeks
    )
    extra = scenario.made * float((inclusion * raised)[by_lot].sum())
    per_call = extra / (scenario.made * float(inclusion[by_lot].sum()))
    lost = design.capacity - float((called & (inclusion > 0)).sum()) / weeks
    return Truth(trial, made[by_lot], extra / weeks, per_call, lost)


def judged(
    there: World, design: Design, scenario: Scenario, weeks: int, asked: argparse.Namespace
) -> dict[str, float]:
    """Play a scenario and hold every estimate against the truth."""
    rng = np.random.default_rng(asked.seed)
    found = []
    for start in range(0, asked.programmes, AT_ONCE):
        many = min(AT_ONCE, asked.programmes - start)
        for one in programmes(rng, there, design, scenario, weeks, many):
            got = extra_per_list(one.trial, CONFIDENCE)
            call = effect_of_calls_made(one.trial, one.made, CONFIDENCE).per_call
            found.append(
                (
                    one.extra, got.value, got.low <= one.extra <= got.high, got.low > 0 or got.high < 0,
                    got.low > 0, call.low <= one.per_call <= call.high, one.lost,
                    one.trial.outcome.sum(), got.high - got.low,
                )
            )  # fmt: skip
    names = ("truth", "mean", "held", "shown", "above", "held_per_call", "lost", "paid", "width")
    return dict(zip(names, np.mean(found, axis=0).tolist(), strict=True))


def main(arguments: list[str]) -> None:
    """Print coverage, false alarms, lost calls, and planned lists beside those that it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.impact")
    for name, default in (("programmes", 1000), ("companies", 5000), ("weeks", 26), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--shift", type=float, default=-0.6, help="of everyone's log-odds: rarer or more common"
    )
    parser.add_argument("--smallest", action="store_true", help="four programmes, to see that it runs")
    asked = parser.parse_args(arguments)
    if asked.smallest:
        asked.programmes, asked.companies, asked.weeks = 4, 3000, 3
    designs = [Design(kind, CAPACITY, 7, HORIZON_DAYS) for kind in ("lottery", "holdout")]
    there = world(asked.companies, asked.weeks, asked.shift)
    began = time.perf_counter()
    shown = Table(
        title=f"{asked.programmes:,} programmes of {asked.weeks} weekly lists each, "
        f"{CAPACITY} calls per list; {there.chance.mean():.2%} pay within {HORIZON_DAYS} days"
    )
    columns = ("design", "effect of a call", "extra a list", "mean found", "interval holds it %",
               "of a call made %", "called significant %", "calls lost", "paid in the lottery")  # fmt: skip
    for at, column in enumerate(columns):
        shown.add_column(column, justify="right" if at > 1 else "left")
    for design in designs:
        for scenario in SCENARIOS:
            got = judged(there, design, scenario, asked.weeks, asked)
            shown.add_row(
                design.kind, scenario.name, f"{got['truth']:.3f}", f"{got['mean']:.3f}",
                f"{100 * got['held']:.1f}", f"{100 * got['held_per_call']:.1f}", f"{100 * got['shown']:.1f}",
                f"{got['lost']:.2f}", f"{got['paid']:.0f}",
            )  # fmt: skip
    console = Console(width=140)
    console.print(shown)
    top = replace(designs[0], certain_share=CERTAIN)
    console.print(_planned(there, [designs[0], top, designs[1]], asked))
    console.print(f"{time.perf_counter() - began:.0f} s")


def _planned(there: World, designs: list[Design], asked: argparse.Namespace) -> Table:
    """Hold the lists that plans name, each on a past season of its own, against those that it takes."""
    shown = Table(title=f"Lists until +{PLANNED:.0%} shows, four times in five")
    columns = ("design", "planned, middle season", "lowest to highest", "shown by then %", "lists it took")
    for at, column in enumerate(columns):
        shown.add_column(column, justify="right" if at else "left")
    for design in designs:
        most = 4 if asked.smallest else 260
        plans = [
            play(
                pools(_past_lists(there, asked.seed + season), design), replace(design, seed=season), PLANNED,
                programmes=asked.programmes, confidence=CONFIDENCE, most_lists=most,
            ).lists or most
            for season in range(1 if asked.smallest else SEASONS)
        ]  # fmt: skip
        lists = int(np.median(plans))
        grid = np.unique(np.linspace(0.7, 1.3, GRID) * lists).round().astype(int)
        share = _shown_by(grid, there, design, asked)
        name = f"{design.kind}, {design.certain_share:.0%} certain" if design.certain_share else design.kind
        by_then = share[np.searchsorted(grid, lists)]
        span = f"{min(plans)} to {max(plans)}"
        shown.add_row(name, str(lists), span, f"{100 * by_then:.0f}", _took(grid, share))
    return shown


def _took(grid: NDArray[np.intp], share: NDArray[np.float64]) -> str:
    """Return after how many lists the effect had shown often enough, by a line through all that was seen.

    The first point of the grid that lies above is too late by half a step, and more where luck is bad.
    """
    normal = NormalDist()
    some = (share > 0) & (share < 1)
    if some.sum() < 2:
        return "not known"
    slope, start = np.polyfit(np.sqrt(grid[some]), [normal.inv_cdf(one) for one in share[some].tolist()], 1)
    return f"{((normal.inv_cdf(POWER) - start) / slope) ** 2:.0f}" if slope > 0 else "not known"


def _past_lists(there: World, seed: int) -> NDArray[np.float64]:
    """Return what past lists would have said, on which nobody stands who has paid lately."""
    rng = np.random.default_rng(seed + 2)
    weeks = there.hazard.shape[1]
    back, found = np.zeros(len(there.hazard)), there.promised.copy()
    for week in range(2 * weeks):  # the second time, as many are gone as usual
        away = back > week
        found[:, week % weeks] = np.where(away, np.nan, there.promised[:, week % weeks])
        back[~away & (rng.random(away.size) < there.hazard[:, week % weeks])] = week + weeks
    return found


def _shown_by(
    grid: NDArray[np.intp], there: World, design: Design, asked: argparse.Namespace
) -> NDArray[np.float64]:
    """Return how often the effect that was planned for had shown after so many weeks."""
    rng, above = np.random.default_rng(asked.seed + 1), []
    for start in range(0, asked.programmes, AT_ONCE):
        many = min(AT_ONCE, asked.programmes - start)
        for one in programmes(rng, there, design, SCENARIOS[1], int(grid[-1]), many):
            after = [extra_per_list(one.trial.first(int(weeks)), CONFIDENCE) for weeks in grid]
            above.append([found.low > 0 for found in after])
    return np.mean(above, axis=0)


if __name__ == "__main__":
    main(sys.argv[1:])
