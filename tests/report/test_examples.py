"""Companies that the model got right and wrong stand in the report with its reasons."""

from __future__ import annotations

from ml_sys.report.evidence import Evidence


def test_hits_stand_above_misses_and_are_told_with_reasons(evidence: Evidence) -> None:
    hits, misses = evidence.reliance.hits, evidence.reliance.misses
    assert len(hits) == len({one.company for one in (*hits, *misses)}) - len(misses)
    assert max(one.rank for one in hits) < min(one.rank for one in misses)
    assert all(one.reasons for one in hits)
