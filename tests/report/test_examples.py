"""Companies that the model got right and wrong stand in the report with its reasons."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ml_sys.report.evidence import Evidence
from ml_sys.report.examples import examples


def test_hits_stand_above_misses_and_are_told_with_reasons(evidence: Evidence) -> None:
    hits, misses = evidence.reliance.hits, evidence.reliance.misses
    assert len(hits) == len({one.company for one in (*hits, *misses)}) - len(misses)
    assert max(one.rank for one in hits) < min(one.rank for one in misses)
    assert all(one.reasons for one in hits)


NAMES = np.array([f"c{at}" for at in range(9)], dtype=object)


def told(label, company, probability, cutoff=None, seen=None):
    """Examples of rows by a scorer that gives no reasons."""
    n = len(label)
    panel = SimpleNamespace(
        label=np.array(label, dtype=bool),
        company=np.array(company, dtype=np.int32),
        cutoff=np.array(cutoff or [7] * n, dtype=np.int32),
        seen=np.array(seen or [True] * n),
    )
    return examples(panel, np.array(probability), NAMES[: len(label)], SimpleNamespace())  # type: ignore[arg-type]


def places(found):
    return [(one.company, one.rank) for one in found]


def test_converters_are_ranked_within_the_list_of_their_day_and_equal_ones_share_a_place() -> None:
    hits, misses = told([1, 0, 1, 1, 0, 1], range(6), [0.1, 0.9, 0.5, 0.5, 0.5, 0.3], [7, 7, 7, 7, 7, 14])
    assert places(hits) == [("c5", 1), ("c2", 2), ("c3", 2), ("c0", 5)]
    assert [one.listed for one in hits] == [1, 5, 5, 5]
    assert [one.cutoff for one in hits] == [14, 7, 7, 7]
    assert [one.probability for one in hits] == [0.3, 0.5, 0.5, 0.1]
    assert misses == ()  # all of them stand above already
    assert all(one.reasons == () for one in hits)


def test_of_one_place_the_more_probable_stands_above_and_a_company_is_told_of_once() -> None:
    hits, _ = told([1, 1, 1], [4, 5, 4], [0.2, 0.4, 0.6], [7, 14, 21])
    assert places(hits) == [("c2", 1), ("c1", 1)]


def test_five_are_told_of_on_either_side_and_none_on_both() -> None:
    hits, misses = told(
        [1] * 8 + [0], range(9), [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.95], seen=[False] * 9
    )
    assert places(hits) == [(f"c{at}", at + 2) for at in range(5)]
    assert places(misses) == [("c7", 9), ("c6", 8), ("c5", 7)]
    assert not any(one.seen for one in (*hits, *misses))


def test_without_a_converter_there_is_no_example() -> None:
    assert told([0, 0], [1, 2], [0.1, 0.2]) == ((), ())
