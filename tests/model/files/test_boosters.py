"""No model file leads XGBoost or a compiled loop out of its trees: it is refused in one line, or harmless."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn.base import clone

from ml_sys.model.files.boosters import check_model, load_trees
from ml_sys.scoring.compiled.trees import read_trees

N_FEATURES = 6


@cache
def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(300, N_FEATURES)).astype(np.float32)
    table[rng.random(table.shape) < 0.2] = np.nan
    return table, (np.nan_to_num(table[:, 0]) + rng.normal(size=300) > 1).astype(int)


@cache
def fitted(**params: Any) -> xgb.XGBClassifier:
    return xgb.XGBClassifier(
        **{"n_estimators": 5, "max_depth": 3, "n_jobs": 1, "random_state": 1, **params}
    ).fit(*rows())


def content(model: xgb.XGBClassifier) -> bytes:
    return bytes(model.get_booster().save_raw("json"))


def document() -> dict[str, Any]:
    """What the model file of a fitted model says, to be changed."""
    return json.loads(content(fitted()))


def as_file(said: Any) -> bytes:
    return json.dumps(said).encode()


def tree(said: Any) -> Any:
    """The first tree that splits."""
    return said["learner"]["gradient_booster"]["model"]["trees"][0]


def put(name: str, at: int, value: float) -> Callable[[Any], None]:
    def change(said: Any) -> None:
        tree(said)[name][at] = value

    return change


def model_param(name: str, value: str) -> Callable[[Any], None]:
    return lambda said: said["learner"]["learner_model_param"].update({name: value})


def cut(name: str) -> Callable[[Any], None]:
    def change(said: Any) -> None:
        found = tree(said)
        found[name] = found[name][:-1]

    return change


def inner_first(said: Any) -> None:
    """Two nodes that are each other's children, and reached by nobody else."""
    found = tree(said)
    found["left_children"][1], found["parents"][0] = 0, 1


HARM: dict[str, Callable[[Any], None]] = {
    "asks for a feature beyond": put("split_indices", 0, 2**28),
    "feature beyond those": put("split_indices", 0, -1),
    "a feature beyond those it is given": put("split_indices", 0, N_FEATURES),
    "a child outside it": put("left_children", 0, 2**30),
    "child outside it": put("right_children", 0, -2),
    "has a child outside": inner_first,
    "child of another node": put("parents", 1, 2),
    "a node that is reached in two ways": put("left_children", 0, 2),
    "a node with a single child": put("left_children", 0, -1),
    "split_conditions that are not finite": put("split_conditions", -1, np.nan),
    "split_conditions that are not": put("split_conditions", -1, np.inf),
    "sum_hessian that are not finite": put("sum_hessian", 0, np.inf),
    "sends blanks neither": put("default_left", 0, 7),
    "a root below another": put("parents", 0, 1),
    "left_children of another number": cut("left_children"),
    "default_left of another number": cut("default_left"),
    "a base score of nan": model_param("base_score", "[NAN]"),
    "a base score of 1.0": model_param("base_score", "[1E0]"),
    "is of another number of features": model_param("num_feature", "7"),
    "a model of no feature": model_param("num_feature", "0"),
    "is not a number": model_param("num_feature", "-1"),
    "an unknown group": lambda said: said["learner"]["gradient_booster"]["model"].update(
        tree_info=[0, 0, 9, 0, 0]
    ),
    "another number of trees": lambda said: said["learner"]["gradient_booster"]["model"]["trees"].pop(),
    "rounds out of order": lambda said: said["learner"]["gradient_booster"]["model"].update(
        iteration_indptr=[0, 9, 5]
    ),
    "stands at the place of another": lambda said: tree(said).update(id=1),
    "has categories": lambda said: tree(said).update(categories=[1, 1, 1]),
    "malformed, OverflowError": put("right_children", 0, 2**40),
    "left_children of another number or type": put("left_children", 0, 1.0),
    "default_left of another number or type": put("default_left", 0, True),
    "split_conditions of another number or type": put("split_conditions", 0, "1.5"),
}


@pytest.mark.parametrize("problem", HARM)
def test_a_model_that_leads_out_of_itself_is_refused_in_one_line(problem):
    said = document()
    HARM[problem](said)
    with pytest.raises(ValueError, match=problem) as caught:
        check_model(said)
    assert "\n" not in str(caught.value)
    for give in (read_trees, lambda file: load_trees(xgb.XGBClassifier(), file)):
        with pytest.raises(ValueError, match=problem):
            give(as_file(said))


@pytest.mark.parametrize("targets", ["0", "2", ""])
def test_a_model_of_any_number_of_targets_but_one_is_refused(targets):
    said = document()
    model_param("num_target", targets)(said)
    with pytest.raises(ValueError, match="a model of several targets"):
        check_model(said)


