"""Bounds of XGBoost's models, checked before XGBoost or a compiled loop sees them.

Native code follows a node's children and reads a row's feature by number without looking whether they are
there. So every tree of a model has to stay within itself and its features, end in finite leaves and agree
with what the model says of itself, also where a Pipeline's file holds the model as XGBoost's own bytes.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np

from ml_sys.model.files import ubjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_LEAF, _NO_PARENT = -1, (-1, 2**31 - 1)
_MOST_THREADS = 1024
_BOOSTER = ("xgboost.core", "Booster")
_OF_EACH_NODE = {
    "left_children": "i4", "right_children": "i4", "parents": "i4", "split_indices": "i4",
    "split_conditions": "f4", "sum_hessian": "f4", "base_weights": "f4", "loss_changes": "f4",
    "default_left": "u1", "split_type": "u1",
}  # fmt: skip
_OF_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
# What a document that is none makes its reader raise.
_MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)


def pipeline_problem(content: bytes) -> str:
    """Say what is wrong with the boosters that the file of a Pipeline holds; empty where nothing is."""
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            nodes = list(_nodes(json.loads(archive.read("schema.json"))))
            ids = Counter(node.get("__id__") for node in nodes)
            for node in nodes:
                if (node.get("__module__"), node.get("__class__")) == _BOOSTER:
                    _check_serialized(ubjson.read(archive.read(_file_of(node, ids))))
    except Exception as error:  # whatever reading a damaged archive raises
        return _said(error)
    return ""


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


def _nodes(thing: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within plain data."""
    if isinstance(thing, dict):
        yield thing
    for one in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ():
        yield from _nodes(one)


def _file_of(node: Mapping[str, Any], ids: Counter[Any]) -> str:
    """Return the name of the file that holds a booster's bytes.

    A node may stand for an earlier one of the same id, so that those on the way have to be there once.
    """
    state = node["content"]
    handle = state["content"]["handle"]
    forms = (node["__loader__"], state["__loader__"], handle["__loader__"])
    _need(forms == ("ObjectNode", "DictNode", "BytearrayNode"), "a booster in an unknown form")
    _need(ids[state.get("__id__")] == ids[handle.get("__id__")] == 1, "a booster that stands for another")
    return str(handle["file"])


def _check_serialized(document: Mapping[str, Any]) -> None:
    """Check a model with the configuration that it is kept in memory with."""
    model, configured = document["Model"]["learner"], document["Config"]["learner"]
    check_model(document["Model"])
    _need(configured["learner_model_param"] == model["learner_model_param"], "a model configured as another")
    ours, theirs = configured["gradient_booster"], model["gradient_booster"]
    _need(ours["name"] == theirs["name"], "a booster configured as another kind")
    if "gbtree_model_param" in ours:
        same = ours["gbtree_model_param"] == _forest(theirs)["gbtree_model_param"]
        _need(same, "trees configured as others")
    for name in ("n_jobs", "nthread"):
        threads = int(configured["generic_param"].get(name, "0"))
        _need(-1 <= threads <= _MOST_THREADS, f"{threads} threads")


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
        weights = np.asarray(booster["model"]["weights"], dtype=np.float64)
        _need(weights.size == (n_features + 1) * n_groups, "weights of other features")
        _need(bool(np.isfinite(weights).all()), "a weight that is not finite")
        return
    forest = _forest(booster)
    trees, parallel = forest["trees"], _count(forest["gbtree_model_param"]["num_parallel_tree"])
    _need(parallel > 0, "no tree a round")
    _need(_count(forest["gbtree_model_param"]["num_trees"]) == len(trees), "another number of trees")
    groups = _whole_numbers(forest["tree_info"], len(trees), "groups")
    _need(bool(((groups >= 0) & (groups < n_groups)).all()), "a tree of a group that is none")
    if "iteration_indptr" in forest:
        rounds = np.asarray(forest["iteration_indptr"])
        ends = rounds.size > 0 and rounds[0] == 0 and rounds[-1] == len(trees)
        _need(rounds.dtype.kind == "i" and ends and bool((np.diff(rounds) >= 0).all()), "rounds out of order")
    if booster["name"] == "dart":
        dropped = np.asarray(booster["weight_drop"], dtype=np.float64)
        _need(dropped.size == len(trees) and bool(np.isfinite(dropped).all()), "weights of other trees")
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
    for name, kind in _OF_EACH_NODE.items():
        _need(_is_array(tree[name], kind, n_nodes), f"has {name} of other nodes or of another type")
    _need(not np.any(tree["split_type"]), "splits by categories")
    _need(not any(len(tree.get(name, ())) for name in _OF_CATEGORIES), "has categories")
    left, right = (tree[name].astype(np.int64) for name in ("left_children", "right_children"))
    _need(bool(((left == _LEAF) == (right == _LEAF)).all()), "has a node with a single child")
    level, reached = np.zeros(1, dtype=np.int64), []
    while level.size:
        reached.append(level)
        _need(sum(map(len, reached)) <= n_nodes, "has a node that is reached in two ways")
        inner = level[left[level] != _LEAF]
        level = np.concatenate((left[inner], right[inner]))
        _need(bool(((level > 0) & (level < n_nodes)).all()), "has a child that is no node of it")
        parents = tree["parents"][level]
        _need(bool((parents == np.concatenate((inner, inner))).all()), "has a child of another node")
    every = np.concatenate(reached)
    _need(np.unique(every).size == every.size, "has a node that is reached in two ways")
    _need(int(tree["parents"][0]) in _NO_PARENT, "has a root below another node")
    inner = every[left[every] != _LEAF]
    feature = tree["split_indices"][inner]
    _need(
        bool(((feature >= 0) & (feature < n_features)).all()), "asks for a feature beyond those it is given"
    )
    for name in ("split_conditions", "sum_hessian"):  # a leaf's value stands where a split's threshold does
        _need(bool(np.isfinite(tree[name][every]).all()), f"has {name} that are not finite")
    _need(bool((tree["default_left"] <= 1).all()), "sends blanks neither left nor right")


def _is_array(thing: Any, kind: str, size: int) -> bool:
    return isinstance(thing, np.ndarray) and thing.dtype.str[1:] == kind and thing.shape == (size,)


def _whole_numbers(thing: Any, size: int, what: str) -> NDArray[np.int64]:
    numbers = np.asarray(thing, dtype=None if len(thing) else np.int64)
    _need(numbers.dtype.kind == "i" and numbers.shape == (size,), f"{what} of other trees")
    return numbers.astype(np.int64)


def _count(text: Any) -> int:
    _need(isinstance(text, str) and bool(re.fullmatch(r"\d{1,9}", text)), f"{str(text)[:20]!r} is no number")
    return int(text)


def _floats(text: Any) -> list[float]:
    numbers = [float(one) for one in str(text).strip("[]").split(",")]
    _need(len(numbers) == 1, "several base scores")
    return numbers


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
