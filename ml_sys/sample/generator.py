"""Sample tables with a known truth: what a real export looks like, faults and all.

Invariant: the same arguments give the same bytes. Each block of companies is drawn from its own random stream
and written before the next is drawn, so memory does not grow with usage. Ids are a random permutation: they
say nothing about the outcome.

The tables are those of an export made when the last week of usage was complete.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ml_sys.errors import UsageError
from ml_sys.sample.hazard import draw_purchases, true_probability, weekly_hazard
from ml_sys.sample.simulation import NEVER, draw_firms, draw_portals, free_usage, paid_usage
from ml_sys.sample.tables import CompanyBlock, SampleTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FIRST_ID = 100_000

_BLOCK_COMPANIES = 2000
_ID_STREAM = 2**32 - 1  # the blocks' streams are numbered from 0
_PAID_BEFORE_LOG, _LONGEST_BEFORE_LOG_DAYS = 0.002, 180


@dataclass(frozen=True)
class SampleReport:
    """What was written.

    Attributes
    ----------
    folder : Path
        Where the four files are.
    companies, customers, noncustomers : int
        Companies in all, those in customers.csv and those in noncustomers.csv; repeats not counted.
    usage_rows : int
        Rows of usage_actions.csv, faulty ones included.
    truth_rows : int
        Rows of truth.csv.
    monthly_rate : float
        Mean probability in truth.csv: the share of free companies that pay within 30 days of a cutoff.
    anomalies : dict of str to int
        How many rows of each kind of fault were put in.
    """

    folder: Path
    companies: int
    customers: int
    noncustomers: int
    usage_rows: int
    truth_rows: int
    monthly_rate: float
    anomalies: dict[str, int]

    entities: ClassVar = "companies"

    @property
    def rows(self) -> dict[str, int]:
        """Rows by file; a company's second row is not counted."""
        return {
            "customers.csv": self.customers,
            "noncustomers.csv": self.noncustomers,
            "usage_actions.csv": self.usage_rows,
            "truth.csv": self.truth_rows,
        }


def generate(
    folder: Path, *, companies: int, weeks: int, seed: int, on_progress: Callable[[int], None] | None = None
) -> SampleReport:
    """Write customers.csv, noncustomers.csv, usage_actions.csv and truth.csv of a generated population.

    ``truth.csv`` holds ``cutoff,id,probability``: the true probability that a company which had not paid by
    the cutoff pays within 30 days of it. Cutoffs are the ends of all weeks.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; files of these names in it are replaced, each whole or not at all.
    companies : int
        Number of companies, at least 1.
    weeks : int
        Length of the usage log, at least 1; it begins on Monday, 2019-01-07.
    seed : int
        Not negative.
    on_progress : callable, optional
        Called with the number of companies written so far, after each block of them.

    Raises
    ------
    UsageError
        If ``companies``, ``weeks`` or ``seed`` is out of range.
    StorageError
        If they cannot be written; what was there before is still there.
    """
    blocks = drawn_blocks(companies, weeks, seed, _BLOCK_COMPANIES, on_progress)
    with ExitStack() as stack:
        tables = SampleTables(folder, stack, unknown_from=FIRST_ID + companies)
        for rng, ids in blocks:
            tables.write(rng, _draw(rng, FIRST_ID + ids, weeks))
    return SampleReport(
        folder=folder,
        companies=companies,
        customers=tables.rows["customers"],
        noncustomers=tables.rows["noncustomers"],
        usage_rows=tables.rows["usage_actions"],
        truth_rows=tables.rows["truth"],
        monthly_rate=tables.probability / max(tables.rows["truth"], 1),
        anomalies=dict(tables.anomalies),
    )


def drawn_blocks(
    companies: int, weeks: int, seed: int, size: int, on_progress: Callable[[int], None] | None
) -> Iterator[tuple[np.random.Generator, NDArray[np.int64]]]:
    """Return, block by block, a random stream and the companies drawn from it: numbers in random order.

    Raises
    ------
    UsageError
        As :func:`generate`.
    """
    for name, value, least in (("companies", companies, 1), ("weeks", weeks, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageError(f"sample: {name} is {value}, the least is {least}")
    shuffled = np.random.default_rng([seed, _ID_STREAM]).permutation(np.arange(companies, dtype=np.int32))

    def blocks() -> Iterator[tuple[np.random.Generator, NDArray[np.int64]]]:
        for number, start in enumerate(range(0, companies, size)):
            numbers = shuffled[start : start + size].astype(np.int64)
            yield np.random.default_rng([seed, number]), numbers
            if on_progress is not None:
                on_progress(start + len(numbers))

    return blocks()


def _draw(rng: np.random.Generator, ids: NDArray[np.int64], weeks: int) -> CompanyBlock:
    n = len(ids)
    firms = draw_firms(rng, n)
    portals = draw_portals(rng, firms, weeks)
    free = free_usage(rng, portals, weeks)
    hazard = weekly_hazard(free, firms)
    _, day = draw_purchases(rng, hazard, weeks)
    before_log = rng.random(n) < _PAID_BEFORE_LOG
    day = np.where(before_log, rng.integers(-_LONGEST_BEFORE_LOG_DAYS, 0, n), day)
    week = np.where(day < 7 * NEVER, day // 7, NEVER)
    truth = {
        cutoff: np.where(day >= 7 * cutoff, true_probability(hazard, cutoff), np.nan)
        for cutoff in range(weeks, 0, -1)
    }
    return CompanyBlock(ids, firms, day, paid_usage(rng, free, portals, week), truth)
