"""Sample tables of a product with a known truth: workspaces, members, events, purchases.

Invariant: the same arguments give the same bytes. Each block of workspaces is drawn from its own random
stream and written before the next is drawn, so memory does not grow with their number. Identifiers are random
permutations: they say nothing about the outcome.

The tables are those of an export made when the last week of events was over.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ml_sys.sample.generator import drawn_blocks
from ml_sys.sample.hazard import draw_purchases, true_probability
from ml_sys.sample.product.hazard import weekly_hazard
from ml_sys.sample.product.simulation import (
    WEEK_DAYS,
    Log,
    Workspaces,
    draw_workspaces,
    free_log,
    joined,
    paid_log,
)
from ml_sys.sample.product.tables import ProductTables, WorkspaceBlock
from ml_sys.sample.simulation import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FIRST_ID = 1000

_BLOCK_WORKSPACES = 1000
_HOSTS = 0.03  # workspaces that a member of another one belongs to, too
_BOUGHT_AT_ONCE = 0.004
_GUEST = 1000  # a member by this number is no one of the workspace's own


@dataclass(frozen=True)
class ProductReport:
    """What was written.

    Attributes
    ----------
    folder : Path
        Where the files are.
    workspaces, buyers : int
        Workspaces in all, and those that bought.
    rows : dict of str to int
        Rows by file, faulty ones included.
    monthly_rate : float
        Mean probability in truth.csv: the share of free workspaces that buy within 30 days of a cutoff.
    anomalies : dict of str to int
        How many rows of each kind of fault were put in.
    """

    folder: Path
    workspaces: int
    buyers: int
    rows: dict[str, int]
    monthly_rate: float
    anomalies: dict[str, int]

    entities: ClassVar = "workspaces"


def generate(
    folder: Path, *, companies: int, weeks: int, seed: int, on_progress: Callable[[int], None] | None = None
) -> ProductReport:
    """Write the tables of a generated product, their description mlsys.toml, and truth.csv.

    ``truth.csv`` holds ``cutoff,id,probability``: the true probability that a workspace which had signed up
    and not bought by the cutoff buys within 30 days of it. Cutoffs are the ends of all weeks.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; files of these names in it are replaced, each whole or not at all.
    companies : int
        Number of workspaces, at least 1.
    weeks : int
        Length of the log, at least 1; it begins on Monday, 2024-01-01.
    seed : int
        Not negative.
    on_progress : callable, optional
        Called with the number of workspaces written so far, after each block of them.

    Raises
    ------
    UsageError
        If ``companies``, ``weeks`` or ``seed`` is out of range.
    StorageError
        If they cannot be written; what was there before is still there.
    """
    buyers = 0
    blocks = drawn_blocks(companies, weeks, seed, _BLOCK_WORKSPACES, on_progress)
    with ExitStack() as stack:
        tables = ProductTables(folder, stack, unknown_from=FIRST_ID + companies)
        for rng, numbers in blocks:
            block = _draw(rng, FIRST_ID + numbers, weeks)
            tables.write(rng, block, weeks)
            buyers += int((block.bought < WEEK_DAYS * NEVER).sum())
    return ProductReport(
        folder=folder,
        workspaces=companies,
        buyers=buyers,
        rows={f"{name}.csv": count for name, count in tables.rows.items()},
        monthly_rate=tables.probability / max(tables.rows["truth"], 1),
        anomalies=dict(tables.anomalies),
    )


def _draw(rng: np.random.Generator, names: NDArray[np.int64], weeks: int) -> WorkspaceBlock:
    n = len(names)
    ones = draw_workspaces(rng, n, weeks)
    free = free_log(rng, ones, weeks)
    at_once = (rng.random(n) < _BOUGHT_AT_ONCE) & (ones.signed_up >= 0)
    guests = _draw_guests(rng, n)
    hazard = weekly_hazard(ones, free, weeks)
    day = _bought(rng, hazard, weeks, at_once, ones)
    log = _with_paid(rng, ones, free, day, weeks)
    # What a guest does counts for both workspaces: those that have one are judged once it is settled.
    hosts = guests[:, 1]
    hazard[hosts] = weekly_hazard(ones, joined([free, _of_guests(log, guests)]), weeks)[hosts]
    day[hosts] = _bought(rng, hazard, weeks, at_once, ones)[hosts]
    log = joined(
        [log.take(~np.isin(log.workspace, hosts)), _of(_with_paid(rng, ones, free, day, weeks), hosts)]
    )
    truth = {}
    for cutoff in range(weeks, 0, -1):
        in_panel = (day >= WEEK_DAYS * cutoff) & (ones.week < cutoff)
        truth[cutoff] = np.where(in_panel, true_probability(hazard, cutoff), np.nan)
    return WorkspaceBlock(names, ones, day, log, guests, truth)


def _draw_guests(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return pairs of workspaces: whose first member is a member of which other one; no chain of them."""
    order = rng.permutation(n)
    hosts = order[: int(_HOSTS * n)]
    others = order[len(hosts) :]
    return np.stack([rng.choice(others, len(hosts)), hosts], axis=1).astype(np.int64)


def _of(log: Log, workspaces: NDArray[np.int64]) -> Log:
    return log.take(np.isin(log.workspace, workspaces))


def _of_guests(log: Log, guests: NDArray[np.int64]) -> Log:
    """Return what guests do as events of the workspaces that they are guests of."""
    theirs = [log.take((log.workspace == guest) & (log.member == 0)) for guest, _ in guests.tolist()]
    moved = [
        Log(
            np.full(len(one.second), host),
            np.full(len(one.second), _GUEST),
            one.second,
            one.kind,
            one.minutes,
        )
        for one, host in zip(theirs, guests[:, 1].tolist(), strict=True)
    ]
    return joined([log.take(np.zeros(0, np.int64)), *moved])


def _bought(
    rng: np.random.Generator,
    hazard: NDArray[np.float64],
    weeks: int,
    at_once: NDArray[np.bool_],
    ones: Workspaces,
) -> NDArray[np.int64]:
    """Draw the day of each purchase; some buy on the day they sign up."""
    _, day = draw_purchases(rng, hazard, weeks)
    return np.where(at_once, ones.signed_up, day)


def _with_paid(
    rng: np.random.Generator, ones: Workspaces, free: Log, day: NDArray[np.int64], weeks: int
) -> Log:
    """Replace what buyers do from the day of the purchase on."""
    buyers = np.flatnonzero(day < WEEK_DAYS * weeks)
    paid = paid_log(rng, ones.take(buyers), day[buyers] // WEEK_DAYS, weeks)
    paid = paid.moved(buyers)
    return joined([free.take(free.day < day[free.workspace]), paid.take(paid.day >= day[paid.workspace])])
