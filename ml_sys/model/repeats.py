"""Equal rows, learned once: a row that repeats is fitted once, weighted by how often it stands there.

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

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def learns_weights(estimator: Any) -> bool:
    """Say whether an estimator learns the same from one row of weight n as from n equal rows, and sooner."""
    if type(estimator).__name__ in _FASTER_WHOLE:
        return False
    by_rows = any(estimator.get_params().get(name) for name in _CLASSES_BY_ROWS)
    return bool(has_fit_parameter(estimator, "sample_weight")) and not by_rows


def distinct_rows(encoded: NDArray[Any], label: NDArray[np.integer[Any]]) -> WeightedRows:
    """Merge rows that are equal in all values and in the label.

    Rows are grouped by a 64-bit digest and compared value by value with the first of their group; those that
    share a digest and yet differ stand for themselves.
    """
    digest = pd.util.hash_pandas_object(pd.DataFrame(encoded).assign(label=label), index=False).to_numpy()
    group, seen = pd.factorize(digest)
    first = np.empty(seen.size, dtype=np.intp)
    first[group[::-1]] = np.arange(group.size)[::-1]  # the last to be written is the first of the group
    leader = first[group]
    follows = np.flatnonzero(leader != np.arange(group.size))
    equal = (encoded[follows] == encoded[leader[follows]]).all(axis=1) & (
        label[follows] == label[leader[follows]]
    )
    leader[follows[~equal]] = follows[~equal]
    times = np.bincount(leader, minlength=group.size)
    kept = np.flatnonzero(times)
    return WeightedRows(encoded[kept], label[kept], times[kept].astype(np.float64))
