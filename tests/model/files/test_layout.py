"""The plain files of a version: features taken apart and back, and how they drift."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import skops.io

from ml_sys.days import Period
from ml_sys.features.compute import FeatureSpec
from ml_sys.model.files.layout import as_json, drift, feature_schema, settled, spec_from_plain

SPEC = FeatureSpec((7, 28), off=("trend",), attribute_missingness=True, period=Period("week", 2, "end"))


def test_features_come_back_from_json_as_they_were():
    assert spec_from_plain(json.loads(as_json(asdict(SPEC)))) == SPEC


def test_a_schema_is_the_digest_of_the_meaning_and_the_group_of_each_feature():
    schema = feature_schema(SPEC)
    assert schema == {"hash": SPEC.schema_hash(), "features": SPEC.groups()}
    assert drift(SPEC, schema) == ""


def test_features_that_are_gone_or_new_are_named_and_else_their_meaning_has_changed():
    schema, said = feature_schema(SPEC), "this mlsys does not produce its features: "
    features = schema["features"]
    names = list(features)
    assert drift(SPEC, {"hash": "x", "features": features}) == f"{said}their meaning changed"
    more = {"hash": "x", "features": {**features, "old_one": "windows", "old_two": "windows"}}
    assert drift(SPEC, more) == f"{said}old_one, old_two gone"
    fewer = {"hash": "x", "features": {name: features[name] for name in names[2:]}}
    assert drift(SPEC, fewer) == f"{said}{names[0]}, {names[1]} new"
    both = {"hash": "x", "features": {**fewer["features"], "old_one": "windows"}}
    assert drift(SPEC, both) == f"{said}old_one gone and {names[0]}, {names[1]} new"
    unknown = FeatureSpec((7,), extra=("no_such_module_of_a_test:f",))
    assert drift(unknown, schema).startswith("this mlsys cannot produce its features: ")


def test_json_is_indented_ends_with_a_line_and_holds_no_number_that_is_none():
    assert as_json({"a": [1]}) == b'{\n  "a": [\n    1\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"a": float("nan")})


def test_whether_equal_texts_are_one_object_is_of_no_account():
    one, other = ("".join(["a", " text"]) for _ in range(2))
    assert one is not other
    shared, apart = skops.io.dumps({"x": [one, one]}), skops.io.dumps({"x": [one, other]})
    assert settled(shared) == settled(apart)
    assert skops.io.loads(settled(shared)) == {"x": ["a text", "a text"]}
    assert settled(skops.io.dumps({"x": [one, "b"]})) != settled(apart)
