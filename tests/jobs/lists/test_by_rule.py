"""A list by a simple rule: there before any model, and called a rule wherever it is shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml_sys.errors import UsageError
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.rules import rule_scores
from ml_sys.jobs.lists.by_rule import rank_by_rule
from ml_sys.jobs.lists.listed import Request
from ml_sys.model.train import spec_from
from ml_sys.settings import Settings


def test_a_rule_ranks_the_free_of_a_snapshot_without_any_model(ingested, snapshot, tmp_path):
    settings = Settings(artifacts_dir=ingested)
    cutoff = int(snapshot.usage_stamp.max()) + 7
    listed = rank_by_rule(settings, Request(out=tmp_path / "list.csv", rule="users"))
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
    table = rank_by_rule(Settings(artifacts_dir=ingested), Request(rule="recency")).scored.table
    assert table["rule_score"].is_monotonic_increasing
    assert table["rule_score"].iloc[0] >= 0


@pytest.mark.parametrize("asked", [Request(rule="users", capacity=10), Request(rule="users")])
def test_what_promises_nothing_is_not_handed_out_or_valued(ingested, asked):
    settings = Settings.model_validate(
        {"artifacts_dir": ingested, "score": {"hand_out": asked.capacity is None}}
    )
    with pytest.raises(UsageError, match="a rule gives no probabilities"):
        rank_by_rule(settings, asked)


def test_the_terminal_says_that_a_rule_made_the_list(ingested, three_tables, mlsys):
    free = three_tables / "noncustomers.csv"
    done = mlsys("score", free, "--rule", "actions", "--top", "3", artifacts=ingested)
    assert done.returncode == 0, done.stderr
    assert "rule: most actions in 30 days" in done.stdout
    assert "probability" not in done.stdout
    refused = mlsys("score", free, "--rule", "actions", "--version", "1.0.0", artifacts=ingested)
    assert refused.returncode == 2
