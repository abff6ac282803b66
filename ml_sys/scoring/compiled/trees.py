"""XGBoost's trees as one array of nodes, read from its own model file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.errors import ArtifactError
from ml_sys.model.files.boosters import check_model, parse_model
from ml_sys.scoring.compiled.loops import GROUP, NODE, function_of_c, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_NO_CHILD = -1


class NotCompilableError(ArtifactError):
    """A model that cannot be compiled; it can still be used through its Pipeline."""


@dataclass(frozen=True)
class Trees:
    """A model of trees.

    Attributes
    ----------
    nodes : ndarray of shape (n_nodes,), NODE
        Tree by tree; the two children of a node are neighbours.
    cover : ndarray of shape (n_nodes,), float32
        Sum of the training rows' hessians at each node; the weights of exact reasons.
    roots : ndarray of shape (n_groups, GROUP), int32
        Position of each tree's root; the last group is padded with trees that add nothing.
    depths : ndarray of shape (n_groups,), int32
        Longest path to a leaf in each group.
    base : float32
        The start of every margin.
    """

    nodes: NDArray[Any]
    cover: NDArray[np.float32]
    roots: NDArray[np.int32]
    depths: NDArray[np.int32]
    base: np.float32

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margin of each row of shape (n_rows, n_features), float32."""
        margins = np.empty(len(rows), dtype=np.float32)
        walk.run(rows, *self.arguments(), margins)
        return margins

    @cached_property
    def thresholds(self) -> dict[int, NDArray[np.float32]]:
        """The thresholds of each feature that the trees use, ascending, by the feature's position."""
        asks = ~np.isnan(self.nodes["threshold"])
        stored, threshold = self.nodes["feature"][asks], self.nodes["threshold"][asks]
        feature = stored ^ (stored >> 31)
        return {one: np.unique(threshold[feature == one]) for one in np.unique(feature).tolist()}

    def as_bytes(self) -> tuple[bytes, ...]:
        """Return the trees as bytes, for comparison."""
        parts = (self.nodes, self.cover, self.roots, self.depths, self.base)
        return tuple(one.tobytes() for one in parts)

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments for the compiled loops."""
        return self.nodes, self.roots, self.depths, self.base


def read_trees(booster: bytes) -> Trees:
    """Read the trees of a model file of XGBoost.

    Raises
    ------
    NotCompilableError
        If the model has more than trees for one binary outcome.
    ValueError, KeyError, TypeError, IndexError
        If it is not a valid model file.
    """
    document = parse_model(booster)
    learner = document["learner"]
    booster_kind = learner["gradient_booster"]["name"]
    _need(booster_kind == "gbtree", f"its booster is {booster_kind}")
    objective = learner["objective"]["name"]
    _need(objective == "binary:logistic", f"its objective is {objective}")
    outcome = learner["learner_model_param"]
    _need(outcome["num_class"] == "0" and outcome["num_target"] == "1", "it has several outcomes")
    _need("best_iteration" not in learner["attributes"], "it uses only a part of its trees")
    trees = learner["gradient_booster"]["model"]["trees"]
    _need(bool(trees), "it has no tree")
    _need(not any(any(tree["split_type"]) for tree in trees), "it splits by categories")
    check_model(document)
    nodes, covers, roots, depths, start = [], [], [], [], 0
    for tree in trees:
        part, cover, depth = _nodes(tree, start)
        nodes.append(part)
        covers.append(cover)
        roots.append(start)
        depths.append(depth)
        start += len(part)
    fill = -len(roots) % GROUP
    nodes.append(np.array([(start, 0, np.nan, -0.0)], dtype=NODE))  # to add 0 would turn -0 into 0
    covers.append(np.zeros(1, dtype=np.float32))
    # The two steps that XGBoost takes, rounded to float32 each; NumPy's logarithm has other last bits.
    share = np.float32(str(outcome["base_score"]).strip("[]"))
    base = -function_of_c("logf")(float(np.float32(1) / share - np.float32(1)))
    return Trees(
        np.concatenate(nodes),
        np.concatenate(covers),
        np.array(roots + [start] * fill, dtype=np.int32).reshape(-1, GROUP),
        np.array(depths + [0] * fill, dtype=np.int32).reshape(-1, GROUP).max(axis=1),
        np.float32(base),
    )


def _nodes(tree: Mapping[str, Any], start: int) -> tuple[NDArray[Any], NDArray[np.float32], int]:
    """Lay out a checked tree level by level, children side by side; return nodes, cover and depth."""
    left, right = (np.asarray(tree[side], dtype=np.int32) for side in ("left_children", "right_children"))
    level, levels, depth, reached = np.zeros(1, dtype=np.int32), [], -1, 0
    while level.size:
        levels.append(level)
        reached += level.size
        inside = level[left[level] != _NO_CHILD]
        level = np.stack((left[inside], right[inside]), axis=1).ravel()
        depth += 1
    picked = np.concatenate(levels)
    position = np.zeros(left.size, dtype=np.int32)
    position[picked] = start + np.arange(reached)
    leaf = left[picked] == _NO_CHILD
    condition = np.asarray(tree["split_conditions"], dtype=np.float32)[picked]
    feature = np.asarray(tree["split_indices"], dtype=np.int32)[picked]
    blank_left = np.asarray(tree["default_left"])[picked] != 0
    nodes = np.zeros(reached, dtype=NODE)
    nodes["left"] = position[np.where(leaf, picked, left[picked])]
    nodes["feature"] = np.where(leaf, 0, np.where(blank_left, feature, ~feature))
    nodes["threshold"] = np.where(leaf, np.nan, condition)
    nodes["value"] = np.where(leaf, condition, 0)
    return nodes, np.asarray(tree["sum_hessian"], dtype=np.float32)[picked], depth


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotCompilableError(
            f"no scorer is compiled for this model: {otherwise}",
            hint="it is used through its Pipeline, which is slower; only trees of XGBClassifier are compiled",
        )
