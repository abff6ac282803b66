"""No model file leads XGBoost or a compiled loop out of its trees: it is refused in one line, or harmless."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import xgboost as xgb

from ml_sys.model.files import ubjson
from ml_sys.model.files.boosters import check_model, pipeline_problem
from ml_sys.model.files.serialization import TRUSTED_TYPES
from ml_sys.scoring.trees import read_trees
from tests.model.files.test_ubjson import written

N_FEATURES = 6
CODES = {"i4": b"l", "i8": b"L", "f4": b"d", "f8": b"D", "u1": b"U", "i1": b"i", "i2": b"I"}


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


def document() -> dict[str, Any]:
    """What the model file of a fitted model says, to be changed."""
    return ubjson.read(bytes(fitted().get_booster().save_raw("ubj")))


def counted(size: int) -> bytes:
    return b"L" + struct.pack(">q", size)  # of another width XGBoost would not read it


def text(value: str) -> bytes:
    content = value.encode()
    return counted(len(content)) + content


def as_file(value: Any) -> bytes:
    """Write a document as XGBoost does, arrays with their type."""
    if isinstance(value, np.ndarray):
        code = CODES[value.dtype.str[1:]]
        return (
            b"[$" + code + b"#" + counted(value.size) + value.astype(value.dtype.newbyteorder(">")).tobytes()
        )
    if isinstance(value, dict):
        return b"{" + b"".join(text(name) + as_file(one) for name, one in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(map(as_file, value)) + b"]"
    return b"S" + text(value) if isinstance(value, str) else written(value)


def pipeline_file(change: Callable[[Any], Any] = lambda serialized: serialized) -> bytes:
    """The skops file of a fitted model, its booster's bytes changed."""
    source, out = zipfile.ZipFile(io.BytesIO(skops.io.dumps(fitted()))), io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content) if name.endswith(".bin") else content)
    return out.getvalue()


def tree(said: Any) -> Any:
    """The first tree that splits, its arrays made writable."""
    found = said["learner"]["gradient_booster"]["model"]["trees"][0]
    for name, one in found.items():
        if isinstance(one, np.ndarray):
            found[name] = one.copy()
    return found


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
    "a child that is no node": put("left_children", 0, 2**30),
    "child that is no node of it": put("right_children", 0, -2),
    "a child that is no node of": inner_first,
    "child of another node": put("parents", 1, 2),
    "a node that is reached in two ways": put("left_children", 0, 2),
    "a node with a single child": put("left_children", 0, -1),
    "split_conditions that are not finite": put("split_conditions", -1, np.nan),
    "split_conditions that are not": put("split_conditions", -1, np.inf),
    "sum_hessian that are not finite": put("sum_hessian", 0, np.inf),
    "sends blanks neither": put("default_left", 0, 7),
    "a root below another": put("parents", 0, 1),
    "left_children of other nodes": cut("left_children"),
    "default_left of other nodes": cut("default_left"),
    "a base score of nan": model_param("base_score", "[NAN]"),
    "a base score of 1.0": model_param("base_score", "[1E0]"),
    "is of another number of features": model_param("num_feature", "7"),
    "a model of no feature": model_param("num_feature", "0"),
    "is no number": model_param("num_feature", "-1"),
    "a group that is none": lambda said: said["learner"]["gradient_booster"]["model"].update(
        tree_info=[0, 0, 9, 0, 0]
    ),
    "another number of trees": lambda said: said["learner"]["gradient_booster"]["model"]["trees"].pop(),
    "rounds out of order": lambda said: said["learner"]["gradient_booster"]["model"].update(
        iteration_indptr=[0, 9, 5]
    ),
    "stands at the place of another": lambda said: tree(said).update(id=1),
    "has categories": lambda said: tree(said).update(categories=np.ones(3, dtype=">i4")),
}


@pytest.mark.parametrize("problem", HARM)
def test_a_model_that_leads_out_of_itself_is_refused_in_one_line(problem):
    said = document()
    HARM[problem](said)
    with pytest.raises(ValueError, match=problem) as caught:
        check_model(said)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=problem):
        read_trees(as_file(said))

    def change(content: bytes) -> bytes:
        serialized = ubjson.read(content)
        HARM[problem](serialized["Model"])
        return as_file(serialized)

    assert pipeline_problem(pipeline_file(change))


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
    check_model(ubjson.read(bytes(model.get_booster().save_raw("ubj"))))
    assert pipeline_problem(skops.io.dumps(model)) == ""


def test_what_is_written_here_is_what_xgboost_reads():
    """Or else it would refuse every changed file for that, whatever was changed."""

    def rewritten(content: bytes) -> bytes:
        return as_file(ubjson.read(content))

    table = rows()[0]
    again = skops.io.loads(pipeline_file(rewritten), trusted=list(TRUSTED_TYPES))
    assert again.predict_proba(table).tobytes() == fitted().predict_proba(table).tobytes()


@pytest.mark.parametrize("content", [b"", b"PK", b"nothing of the kind"])
def test_a_file_that_is_no_pipeline_is_refused_in_one_line(content):
    assert pipeline_problem(content)
    assert "\n" not in pipeline_problem(content)


def test_a_booster_that_stands_for_other_bytes_in_its_file_is_refused():
    """A node of a file is taken from an earlier one of the same id, whatever it says itself."""

    def doubled(content: bytes) -> bytes:
        at = content.index(b'"BytearrayNode"')
        number = content[content.index(b'"__id__": ', at) + 10 :].split(b"\n")[0].split(b"}")[0]
        first = content.index(b'"__id__": ') + 10
        old = content[first:].split(b"\n")[0].split(b"}")[0]
        return content.replace(b'"__id__": ' + old, b'"__id__": ' + number, 1)

    source, out = zipfile.ZipFile(io.BytesIO(skops.io.dumps(fitted()))), io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, doubled(content) if name == "schema.json" else content)
    assert "a booster that stands for another" in pipeline_problem(out.getvalue())


@pytest.mark.parametrize(
    ("threads", "sound"), [("-2", False), ("-1", True), ("0", True), ("1024", True), ("1025", False)]
)
def test_no_file_has_xgboost_start_more_threads_than_machines_have(threads, sound):
    def change(content: bytes) -> bytes:
        serialized = ubjson.read(content)
        serialized["Config"]["learner"]["generic_param"]["n_jobs"] = threads
        return as_file(serialized)

    assert pipeline_problem(pipeline_file(change)) == ("" if sound else f"{threads} threads")


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
