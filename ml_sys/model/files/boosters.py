"""Model files of XGBoost: read, and checked before XGBoost or a compiled loop sees a tree of them.

Native code follows a node's children and reads a row's feature by number without looking whether they are
there. So every tree of a model has to stay within itself and its features, end in finite leaves and agree
with what the model says of itself. A version holds its trees in one such file, in XGBoost's own JSON, and the
estimator of its Pipeline gets them from there, written anew from what was checked.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from xgboost import XGBClassifier

_LEAF, _NO_PARENT = -1, (-1, 2**31 - 1)
_MOST_THREADS = 1024
_OF_EACH_NODE: dict[str, type[np.generic]] = {
    "left_children": np.int32, "right_children": np.int32, "parents": np.int32, "split_indices": np.int32,
    "split_conditions": np.float32, "sum_hessian": np.float32, "base_weights": np.float32,
    "loss_changes": np.float32, "default_left": np.uint8, "split_type": np.uint8,
}  # fmt: skip
_OF_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
# What a document that is none makes its reader raise.
_MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)


def load_trees(estimator: XGBClassifier, content: bytes) -> None:
    """Give an estimator the trees of a model file.

    Raises
    ------
    ValueError
        Saying in one line what is wrong with the file, or with the threads that the estimator asks for.
    """
    threads = estimator.n_jobs
    _need(threads is None or -1 <= threads <= _MOST_THREADS, f"{threads} threads")
    document = parse_model(content)
    check_model(document)
    # Written anew, so that XGBoost reads what was checked: of a name that stands twice, the same value.
    estimator.load_model(bytearray(json.dumps(document).encode()))


def parse_model(content: bytes) -> Any:
    """Return what a model file says, not yet checked.

    Raises
    ------
    ValueError
        If it is no JSON.
    """
    try:
        return json.loads(content)
    except _MALFORMED as error:
        raise ValueError(_said(error)) from error


def check_model(document: Mapping[str, Any]) -> None:
    """Check what a model file of XGBoost says.

    Raises
    ------
    ValueError
        Saying in one line what is wrong; no other error comes of a document that is none.
    """
    try:
        _check_learner(document["learner"])
    except _MALFORMED as error:
        raise ValueError(_said(error)) from error


def _said(error: Exception) -> str:
    named = isinstance(error, ValueError) and bool(str(error))
    return " ".join(str(error).split()) if named else f"malformed, {error!r}"


def _check_learner(learner: Mapping[str, Any]) -> None:
    said, booster = learner["learner_model_param"], learner["gradient_booster"]
    n_features, n_groups = _count(said["num_feature"]), max(_count(said["num_class"]), 1)
    _need(n_features > 0, "a model of no feature")
    _need(said["num_target"] == "1", "a model of several targets")
    for score in _floats(said["base_score"]):
        sound = 0 < score < 1 if learner["objective"]["name"] == "binary:logistic" else math.isfinite(score)
        _need(sound, f"a base score of {score}")
    for name in ("feature_names", "feature_types"):
        _need(len(learner.get(name, ())) in {0, n_features}, f"{name} of other features")
    if booster["name"] == "gblinear":
        weights = _numbers(booster["model"]["weights"], np.float32, (n_features + 1) * n_groups, "weights")
        _need(bool(np.isfinite(weights).all()), "a weight that is not finite")
        return
    forest = _forest(booster)
    trees, parallel = forest["trees"], _count(forest["gbtree_model_param"]["num_parallel_tree"])
    _need(parallel > 0, "no tree a round")
    _need(_count(forest["gbtree_model_param"]["num_trees"]) == len(trees), "another number of trees")
    groups = _numbers(forest["tree_info"], np.int32, len(trees), "groups of trees")
    _need(bool(((groups >= 0) & (groups < n_groups)).all()), "a tree of an unknown group")
    if "iteration_indptr" in forest:
        rounds = _numbers(forest["iteration_indptr"], np.int32, len(forest["iteration_indptr"]), "rounds")
        ends = rounds.size > 0 and rounds[0] == 0 and rounds[-1] == len(trees)
        _need(ends and bool((np.diff(rounds) >= 0).all()), "rounds out of order")
    if booster["name"] == "dart":
        dropped = _numbers(booster["weight_drop"], np.float32, len(trees), "weights of trees")
        _need(bool(np.isfinite(dropped).all()), "a weight that is not finite")
    categories = forest.get("cats", {})
    _need(not any(len(one) for one in categories.values()), "categories of its own")
    for number, tree in enumerate(trees):
        try:
            # XGBoost puts each tree at the place of its number, and leaves the others empty.
            _need(type(tree["id"]) is int and tree["id"] == number, "stands at the place of another")
            _check_tree(tree, n_features)
        except _MALFORMED as error:
            raise ValueError(f"tree {number}: {_said(error)}") from error


def _forest(booster: Mapping[str, Any]) -> Mapping[str, Any]:
    _need(booster["name"] in {"gbtree", "dart"}, f"a booster of kind {str(booster['name'])[:20]!r}")
    forest: Mapping[str, Any] = (booster["gbtree"] if booster["name"] == "dart" else booster)["model"]
    return forest


def _check_tree(tree: Mapping[str, Any], n_features: int) -> None:
    said = tree["tree_param"]
    n_nodes = _count(said["num_nodes"])
    _need(n_nodes > 0, "has no node")
    _need(_count(said["num_feature"]) == n_features, "is of another number of features")
    _need(said["size_leaf_vector"] in {"0", "1"}, "has leaves of several numbers")
    node = {name: _numbers(tree[name], kind, n_nodes, name) for name, kind in _OF_EACH_NODE.items()}
    _need(not node["split_type"].any(), "splits by categories")
    _need(not any(len(tree.get(name, ())) for name in _OF_CATEGORIES), "has categories")
    left, right = node["left_children"].astype(np.int64), node["right_children"].astype(np.int64)
    _need(bool(((left == _LEAF) == (right == _LEAF)).all()), "has a node with a single child")
    level, reached = np.zeros(1, dtype=np.int64), []
    while level.size:
        reached.append(level)
        _need(sum(map(len, reached)) <= n_nodes, "has a node that is reached in two ways")
        inner = level[left[level] != _LEAF]
        level = np.concatenate((left[inner], right[inner]))
        _need(bool(((level > 0) & (level < n_nodes)).all()), "has a child outside it")
        parents = node["parents"][level]
        _need(bool((parents == np.concatenate((inner, inner))).all()), "has a child of another node")
    every = np.concatenate(reached)
    _need(np.unique(every).size == every.size, "has a node that is reached in two ways")
    _need(int(node["parents"][0]) in _NO_PARENT, "has a root below another node")
    inner = every[left[every] != _LEAF]
    feature = node["split_indices"][inner]
    _need(
        bool(((feature >= 0) & (feature < n_features)).all()), "asks for a feature beyond those it is given"
    )
    for name in ("split_conditions", "sum_hessian"):  # a leaf's value stands where a split's threshold does
        _need(bool(np.isfinite(node[name][every]).all()), f"has {name} that are not finite")
    _need(bool((node["default_left"] <= 1).all()), "sends blanks neither left nor right")


def _numbers(thing: Any, kind: type[np.generic], size: int, what: str) -> NDArray[Any]:
    """Return a list of JSON as an array.

    Raises
    ------
    ValueError, OverflowError
        If it has another length, or holds something else than numbers of the kind.
    """
    of = float if issubclass(kind, np.floating) else int
    sound = isinstance(thing, list) and len(thing) == size and set(map(type, thing)) <= {of}
    _need(sound, f"has {what} of another number or type")
    with np.errstate(over="ignore"):  # what is infinite is refused where it matters
        return np.array(thing, dtype=kind)


def _count(text: Any) -> int:
    written = isinstance(text, str) and bool(re.fullmatch(r"\d{1,9}", text))
    _need(written, f"{str(text)[:20]!r} is not a number")
    return int(text)


def _floats(text: Any) -> list[float]:
    scores = [float(one) for one in str(text).strip("[]").split(",")]
    _need(len(scores) == 1, "several base scores")
    return scores


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
