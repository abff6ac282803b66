"""Check what the service has served: how much, how its probabilities spread, and whether they came true.

Predictions are for whichever companies callers ask about, which need not be those on the lists.
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
# With fewer predictions a week nothing is checked.
ENOUGH = 100
_TOP = 0.1
# Edges of the bins of probabilities, as shares of the reference; closer together at the top.
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
        """The average probability."""
        return float(self.total.sum() / self.count.sum())

    def distance(self, other: Spread) -> float:
        """Return the largest difference of the shares below an edge (Kolmogorov-Smirnov, at the edges)."""
        shares = (np.cumsum(one.count) / one.count.sum() for one in (self, other))
        ours, theirs = shares
        return float(np.abs(ours - theirs).max())

    def of_top(self) -> float:
        """Return the share of expected conversions in the best tenth of the predictions."""
        if not self.width or not self.total.sum():
            return _TOP
        left, held = _TOP * self.count.sum(), 0.0
        for count, total in zip(self.count[::-1], self.total[::-1], strict=True):
            taken = min(count, left)
            held += total * taken / count if count else 0.0
            left -= taken
        return float(held / self.total.sum())


def edges_of(probability: NDArray[np.float64]) -> list[float]:
    """Return the edges of bins with fixed shares of the probabilities, finer at the top."""
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
        The version whose probabilities are checked; the number of predictions is that of all versions.
    held : ndarray of shape (n,), float64
        Its probabilities on the list that it was judged on: the reference until it has served enough itself.
    day : int
    limits : Limits

    Returns
    -------
    list of Check
        Empty if fewer than ``ENOUGH`` predictions a week are usual.
    """
    start = date_of(day - WEEK_DAYS)
    recent, checks = (rows["day"] >= start).to_numpy(), []
    now = int(rows["predictions"][recent].sum())
    usual = _usual_week(rows, day)
    if usual >= ENOUGH:
        # Growth is not a fault, so it counts half.
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
    # A constant probability says nothing, whatever was usual.
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
    """Return whether a check is about values of single requests: blanks, or values unknown to the version."""
    return name.endswith((BLANK_INPUT.format(""), UNSEEN_INPUT.format("")))


def input_checks(
    rows: pd.DataFrame, version: str, held: Mapping[str, float], day: int, limits: Limits
) -> list[Check]:
    """Check how often a version was sent blanks or unknown values in the week before a day.

    Parameters
    ----------
    rows : DataFrame
        Of the week and the eight before, as of :func:`ml_sys.outcomes.database.served_log.inputs_by_day`.
    version : str
    held : mapping of str to float
        How often each occurs on the list that it was judged on: the reference until it has served enough
        itself.
    day : int
    limits : Limits

    Returns
    -------
    list of Check
        Empty if it gave fewer than ``ENOUGH`` predictions that week. Callers ask about the same companies
        again and again, so a share is compared with the whole range of earlier weeks.
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
    """Compare what predictions promised with what came.

    Parameters
    ----------
    version : str
    predictions : int
    total, squares : float
        Sums of their probabilities, and of the squares.
    came : int
    confidence : float
        Of the bounds, in (0, 1), which come from the binomial distribution with the same mean and variance.
    """
    from scipy.stats import binom  # only where something was served

    tail = (1 - confidence) / 2
    alike = min(predictions, max(1, round(total**2 / squares))) if squares else 1
    low, high = (int(binom.ppf(one, alike, min(1.0, total / alike))) for one in (tail, 1 - tail))
    return Band(version, predictions, total, came, low, high)


def _usual_week(rows: pd.DataFrame, day: int) -> float:
    """Return the median number of predictions of the earlier weeks; 0 without any."""
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