def test_a_split_by_categories_is_refused_before_xgboost_looks_for_its_set():
    said = document()
    tree(said)["split_type"][0] = 1
    with pytest.raises(ValueError, match="tree 0: splits by categories"):
        check_model(said)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"booster": "dart"},
        {"booster": "gblinear", "max_depth": None},
        {"num_parallel_tree": 3},
        {"tree_method": "exact", "gamma": 3},  # whose pruned nodes stay in the file
        {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 9},
        {"min_child_weight": 1e9},
        {"base_score": 0.01},
    ],
    ids=str,
)
def test_what_xgboost_fits_is_sound(params):
    model = fitted(**params)
    again = clone(model)
    load_trees(again, content(model))
    assert content(again) == content(model)
    table = np.nan_to_num(rows()[0])
    assert again.predict_proba(table).tobytes() == model.predict_proba(table).tobytes()


@pytest.mark.parametrize(
    "file", [b"", b"{", b"PK", b"nothing of the kind", b"\xff", b"[" * 10**5, b"[]", b"{}"]
)
def test_a_file_that_is_no_model_is_refused_in_one_line(file):
    with pytest.raises(ValueError, match=r"\w") as caught:
        load_trees(xgb.XGBClassifier(), file)
    assert "\n" not in str(caught.value)


def test_xgboost_reads_what_was_checked_and_not_what_else_stands_under_the_same_name():
    said = json.dumps(document())
    first = said.index('"split_indices": ')
    twice = said[:first] + f'"split_indices": {[2**28] * 15}, ' + said[first:]
    again = clone(fitted())
    load_trees(again, twice.encode())
    assert content(again) == content(fitted())


@pytest.mark.parametrize(
    ("threads", "sound"), [(-2, False), (-1, True), (None, True), (1, True), (1024, True), (1025, False)]
)
def test_no_estimator_has_xgboost_start_more_threads_than_machines_have(threads, sound):
    estimator = clone(fitted()).set_params(n_jobs=threads)
    if sound:
        load_trees(estimator, content(fitted()))
    else:
        with pytest.raises(ValueError, match=f"{threads} threads"):
            load_trees(estimator, content(fitted()))


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_whatever_is_changed_in_a_model_file_nothing_crashes(seed):
    """In a process of its own, so that a crash would be seen."""
    examples = 150 if seed == 1 else 3000
    done = subprocess.run(
        [sys.executable, "-m", "tests.model.files.changing", str(seed), str(examples)],
        capture_output=True, text=True, check=False, timeout=900, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    refused, walked, predicted = (int(one) for one in done.stdout.split())
    assert refused > examples / 2
    assert min(walked, predicted) > examples / 40


def forest(said: Any) -> Any:
    return said["learner"]["gradient_booster"]["model"]


def of_forest(**said_anew: Any) -> Callable[[Any], None]:
    return lambda said: forest(said).update(said_anew)


def of_counts(**said_anew: str) -> Callable[[Any], None]:
    return lambda said: forest(said)["gbtree_model_param"].update(said_anew)


def of_tree(**said_anew: str) -> Callable[[Any], None]:
    return lambda said: tree(said)["tree_param"].update(said_anew)


def beyond_the_last(said: Any) -> None:
    tree(said)["right_children"][0] = len(tree(said)["parents"])


EDGES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "names of fewer": ("feature_names of other", lambda said: said["learner"].update(feature_names=["a"])),
    "no tree a round": ("no tree a round", of_counts(num_parallel_tree="0")),
    "too few": ("another number of trees", of_counts(num_trees="4")),
    "the next group": ("an unknown group", of_forest(tree_info=[0, 0, 1, 0, 0])),
    "a group below": ("an unknown group", of_forest(tree_info=[0, 0, -1, 0, 0])),
    "rounds from one": ("rounds out of order", of_forest(iteration_indptr=[1, 3, 5])),
    "rounds up to four": ("rounds out of order", of_forest(iteration_indptr=[0, 2, 4])),
    "one round back": ("rounds out of order", of_forest(iteration_indptr=[0, 3, 2, 5])),
    "categories": ("categories of its own", of_forest(cats={"enc": [1]})),
    "a number that is true": ("stands at the place", lambda said: forest(said)["trees"][1].update(id=True)),
    "another booster": (
        "a booster of kind",
        lambda said: said["learner"]["gradient_booster"].update(name="other"),
    ),
    "no node": ("has no node", of_tree(num_nodes="0")),
    "several numbers": ("leaves of several", of_tree(size_leaf_vector="2")),
    "the next node": ("a child outside it", beyond_the_last),
    "neither left nor right": ("sends blanks neither", put("default_left", 0, 2)),
    "ten digits": ("is not a number", model_param("num_feature", "0000000006")),
    "two scores": ("several base scores", model_param("base_score", "[5E-1,5E-1]")),
}


@pytest.mark.parametrize("edge", EDGES)
def test_what_is_off_by_one_is_refused_as_well(edge):
    problem, change = EDGES[edge]
    said = document()
    change(said)
    with pytest.raises(ValueError, match=problem):
        check_model(said)


@pytest.mark.parametrize("booster", ["gblinear", "dart"])
def test_one_weight_that_is_not_finite_is_refused(booster):
    params = {"booster": booster} | ({"max_depth": None} if booster == "gblinear" else {})
    said = json.loads(content(fitted(**params)))
    found = said["learner"]["gradient_booster"]
    weights = found["model"]["weights"] if booster == "gblinear" else found["weight_drop"]
    check_model(said)
    weights[0] = float("inf")
    with pytest.raises(ValueError, match="a weight that is not finite"):
        check_model(said)
