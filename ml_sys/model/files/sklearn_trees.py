"""Check scikit-learn's trees from a file before they are used.

Its compiled code follows a node's children and reads a row's feature by number without looking whether they
are there: a tree that leads out of itself would read memory that is not its own, or never end.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_LEAF = -1


def has_stray_tree(model: Any) -> bool:
    """Return whether any tree in a fitted model points outside itself or beyond its features.

    Parameters
    ----------
    model : object
        Any fitted estimator. Only scikit-learn's trees are looked at; other libraries check their own.
    """
    return not all(
        _is_closed(children, feature, n_features)
        for children, feature, n_features in _trees(model, sys.maxsize, set())
    )


def _trees(
    thing: Any, n_features: int, seen: set[int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
    """Yield both children of each node (-1 at leaves), the feature it asks, and how many there may be."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, _tree_type()):
        children = np.stack([thing.children_left, thing.children_right])
        yield children.astype(np.int64), thing.feature.astype(np.int64), n_features
        return
    if type(thing).__name__ == "TreePredictor":  # HistGradientBoosting shows its trees in no documented way
        yield *_of_histograms(thing), n_features
        return
    within: Any = ()
    if isinstance(thing, dict):
        within = thing.values()
    elif isinstance(thing, list | tuple) or (isinstance(thing, np.ndarray) and thing.dtype == object):
        within = np.ravel(thing) if isinstance(thing, np.ndarray) else thing
    elif hasattr(thing, "__dict__"):
        n_features = min(n_features, int(getattr(thing, "n_features_in_", sys.maxsize)))
        within = vars(thing).values()
    for one in within:
        yield from _trees(one, n_features, seen)


@cache
def _tree_type() -> Any:
    """Return the class of the documented ``tree_`` of a fitted tree; no public name exports it."""
    return type(DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1]).tree_)


def _of_histograms(predictor: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    nodes = predictor.nodes
    children = np.stack([nodes["left"], nodes["right"]]).astype(np.int64)
    # A node by category looks into a table of sets; our encoder makes numbers of all, so there is none.
    feature = np.where(nodes["is_categorical"].astype(bool), _LEAF, nodes["feature_idx"].astype(np.int64))
    return np.where(nodes["is_leaf"].astype(bool), _LEAF, children), feature


def _is_closed(children: NDArray[np.int64], feature: NDArray[np.int64], n_features: int) -> bool:
    """Say whether every child comes after its parent and within the tree, and every feature is in a row."""
    n_nodes = children.shape[1]
    inner = (children != _LEAF).any(axis=0)
    below, asked = children[:, inner], feature[inner]
    in_order = (below > np.flatnonzero(inner)) & (below < n_nodes)
    return bool(n_nodes and in_order.all() and ((asked >= 0) & (asked < n_features)).all())
