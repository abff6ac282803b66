"""What the service has served: how much, how its probabilities spread, and what its promises came to.

Predictions are those of whoever asked, and need not be of the same companies as lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.features.attributes import BLANK_INPUT, UNSEEN_INPUT
from ml_sys.outcomes.monitoring import Check, Limits, change
from ml_sys.outcomes.promised import Band
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

WEEK_DAYS, WEEKS_BEFORE = 7, 8
# Predictions a week from which on anything is said of them.
ENOUGH = 100
_TOP = 0.1
# Where the bins of probabilities lie, as shares of the reference: closer together at the top.
_SHARES = (*np.arange(0.05, 0.95, 0.05).tolist(), 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
VOLUME, PROBABILITIES = "served predictions of a week", "served probabilities"
SERVED_INPUT = "served {}"
STEEPNESS = "served conversions expected in the best tenth"


@dataclass(frozen=True)
class Spread:
    """How probabilities spread over bins.

    Attributes
    ----------
    count, total : ndarray of shape (n_bins,), float64
        Predictions in each bin, the lowest first, and the sum of their probabilities.
    width : float
        Between the least and the most.
    """

    count: NDArray[np.float64]
    total: NDArray[np.float64]
    width: float

    @property
    def mean(self) -> float:
        """The probability on average."""
        return float(self.total.sum() / self.count.sum())

    def distance(self, other: Spread) -> float:
        """Return the largest difference of the shares below an edge (Kolmogorov-Smirnov, at the edges)."""
        shares = (np.cumsum(one.count) / one.count.sum() for one in (self, other))
        ours, theirs = shares
        return float(np.abs(ours - theirs).max())

    def of_top(self) -> float:
        """Return which share of the expected conversions the best tenth of the predictions holds."""
        if not self.width or not self.total.sum():
            return _TOP
        left, held = _TOP * self.count.sum(), 0.0
        for count, total in zip(self.count[::-1], self.total[::-1], strict=True):
            taken = min(count, left)
            held += total * taken / count if count else 0.0
            left -= taken
        return float(held / self.total.sum())


def edges_of(probability: NDArray[np.float64]) -> list[float]:
    """Return edges of bins that hold about the same shares of some probabilities, finer at the top."""
    edges: list[float] = np.unique(np.quantile(probability, _SHARES)).tolist()
    return edges


def spread_of(probability: NDArray[np.float64], edges: list[float]) -> Spread:
    """Return how probabilities spread."""
    place = np.searchsorted(edges, probability, side="right")
    bins = len(edges) + 1
    total = np.bincount(place, weights=probability, minlength=bins).astype(np.float64)
    count = np.bincount(place, minlength=bins).astype(np.float64)
    return Spread(count, total, float(np.ptp(probability)))


def served_checks(
    rows: pd.DataFrame, version: str, held: NDArray[np.float64], day: int, limits: Limits
) -> list[Check]:
    """Check what was served in the week before a day.

    Parameters
    ----------
    rows : DataFrame
        Of the week and the eight before, as of :func:`ml_sys.outcomes.database.served_log.by_day` with
        the edges of ``held``.
    version : str
        Whose probabilities are looked at; the number of predictions is that of all versions.
    held : ndarray of shape (n,), float64
        What it gave the list that it was judged on: the reference until it has served enough for one.
    day : int
    limits : Limits

    Returns
    -------
    list of Check
        None where fewer than ``ENOUGH`` predictions a week are usual.
    """
    start = date_of(day - WEEK_DAYS)
    recent, checks = (rows["day"] >= start).to_numpy(), []
    now = int(rows["predictions"][recent].sum())
    usual = _usual_week(rows, day)
    if usual >= ENOUGH:
        # Who asks more often is no fault; growth counts half.
        effect = change(now, usual) / (1 if now < usual else 2)
        checks.append(Check("arrival", VOLUME, now, usual, "rows", effect, limits.max_arrival_change))
    ours = (rows["version"] == version).to_numpy()
    edges = edges_of(held)
    fresh, before = (_spread(rows[ours & side], len(edges) + 1) for side in (recent, ~recent))
    if fresh.count.sum() < ENOUGH:
        return checks
    if before.count.sum() < ENOUGH:
        before = spread_of(held, edges)
    top = fresh.of_top(), before.of_top()
    # A constant says nothing, whatever was usual.
    flat = 1 - (top[0] - _TOP) / max(top[1] - _TOP, 1e-9) if fresh.width else 1.0
    return [
        *checks,
        Check(
            "scores", PROBABILITIES, fresh.mean, before.mean, "value", fresh.distance(before),
            limits.max_score_distance,
        ),
        Check("scores", STEEPNESS, *top, "share", flat, limits.max_flattening),
    ]  # fmt: skip


def is_of_one_company(name: str) -> bool:
    """Say whether a check is of what each request shows: a blank, or what a version has not learnt."""
    return name.endswith((BLANK_INPUT.format(""), UNSEEN_INPUT.format("")))


def input_checks(
    rows: pd.DataFrame, version: str, held: Mapping[str, float], day: int, limits: Limits
) -> list[Check]:
    """Check how often a version was sent blanks and values that it has not learnt in the week before a day.

    Parameters
    ----------
    rows : DataFrame
        Of the week and the eight before, as of :func:`ml_sys.outcomes.database.served_log.inputs_by_day`.
    version : str
    held : mapping of str to float
        How often each is found on the list that it was judged on: the reference until it has served enough
        for one.
    day : int
    limits : Limits

    Returns
    -------
    list of Check
        None where it has given fewer than ``ENOUGH`` predictions that week. The same companies are asked
        about again and again, so that a share is held against all that those of earlier weeks were.
    """
    from scipy.stats import binom  # only where something was served

    weeks = _inputs_by_week(rows[rows["version"] == version], day)
    if not weeks or weeks[0].get("", 0) < ENOUGH:
        return []
    fresh, asked = weeks[0], weeks[0][""]
    before = [one for one in weeks[1:] if one.get("", 0) >= ENOUGH]
    checks = []
    for name, share in held.items():
        now = fresh.get(name, 0) / asked
        usual = [one.get(name, 0) / one[""] for one in before] or [share]
        nearest = float(np.clip(now, min(usual), max(usual)))
        more = binom.sf(fresh.get(name, 0) - 1, asked, nearest)
        p = min(1.0, 2 * min(float(more), float(binom.cdf(fresh.get(name, 0), asked, nearest))))
        is_unseen = name.endswith(UNSEEN_INPUT.format(""))
        limit = limits.max_unseen_rise if is_unseen else limits.max_blank_rise
        usually, effect = float(np.median(usual)), abs(now - nearest)
        checks.append(Check("inputs", SERVED_INPUT.format(name), now, usually, "share", effect, limit, p))
    return checks


def _inputs_by_week(rows: pd.DataFrame, day: int) -> list[dict[str, int]]:
    """Return the counts of the week before a day, and of those before it."""
    found = []
    for back in range(WEEKS_BEFORE + 1):
        first, after = date_of(day - WEEK_DAYS * (back + 1)), date_of(day - WEEK_DAYS * back)
        week = rows[(rows["day"] >= first) & (rows["day"] < after)]
        counts = week.groupby("input")["predictions"].sum()
        found.append({str(name): int(count) for name, count in counts.items()})
    return found


def kept_promise(
    version: str, predictions: int, total: float, squares: float, came: int, confidence: float
) -> Band:
    """Put what predictions promised beside what came.

    Parameters
    ----------
    version : str
    predictions : int
    total, squares : float
        Sums of their probabilities, and of the squares.
    came : int
    confidence : float
        Of the numbers that true probabilities allow, in (0, 1): by the binomial distribution of the same mean
        and variance.
    """
    from scipy.stats import binom  # only where something was served

    tail = (1 - confidence) / 2
    alike = min(predictions, max(1, round(total**2 / squares))) if squares else 1
    low, high = (int(binom.ppf(one, alike, min(1.0, total / alike))) for one in (tail, 1 - tail))
    return Band(version, predictions, total, came, low, high)


def _usual_week(rows: pd.DataFrame, day: int) -> float:
    """Return the predictions of the middle one of the weeks before the last; 0 without any week before."""
    weeks = []
    for back in range(1, WEEKS_BEFORE + 1):
        first, after = date_of(day - WEEK_DAYS * (back + 1)), date_of(day - WEEK_DAYS * back)
        weeks.append(int(rows["predictions"][(rows["day"] >= first) & (rows["day"] < after)].sum()))
    while weeks and not weeks[-1]:  # before the service began
        weeks.pop()
    return float(np.median(weeks)) if weeks else 0.0


def _spread(rows: pd.DataFrame, bins: int) -> Spread:
    place = rows["bin"].to_numpy(dtype=np.intp)
    count, total = (
        np.bincount(place, weights=rows[name].to_numpy(np.float64), minlength=bins).astype(np.float64)
        for name in ("predictions", "total")
    )
    width = float(rows["most"].max() - rows["least"].min()) if len(rows) else 0.0
    return Spread(count, total, width)
