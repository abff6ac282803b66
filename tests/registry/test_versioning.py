from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import UsageError
from ml_sys.registry.versioning import derive, parse
from ml_sys.settings import Settings
from ml_sys.settings.tree import effective

BEFORE = effective(Settings()) | {"resample.sampling_strategy": 0.02, "snapshot": "eeee"}
SAME = ("aaaa", "aaaa")


def changed(**values):
    return BEFORE | {key.replace("__", "."): value for key, value in values.items()}


def test_the_first_version_is_1_0_0():
    assert derive([], None, BEFORE, (None, "aaaa")) == ("1.0.0", "first version")


@pytest.mark.parametrize(
    ("after", "hashes", "version", "why"),
    [
        (changed(label__horizon_days=14), SAME, "3.0.0", "major: label.horizon_days 30 → 14"),
        (changed(usage__stamp="end"), SAME, "3.0.0", "major: usage.stamp start → end"),
        (changed(features__off=["trend"]), ("aaaa", "bbbb"), "3.0.0", "major: features.off [] → ['trend']"),
        (BEFORE, ("aaaa", "bbbb"), "3.0.0", "major: the feature schema changed"),
        (changed(model__max_trees=10), SAME, "2.5.0", "minor: model.max_trees 600 → 10"),
        (
            changed(resample__sampling_strategy="none"),
            SAME,
            "2.5.0",
            "minor: resample.sampling_strategy 0.02 → none",
        ),
        (
            changed(calibration__method="isotonic"),
            SAME,
            "2.5.0",
            "minor: calibration.method sigmoid → isotonic",
        ),
        (changed(panel__step_days=14), SAME, "2.5.0", "minor: panel.step_days 7 → 14"),
        (changed(split__kind="stratified"), SAME, "2.5.0", "minor: split.kind time → stratified"),
        (changed(seed=8), SAME, "2.4.8", "patch: seed 7 → 8"),
        (BEFORE, SAME, "2.4.8", "patch: same data and settings, trained again"),
        (BEFORE | {"snapshot": "ffff"}, SAME, "2.4.8", "patch: snapshot eeee → ffff"),
        (
            changed(artifacts_dir="elsewhere", gate__resamples=900),
            SAME,
            "2.4.8",
            "patch: same data and settings, trained again",
        ),
    ],
)
def test_the_weightiest_change_decides_and_is_named(after, hashes, version, why):
    assert derive(["1.0.0", "2.4.7"], BEFORE, after, hashes) == (version, why)


def test_where_no_earlier_version_can_be_read_the_next_one_is_a_major():
    assert derive(["1.0.0", "2.4.7"], None, BEFORE, (None, "aaaa")) == (
        "3.0.0",
        "major: no earlier version can be read to compare with",
    )


def test_a_lighter_change_beside_a_weightier_one_does_not_hide_it():
    after = changed(seed=8, model__max_trees=10, label__horizon_days=14)
    assert derive(["1.0.0"], BEFORE, after, SAME)[0] == "2.0.0"
    assert derive(["1.0.0"], BEFORE, changed(seed=8, model__max_trees=10), SAME)[0] == "1.1.0"


NUMBER = st.integers(0, 30)
VERSION = st.builds("{}.{}.{}".format, NUMBER, NUMBER, NUMBER)


@given(
    versions=st.lists(VERSION, min_size=1),
    key=st.sampled_from(["label.horizon_days", "model.max_trees", "seed", "threads"]),
)
def test_a_derived_version_lies_above_all_that_exist(versions, key):
    derived, _ = derive(versions, BEFORE, BEFORE | {key: 12345}, SAME)
    assert parse(derived) > max(parse(version) for version in versions)


@pytest.mark.parametrize(
    "version", ["1", "1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "1.0.0\n", "1.0.-1", "../1.0.0", "٣.0.0", ""]
)
def test_what_is_no_version_is_refused(version):
    with pytest.raises(UsageError, match="is not a version"):
        parse(version)


def test_versions_are_compared_as_numbers():
    assert parse("1.10.0") > parse("1.9.9")


def test_of_a_changed_table_only_the_entries_that_differ_are_named() -> None:
    before = {"model.params": {"max_depth": 5, "eta": 0.1, "gamma": 1.0}}
    after = {"model.params": {"max_depth": 6, "eta": 0.1, "alpha": 2.0}}
    version, why = derive(["1.0.0"], before, after, ("a", "a"))
    assert version == "1.1.0"
    assert why == (
        "minor: model.params.max_depth 5 → 6; model.params.alpha none → 2.0; model.params.gamma left out"
    )


@pytest.mark.parametrize(
    ("key", "version"),
    [
        ("label.any", "2.0.0"), ("usage.any", "2.0.0"), ("features.any", "2.0.0"), ("model.any", "1.1.0"),
        ("resample.any", "1.1.0"), ("calibration.any", "1.1.0"), ("threshold.any", "1.1.0"),
        ("panel.any", "1.1.0"), ("split.any", "1.1.0"), ("seed", "1.0.1"), ("snapshot", "1.0.1"),
        ("labels.any", "1.0.1"), ("model_card.any", "1.0.1"), ("serving.any", "1.0.1"),
    ],
)  # fmt: skip
def test_the_group_of_a_setting_says_how_weighty_its_change_is(key: str, version: str) -> None:
    assert derive(["1.0.0"], {key: 1}, {key: 2}, SAME)[0] == version


def test_a_value_that_is_equal_is_no_change_whatever_object_it_is() -> None:
    assert derive(["1.0.0"], {"model.params": [1000.5]}, {"model.params": [1000.5]}, SAME)[0] == "1.0.1"
