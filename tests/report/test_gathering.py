"""What is gathered for a report fits together: importance and segments of one holdout."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import QUARANTINE, Snapshot
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report.evidence import Evidence
from ml_sys.report.gathering import evidence_of_version, parent_of, quality_of


def test_gain_is_shared_out_among_the_features_and_the_strongest_comes_first(evidence: Evidence) -> None:
    found = evidence.reliance
    assert sum(one.gain or 0 for one in found.features) > 0.999
    assert sum(one.gain or 0 for one in found.groups) > 0.999
    drops = [one.drop for one in found.features]
    assert drops == sorted(drops, reverse=True)
    assert all(one.drop == 0 for one in found.features if not one.shap)  # neither trees nor line use it


def test_segments_of_one_kind_hold_every_row_once(evidence: Evidence) -> None:
    for kind in ("Usage", "Employees", "Industry"):
        rows = sum(one.rows for one in evidence.segments if one.kind == kind)
        assert rows in {0, evidence.holdout["rows"]}


def test_what_a_snapshot_is_made_of_is_counted_table_by_table(snapshot: Snapshot) -> None:
    found = quality_of(snapshot)
    table = pq.read_table(snapshot.path / QUARANTINE).to_pandas()
    assert (found.companies, found.customers) == (
        len(snapshot.companies),
        (snapshot.closed != NEVER_CLOSED).sum(),
    )
    assert found.usage_rows == snapshot.usage_stamp.size
    assert list(found.read) == list(found.quarantined) == ["customers", "noncustomers", "usage"]
    for name, reasons in found.quarantined.items():
        assert reasons == table["reason"][table["table"] == name].value_counts().to_dict()
        counts = list(reasons.values())
        assert counts == sorted(counts, reverse=True)
    paid = snapshot.companies["industry"][snapshot.closed != NEVER_CLOSED]
    blanks = {name: (mine, theirs) for name, mine, theirs in found.blanks}
    (industry,) = (one for name, one in blanks.items() if name.casefold() == "industry")
    assert industry[0] == pytest.approx((paid.isna() | (paid == "")).mean())
    assert industry[0] != industry[1]


def artifact(
    version: str, snapshot_id: str = "abc", cutoffs: tuple[str, ...] = ("2019-06-03",)
) -> SimpleNamespace:
    manifest = {"holdout": {"cutoffs": cutoffs}, "snapshot": snapshot_id, "entry": {"version": version}}
    return SimpleNamespace(manifest=manifest, json=lambda _: {})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (artifact("1.0.0"), True),
        (artifact("1.0.0", snapshot_id="def"), False),
        (artifact("1.0.0", cutoffs=("2019-07-08",)), False),
    ],
)
def test_a_parent_was_judged_on_the_same_rows_where_snapshot_and_cutoffs_are_the_same(
    other: SimpleNamespace, same: bool
) -> None:
    found = parent_of(other, artifact("1.1.0").manifest)  # type: ignore[arg-type]  # what is read of it
    assert (found.version, found.same_holdout) == ("1.0.0", same)


def test_a_version_s_evidence_has_its_line_in_the_registry_and_its_lineage(evidence: Evidence) -> None:
    names = ("version", "status", "created_at", "changes", "message", "snapshot", "data_through")
    facts = {
        "entry": {name: f"the {name}" for name in names}, "parent": "1.0.0", "snapshot": "abc",
        "feature_schema": {"hash": "f" * 64, "features": {"a": "x", "b": "y"}}, "seed": 7, "git": {},
        "python": "3.11", "platform": "Linux", "packages": {"numpy": "2"},
    }  # fmt: skip
    found = evidence_of_version(evidence, facts, None)
    assert [getattr(found, name) for name in names] == [f"the {name}" for name in names]
    assert found.evaluation is evidence.evaluation
    assert found.lineage == {
        "parent": "1.0.0", "snapshot": "abc", "feature_schema": {"hash": "f" * 64, "features": 2}, "seed": 7,
        "git": None, "python": "3.11", "platform": "Linux", "cpu": None, "packages": {"numpy": "2"},
    }  # fmt: skip


def test_the_model_stands_beside_rules_and_chance_and_chance_has_no_interval(evidence: Evidence) -> None:
    found = evidence.ranking
    rules = set(found.lead)
    assert rules
    assert set(found.roc) == set(found.precision_recall) == set(found.depths) == {MODEL, RANDOM, *rules}
    assert set(found.gains) == {MODEL, *rules}
    assert [one.depth for one in found.depths[MODEL]] == [10, 25, 50, 100, 200, 400]
    assert all(one.precision.low == one.precision.value == one.precision.high for one in found.depths[RANDOM])
    assert found.roc[MODEL].low
    assert not any(found.roc[name].low for name in (RANDOM, *rules))
    rate = evidence.holdout["positives"] / evidence.holdout["rows"]
    assert found.depths[RANDOM][0].precision.value == pytest.approx(rate, rel=0.2)
    lead = {
        name: evidence.evaluation["all prospects"][MODEL]["average_precision"].value
        - evidence.evaluation["all prospects"][name]["average_precision"].value
        for name in rules
    }
    assert {name: one.value for name, one in found.lead.items()} == pytest.approx(lead)
