"""Merge equal rows: a repeated row is fitted once, weighted by how often it occurs.

A weighted row adds to the loss what its repeats add one by one, so that what is learned stays the same while
the fit sees a fraction of the rows. On a weekly panel most rows repeat: a company that uses nothing looks the
same every week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import has_fit_parameter

from ml_sys.features.rows import leaders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.rows import Rows

# Asked to even out the classes, these estimators count rows and do not look at weights.
_CLASSES_BY_ROWS = frozenset({"class_weight", "is_unbalance"})
# Weights make it sort each column anew for each of 255 quantiles: three times slower than all rows without.
_FASTER_WHOLE = frozenset({"HistGradientBoostingClassifier"})


@dataclass(frozen=True)
class WeightedRows:
    """Rows that differ in some value or in the label, in the order in which each appeared first.

    Attributes
    ----------
    encoded : ndarray of shape (n_distinct, n_columns)
    label : ndarray of shape (n_distinct,)
    times : ndarray of shape (n_distinct,), float64
        How often each row stood there.
    """

    encoded: NDArray[Any]
    label: NDArray[np.integer[Any]]
    times: NDArray[np.float64]


def learns_weights(estimator: Any, *, uneven: bool = False) -> bool:
    """Return whether an estimator learns the same from one row of weight n as from n equal rows, and sooner.

    Rows that weigh unevenly, those of a sample or light synthetic ones, cannot be repeated in place of their
    weights, so that being sooner plays no part.
    """
    if type(estimator).__name__ in _FASTER_WHOLE and not uneven:
        return False
    by_rows = any(estimator.get_params().get(name) for name in _CLASSES_BY_ROWS)
    return bool(has_fit_parameter(estimator, "sample_weight")) and not by_rows


def alike(rows: Rows, label: NDArray[np.integer[Any]], *, alone: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the position of the row that each row is merged with: the first that is equal, label and all.

    Parameters
    ----------
    rows : Rows
        Of n_rows rows.
    label : ndarray of shape (n_rows,)
        0 or 1.
    alone : ndarray of shape (n_rows,), bool
        Rows that stay by themselves.
    """
    first = leaders(rows.which.astype(np.int64) * 2 + label)
    return np.where(alone, np.arange(first.size), first)


def distinct_rows(
    encoded: NDArray[Any], label: NDArray[np.integer[Any]], times: NDArray[np.float64] | None = None
) -> WeightedRows:
    """Merge rows that are equal in all values and in the label.

    Rows are grouped by a 64-bit digest and compared value by value with the first of their group; those that
    share a digest and yet differ stand for themselves.

    Parameters
    ----------
    encoded : ndarray of shape (n_rows, n_columns)
    label : ndarray of shape (n_rows,)
    times : ndarray of shape (n_rows,), optional
        How many rows each of them stands for already; one by default.
    """
    digest = pd.util.hash_pandas_object(pd.DataFrame(encoded).assign(label=label), index=False).to_numpy()
    leader = leaders(digest)
    follows = np.flatnonzero(leader != np.arange(leader.size))
    equal = (encoded[follows] == encoded[leader[follows]]).all(axis=1) & (
        label[follows] == label[leader[follows]]
    )
    leader[follows[~equal]] = follows[~equal]
    merged = np.bincount(leader, weights=times, minlength=leader.size).astype(np.float64)
    kept = np.flatnonzero(merged)
    return WeightedRows(encoded[kept], label[kept], merged[kept])
