"""The report as text: whole, self-contained, the same every time, and honest about what is missing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ml_sys.experiments.reseeding import SeedSpread
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.evidence import Evidence, Parent
from ml_sys.report.rendering import render


@pytest.fixture(scope="module")
def page(evidence: Evidence) -> str:
    return render(evidence)


def test_the_same_evidence_gives_the_same_bytes(evidence: Evidence, page: str) -> None:
    assert render(evidence) == page


def test_the_page_is_small_and_names_no_other_place(page: str) -> None:
    assert len(page.encode()) < 2_000_000
    places = set(re.findall(r"https?://[^\"'\s<)]+", page))
    assert places <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "<script" not in page
    assert "<link" not in page


def test_every_picture_has_its_figures_and_is_described(page: str) -> None:
    pictures = page.count("<svg")
    assert pictures >= 10
    assert page.count('role="img"') == page.count("<desc ") == pictures
    assert page.count("<summary>The figures behind") == pictures
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_part_that_was_not_made_is_said_to_be_missing(page: str) -> None:
    assert page.count("Not in this report:") == 6


def test_other_seeds_are_shown(evidence: Evidence) -> None:
    page = render(replace(evidence, seeds=(SeedSpread.of("average_precision", [0.25, 0.75]),)))
    assert "fitted again with 2 other seeds" in page
    assert "<td>0.500</td><td>0.250</td><td>0.250</td><td>0.750</td>" in re.sub(r"\s*\n\s*", "", page)
    assert page.count("Not in this report:") == 5


def test_a_parent_is_shown_beside(evidence: Evidence) -> None:
    page = render(replace(evidence, parent=Parent("0.9.0", False, evidence.evaluation)))
    assert "Since version 0.9.0" in page
    assert "different rows" in page


def test_hostile_texts_are_escaped(evidence: Evidence) -> None:
    hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
    kind = replace(evidence.segments[0], name=hostile)
    hit = replace(evidence.reliance.hits[0], company=hostile)
    page = render(
        replace(
            evidence,
            message=hostile,
            segments=(kind, *evidence.segments[1:]),
            reliance=replace(evidence.reliance, hits=(hit,)),
        )
    )
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_holdout_without_conversions_still_has_a_page(evidence: Evidence) -> None:
    nothing = {
        population: {
            ranker: {name: Estimate(float("nan"), float("nan"), float("nan")) for name in metrics}
            for ranker, metrics in rankers.items()
        }
        for population, rankers in evidence.evaluation.items()
    }
    nothing[ALL][MODEL]["mean_probability"] = Estimate(0.01, 0.01, 0.01)
    nothing[ALL][MODEL]["conversion_rate"] = Estimate(0.0, 0.0, 0.0)
    quiet = replace(
        evidence,
        evaluation=nothing,
        reliance=replace(evidence.reliance, hits=(), misses=()),
        truthfulness=replace(evidence.truthfulness, calibration=()),
    )
    assert "No company of the holdout converted" in render(quiet)
