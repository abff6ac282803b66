"""A list by a simple rule: there before any model, and called a rule wherever it is shown."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ml_sys.errors import UsageError
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.rules import rule_scores
from ml_sys.jobs.lists.by_rule import _unpromised, rank, rank_by_rule
from ml_sys.jobs.lists.listed import ListRequest
from ml_sys.jobs.lists.records import handed_out_lists, show_list
from ml_sys.jobs.lists.score import score_prospects
from ml_sys.model.train import spec_from
from ml_sys.project import Project
from ml_sys.registry.store import Registry
from ml_sys.settings import Settings


def test_a_rule_ranks_the_free_of_a_snapshot_without_any_model(ingested, snapshot, tmp_path):
    settings = Settings(artifacts_dir=ingested)
    cutoff = int(snapshot.usage_stamp.max()) + 7
    listed = rank_by_rule(settings, ListRequest(out=tmp_path / "list.csv", rule="users"))
    written = pd.read_csv(tmp_path / "list.csv", dtype={"id": str})
    free = np.flatnonzero(snapshot.closed >= cutoff)
    inputs = FeatureInputs.from_snapshot(snapshot, spec_from(settings, snapshot.form))
    expected = rule_scores(inputs, np.array([cutoff], dtype=np.int32))[1]["most users in 30 days"][free]
    by_id = dict(zip(snapshot.companies["id"].iloc[free], expected.tolist(), strict=True))
    assert written["rule_score"].tolist() == sorted(by_id.values(), reverse=True)
    assert dict(zip(written["id"], written["rule_score"], strict=True)) == by_id
    assert set(written["model_version"]) == {"rule: most users in 30 days"}
    assert written[["probability", "tier", "will_convert"]].isna().all(axis=None)
    assert listed.scored.notes[0] == (
        "a list by the rule most users in 30 days, without a model: it ranks, and promises nothing"
    )


def test_days_ago_are_shown_as_such_and_the_latest_comes_first(ingested):
    table = rank_by_rule(Settings(artifacts_dir=ingested), ListRequest(rule="recency")).scored.table
    assert table["rule_score"].is_monotonic_increasing
    assert table["rule_score"].iloc[0] >= 0


@pytest.mark.parametrize("drawn", [True, False])
def test_what_promises_nothing_is_not_valued_or_drawn_by_lot(ingested, drawn):
    chosen = {"experiment": {"design": "lottery"}, "score": {"hand_out": True}} if drawn else {}
    settings = Settings.model_validate({"artifacts_dir": ingested, **chosen})
    with pytest.raises(UsageError, match="a rule gives no probabilities"):
        rank_by_rule(settings, ListRequest(rule="users", capacity=10))


@pytest.fixture(scope="module")
def handed_out(ingested, once):
    """An artifacts folder in which a rule is in production and has handed a list out."""

    def fill(artifacts):
        shutil.copytree(ingested, artifacts, dirs_exist_ok=True)
        settings = handing(artifacts)
        assert Project(artifacts).promote_rule("users").promoted
        rank(Registry(artifacts), None, settings, ListRequest(capacity=7))

    return once("handed-out-by-rule", fill)


def handing(artifacts):
    return Settings.model_validate({"artifacts_dir": artifacts, "score": {"hand_out": True}})


def test_the_rule_in_production_ranks_and_its_list_is_recorded_under_its_name(handed_out, mlsys):
    again = rank(Registry(handed_out), None, handing(handed_out), ListRequest(capacity=7))
    assert again.handed_out.recorded == "same"
    assert again.table["probability"].isna().all()
    listed = again.handed_out.listed
    assert (listed.version, listed.expected, listed.horizon_days) == ("rule: most users in 30 days", 0.0, 30)
    shown = show_list(handing(handed_out), listed.list_id)
    assert [one.entry.entity_id for one in shown.companies] == again.table["id"].head(7).tolist()
    assert {one["probability"] for one in shown.to_plain()["list"]} == {None}
    said = mlsys("lists", "show", listed.list_id, artifacts=handed_out).stdout
    assert 'the rule "most users in 30 days"' in said
    assert "probability" not in said


def test_a_later_list_knows_whom_the_rule_has_called_and_compares_no_probability(handed_out, registered):
    settings = Settings.model_validate({"artifacts_dir": handed_out, "score": {"cooldown_weeks": 4}})
    (before,) = [one.listed for one in handed_out_lists(settings).lists]
    later = ListRequest(as_of=before.cutoff + 7)
    listed = score_prospects(Registry(registered), "1.0.0", settings, later)
    assert set(listed.table["since_last_week"]) <= {"called", "new", ""}
    assert (listed.table["since_last_week"] == "called").sum() == 7
    assert (listed.scored.group == "cooling").sum() == 7


def test_the_terminal_says_that_a_rule_made_the_list(ingested, three_tables, mlsys):
    free = three_tables / "noncustomers.csv"
    done = mlsys("score", free, "--rule", "actions", "--top", "3", artifacts=ingested)
    assert done.returncode == 0, done.stderr
    assert "rule: most actions in 30 days" in done.stdout
    assert "probability" not in done.stdout
    refused = mlsys("score", free, "--rule", "actions", "--version", "1.0.0", artifacts=ingested)
    assert refused.returncode == 2


class Ruled(Registry):
    """A registry with a rule in production."""

    def read(self):
        return replace(super().read(), production="rule: most actions in 30 days")


@pytest.mark.parametrize(
    ("rule", "found"), [("users", "most users in 30 days"), ("", "most actions in 30 days")]
)
def test_a_rule_that_is_asked_for_goes_before_the_one_in_production(ingested, rule, found):
    listed = rank(Ruled(ingested), None, Settings(artifacts_dir=ingested), ListRequest(rule=rule))
    assert set(listed.table["model_version"]) == {f"rule: {found}"}
    assert listed.handed_out is None


def test_who_is_left_out_of_a_list_by_a_rule_is_promised_nothing():
    excluded = pd.DataFrame({"id": ["x"], "probability": [0.9], "tier": ["A"]})
    made = SimpleNamespace(excluded=excluded)
    assert _unpromised(made).to_dict("records") == [{"id": "x", "probability": 0.0, "tier": ""}]
    assert _unpromised(SimpleNamespace(excluded=None)) is None
