"""What is gathered for a report fits together: importance and segments of one holdout."""

from __future__ import annotations

from ml_sys.report.evidence import Evidence


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
