"""What the page says of promises that probabilities made."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from ml_sys.metrics.promises import Judged, Promise, Promises
from ml_sys.report.evidence import Evidence, Past
from ml_sys.report.sections import probabilities


def promised(realised: int, verdict: Judged = "kept", more_weeks: int | None = None) -> Past:
    total = Promise("all", 1000, 1000, 50.0, realised, 40.0, 60.0, verdict)
    return Past(promises=Promises((), (), total, (18_000,), 48, more_weeks))


@pytest.mark.parametrize(
    ("realised", "more_weeks", "begins"),
    [
        (60, None, "The lists hold 60 conversions, enough to notice a promise that is off by a factor of 1.5 "
         "(48 are needed)."),
        (24, 5, "The lists hold 24 conversions; to notice a promise that is off by a factor of 1.5, 48 are "
         "needed: about 5 more weeks at this rate."),
        (1, 235, "The lists hold 1 conversion; to notice"),
        (0, None, "The lists hold 0 conversions; to notice a promise that is off by a factor of 1.5, 48 are "
         "needed."),
    ],
)  # fmt: skip
def test_with_few_conversions_it_is_said_how_many_more_are_needed(
    evidence: Evidence, realised: int, more_weeks: int | None, begins: str
) -> None:
    section = probabilities.promised(replace(evidence, past=promised(realised, more_weeks=more_weeks)))
    assert section.sentences[1].startswith(begins)


@pytest.mark.parametrize("verdict", get_args(Judged))
def test_every_verdict_is_put_into_words(evidence: Evidence, verdict: Judged) -> None:
    section = probabilities.promised(replace(evidence, past=promised(50, verdict)))
    assert section.folded[0].rows[-1][-1] != verdict or verdict == "kept"
    assert section.sentences[0].endswith(".")
