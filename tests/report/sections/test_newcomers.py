"""What the page says of those that have only just begun."""

from __future__ import annotations

from dataclasses import replace

from ml_sys.metrics.holdout import ALL, SIGN_UPS
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.evidence import Evidence
from ml_sys.report.rendering import render
from ml_sys.report.sections.newcomers import sign_ups


def test_without_days_of_beginning_there_is_no_such_section(evidence: Evidence) -> None:
    assert sign_ups(evidence) == ()
    assert "sign-ups" not in render(evidence)


def test_new_ones_are_shown_with_their_share_of_the_conversions_and_beside_every_rule(
    evidence: Evidence,
) -> None:
    rankers = evidence.evaluation[ALL]
    told = replace(evidence, evaluation={**evidence.evaluation, SIGN_UPS: rankers})
    (section,) = sign_ups(told)
    every = evidence.holdout["positives"]
    assert (
        f"{evidence.holdout['rows']:,} rows of the holdout with {every} conversions, 100% of all"
        in (section.sentences[0])
    )
    populations, by_ranker = section.tables
    assert [row[0] for row in populations.rows] == list(told.evaluation)
    assert [row[0] for row in by_ranker.rows] == list(rankers)
    assert by_ranker.marked == list(rankers).index(MODEL)
    assert "How well are new ones told apart?" in render(told)
