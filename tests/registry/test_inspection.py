"""What there is to know about a version, and in what two versions differ."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_sys.data.snapshot import latest
from ml_sys.errors import ArtifactError, UnverifiedError
from ml_sys.jobs.models.promote import rollback
from ml_sys.jobs.models.train import train_version
from ml_sys.registry.audit import Change
from ml_sys.registry.inspection import Description, _data, _differing, compare, describe, flat
from ml_sys.registry.store import Registry
from ml_sys.views.frame.cells import plain
from tests.registry.versions import small_entry

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def two(registered: Path, cheap_settings, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """1.0.0, and 2.0.0 with fewer features and another depth; both were in production."""
    root = Path(shutil.copytree(registered, tmp_path_factory.mktemp("two") / "artifacts"))
    registry = Registry(root, actor="on call")
    params = {**cheap_settings.model.params, "max_depth": 2}
    settings = cheap_settings.model_copy(
        update={
            "artifacts_dir": root,
            "model": cheap_settings.model.model_copy(update={"params": params}),
            "features": cheap_settings.features.model_copy(update={"off": ("trend",)}),
        }
    )
    train_version(registry, latest(root), settings, now=NOW, message="shallow")
    registry.promote("1.0.0", None, Change("first", verdict={"passed": True}))
    registry.promote("2.0.0", "1.0.0", Change("second"))
    rollback(registry, reason="back")
    return registry


def test_a_description_holds_data_settings_metrics_lineage_and_promotions(two):
    found = describe(two, "2.0.0")
    assert found.entry.message == "shallow"
    assert found.facts["parent"] == "1.0.0"
    assert found.set_otherwise["model.params.max_depth"] == 2
    assert found.set_otherwise["features.off"] == ["trend"]
    assert "model.params.subsample" not in found.set_otherwise
    assert "artifacts_dir" not in found.set_otherwise
    assert found.evaluation["all prospects"]["model"]["average_precision"].value > 0
    assert [one.reason for one in found.moves] == ["second"]
    assert len(found.served) == 1
    assert found.served[0].until is not None
    assert [one.reason for one in describe(two, "1.0.0").moves] == ["first", "back"]
    json.dumps(plain(found), allow_nan=False)


def test_two_versions_differ_in_what_was_changed_and_in_nothing_else(two):
    found = compare(two, "1.0.0", "2.0.0")
    assert set(found.settings) == {"model.params.max_depth", "features.off"}
    assert found.settings["model.params.max_depth"] == (4, 2)
    assert found.features_gone
    assert all("trend" in two_groups(two)[name] for name in found.features_gone)
    assert found.features_new == ()
    assert set(found.data) <= {"trees"}
    assert found.same_holdout
    assert found.metrics["average_precision"][0] != found.metrics["average_precision"][1]


def two_groups(registry):
    return describe(registry, "1.0.0").facts["feature_schema"]["features"]


def test_versions_of_other_snapshots_were_judged_on_other_rows(two):
    class Elsewhere(Registry):
        def read(self):
            index = super().read()
            moved = replace(index.versions["2.0.0"], snapshot="f" * 16, data_through="2021-01-01")
            return replace(index, versions={**index.versions, "2.0.0": moved})

    assert compare(two, "1.0.0", "2.0.0").same_holdout
    found = compare(Elsewhere(two.root), "1.0.0", "2.0.0")
    assert not found.same_holdout
    assert found.data["snapshot"] == (two.read().versions["1.0.0"].snapshot, "f" * 16)
    assert found.data["usage through"][1] == "2021-01-01"


def test_a_version_does_not_differ_from_itself(two):
    found = compare(two, "1.0.0", "1.0.0")
    assert (found.settings, found.data, found.features_gone, found.features_new) == ({}, {}, (), ())
    assert all(a == b for a, b in found.metrics.values())


def test_a_damaged_version_is_not_described(two, tmp_path):
    registry = Registry(Path(shutil.copytree(two.root, tmp_path / "artifacts")))
    (registry.folder("1.0.0") / "metrics.json").write_text("{}")
    with pytest.raises(UnverifiedError, match=r"metrics\.json"):
        describe(registry, "1.0.0")


def described(facts: dict[str, Any], data_through: str = "2020-05-04") -> Description:
    entry = replace(small_entry("1.0.0"), data_through=data_through)
    return Description(entry, facts, {}, {}, [], (), ())


def test_the_data_of_a_version_are_its_spans_and_counts():
    fit = {"cutoffs": ["2020-01-06", "2020-02-03", "2020-03-02"], "rows": 90, "whole_rows": 900}
    fit |= {"one_in": 10.0, "positives": 7, "trees": 40}
    holdout = {"cutoffs": ["2020-04-06"], "rows": 30, "positives": 2}
    told = _data(described({"fit": fit, "holdout": holdout}))
    assert told == {
        "snapshot": "0" * 16,
        "usage through": "2020-05-04",
        "training cutoffs": "3: 2020-01-06 to 2020-03-02",
        "training rows": 90,
        "sampled of": 900,
        "training conversions": 7,
        "trees": 40,
        "holdout cutoffs": "1: 2020-04-06 to 2020-04-06",
        "holdout rows": 30,
        "holdout conversions": 2,
    }
    assert _data(described({"fit": {**fit, "one_in": 1.0}, "holdout": holdout}))["sampled of"] is None
    del fit["one_in"]
    assert _data(described({"fit": fit, "holdout": holdout}))["sampled of"] is None


def test_settings_are_laid_flat_without_the_places_where_things_lie():
    nested = {"seed": 7, "artifacts_dir": "a", "snapshot": "b", "model": {"trees": 4, "params": {"eta": 1}}}
    assert flat(nested) == {"seed": 7, "model.trees": 4, "model.params": {"eta": 1}}


def test_what_differs_is_shown_from_both_sides():
    assert _differing({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}) == {
        "a": (1, None),
        "c": (3, 4),
        "d": (None, 5),
    }


def test_a_description_is_plain_data():
    one = replace(described({"fit": 1}), set_otherwise={"seed": 2}, canaries=[{"name": "a"}])
    assert one.to_plain() == {
        "entry": one.entry,
        "facts": {"fit": 1},
        "set_otherwise": {"seed": 2},
        "canaries": [{"name": "a"}],
        "promotions": (),
        "served": (),
        "metrics": {},
    }


class Vanishing(Registry):
    """One whose folder is lost as soon as its trail was read."""

    def trail(self):
        found = super().trail()
        shutil.rmtree(self.root)
        return found


def test_a_registry_that_is_lost_meanwhile_is_said_in_a_line(registered: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    with pytest.raises(ArtifactError, match="contains no model"):
        describe(Vanishing(root), "1.0.0")
