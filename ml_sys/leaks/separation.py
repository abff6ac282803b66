"""How well a single column separates converters from the others, read in either direction.

A number is read from the top and from the bottom, with blanks before all others and after them. A category's
levels are ordered by their rate of conversion, learnt from one half of the companies and applied to the
other, so that levels of a few companies cannot seem to tell anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.features.compute import ATTRIBUTE_GROUP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel

# Rows that a level's rate needs to count as much as the rate of all rows.
_SMOOTHING = 20.0


@dataclass(frozen=True)
class Separation:
    """How well one column ranks positives, in its better direction.

    Attributes
    ----------
    roc_auc : float
        From 0.5 to 1.
    rate : float
        Share of positives among the rows that were ranked.
    """

    column: str
    roc_auc: float
    average_precision: float
    rate: float


def column_separations(
    panel: Panel, spec: FeatureSpec, since: NDArray[np.int32] | None = None, *, above: float = 1.0
) -> list[Separation]:
    """Return how well each feature alone ranks converters, in the order of the columns.

    Usage is judged by row. Attributes are judged by company, since they are the same in all rows of one:
    the rows before the one in which a company converts would hide how well they know it.

    Parameters
    ----------
    panel : Panel
        Training rows, positive and negative ones among them.
    spec : FeatureSpec
        The features of ``panel``.
    since : ndarray of shape (n_companies,), int32, optional
        Day on which each company began to exist.
    above : float
        A higher ROC-AUC of usage is worked out again among rows of companies of about the same age.
    """
    companies, first, company = np.unique(panel.company, return_index=True, return_inverse=True)
    converts = np.zeros(companies.size, dtype=bool)
    converts[company[panel.label]] = True
    half = _halves(converts)
    categories = set(spec.categories())
    separations = []
    for name, group in spec.groups().items():
        column = panel.rows.column(name)
        label, side, weight = panel.label, half[company], panel.weight
        if group == ATTRIBUTE_GROUP:
            column, label, side, weight = column[first], converts, half, None
        values = _rates(column, label, side) if name in categories else column.astype(np.float32)
        rate = float(np.average(label, weights=weight))
        auc, precision = separation(values, label, weight)
        if auc > above and since is not None and group != ATTRIBUTE_GROUP:
            auc = _within_ages(values, label, weight, panel.cutoff.astype(np.int64) - since[panel.company])
        separations.append(Separation(name, auc, precision, rate))
    return separations


def separation(
    values: NDArray[np.float32] | NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return a column's ROC-AUC and average precision, each in its better direction.

    Parameters
    ----------
    values : ndarray of shape (n_rows,), float
        NaN for blanks.
    label : ndarray of shape (n_rows,), bool
        With at least one positive and one negative row.
    weight : ndarray of shape (n_rows,), optional
        How many rows each stands for; a positive one stands for itself.
    """
    blank = np.isnan(values)
    if not blank.any():
        return _separation(values, label, weight)
    ways = [_separation(np.where(blank, side, values), label, weight) for side in (-np.inf, np.inf)]
    return max(auc for auc, _ in ways), max(precision for _, precision in ways)


def _within_ages(
    values: NDArray[np.float32] | NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
    age: NDArray[np.int64],
) -> float:
    """Return the ROC-AUC among rows whose ages have as many binary digits, in its better direction."""
    digits = np.frexp(age.clip(0).astype(np.float64))[1]
    ways = []
    for side in (-np.inf, np.inf) if np.isnan(values).any() else (0.0,):
        filled, pairs = np.where(np.isnan(values), side, values), []
        for one in np.unique(digits[label]):
            rows = digits == one
            if not label[rows].all():
                of_rows = None if weight is None else weight[rows]
                pairs.append((_roc_auc(filled[rows], label[rows], of_rows), int(label[rows].sum())))
        if pairs:
            auc = float(np.average([auc for auc, _ in pairs], weights=[n for _, n in pairs]))
            ways.append(max(auc, 1 - auc))
    return max(ways, default=1.0)


def two_shares_p_value(marked: NDArray[np.bool_], group: NDArray[np.bool_]) -> float:
    """Return the p-value of the difference between two shares: marked rows inside and outside a group.

    Parameters
    ----------
    marked, group : ndarray of shape (n,), bool

    Returns
    -------
    float
        Twice the smaller tail of the hypergeometric distribution, at most 1.

    References
    ----------
    Fisher, "On the interpretation of chi-squared from contingency tables", JRSS 85 (1922).
    """
    n, n_marked, n_group = marked.size, int(marked.sum()), int(group.sum())
    log_factorial = np.append(0.0, np.cumsum(np.log(np.arange(1, n + 1))))

    def log_choose(total: int, taken: NDArray[np.intp]) -> NDArray[np.float64]:
        ways: NDArray[np.float64] = log_factorial[total] - log_factorial[taken] - log_factorial[total - taken]
        return ways

    both = np.arange(max(0, n_marked + n_group - n), min(n_marked, n_group) + 1)
    log_ways = log_choose(n_marked, both) + log_choose(n - n_marked, n_group - both)
    share = np.exp(log_ways - log_ways.max())
    share /= share.sum()
    found = int((marked & group).sum())
    return float(min(1.0, 2 * min(share[both <= found].sum(), share[both >= found].sum())))


def _separation(
    values: NDArray[np.float32] | NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
) -> tuple[float, float]:
    positive, below, upto, total = _ranked(values, label, weight)
    auc = float((below + upto).mean() / 2 / total)
    hits_from_top = positive.size - np.searchsorted(positive, positive, "left")
    hits_from_bottom = np.searchsorted(positive, positive, "right")
    from_top = hits_from_top / (hits_from_top + total - below)
    from_bottom = hits_from_bottom / (hits_from_bottom + upto)
    return max(auc, 1 - auc), float(max(from_top.mean(), from_bottom.mean()))


def _roc_auc(
    values: NDArray[np.float32] | NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
) -> float:
    _, below, upto, total = _ranked(values, label, weight)
    return float((below + upto).mean() / 2 / total)


def _ranked(
    values: NDArray[np.float32] | NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], Any]:
    """Return the values of positives, how many others lie below each and up to it, and how many there are."""
    positive, others = np.sort(values[label]), values[~label]
    if weight is None:  # sorting plain values is several times as fast as ordering rows by them
        negative, ranked = np.sort(others), np.arange(others.size + 1)
    else:
        order = np.argsort(others)
        negative, ranked = others[order], np.append(0, np.cumsum(weight[~label][order]))
    below, upto = (ranked[np.searchsorted(negative, positive, side)] for side in ("left", "right"))
    return positive, below, upto, ranked[-1]


def _rates(
    column: NDArray[np.object_], label: NDArray[np.bool_], half: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Give each row its level's smoothed rate among the companies of the other half."""
    code, levels = pd.factorize(column.astype(object), use_na_sentinel=False)
    rates = np.empty(code.size)
    for side in (0, 1):
        known, asked = half != side, half == side
        rows = np.bincount(code[known], minlength=len(levels))
        positives = np.bincount(code[known & label], minlength=len(levels))
        prior = label[known].mean() if known.any() else 0.0
        rates[asked] = ((positives + _SMOOTHING * prior) / (rows + _SMOOTHING))[code[asked]]
    return rates


def _halves(converts: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Split companies into two halves, with converters shared evenly."""
    half = np.empty(converts.size, dtype=np.intp)
    for stratum in (converts, ~converts):
        half[stratum] = np.arange(stratum.sum()) % 2
    return half
