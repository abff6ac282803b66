"""Rows of past lists: a part of them keeps, row by row, all that is known of it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ml_sys.metrics.scored_lists import MODEL, ScoredLists

N = 5
LISTS = ScoredLists(
    cutoff=np.arange(N, dtype=np.int32),
    company=np.arange(10, 10 + N, dtype=np.int32),
    label=np.array([1, 0, 0, 1, 0], dtype=bool),
    seen=np.array([0, 1, 0, 1, 1], dtype=bool),
    closed=np.arange(20, 20 + N, dtype=np.int32),
    value=np.arange(N) * 1.5,
    scores={MODEL: np.arange(N) / 10, "rule": -np.arange(N) / 10},
    threshold=np.arange(N) / 100,
    tier=np.array(list("ABCAB")),
)


def test_rows_taken_keep_every_column_in_the_order_asked_for() -> None:
    mask = np.array([True, False, False, True, True])
    for rows in (mask, np.array([3, 0])):
        taken = LISTS.take(rows)
        assert len(taken) == len(np.arange(N)[rows])
        for one in fields(ScoredLists):
            kept, whole = getattr(taken, one.name), getattr(LISTS, one.name)
            if one.name == "scores":
                assert list(kept) == [MODEL, "rule"]
                for ranker, score in kept.items():
                    np.testing.assert_array_equal(score, whole[ranker][rows])
            else:
                np.testing.assert_array_equal(kept, whole[rows])


def test_outcomes_are_those_of_the_ranker_asked_for_and_of_the_model_by_default() -> None:
    for ranker, found in ((MODEL, LISTS.outcomes()), ("rule", LISTS.outcomes("rule"))):
        np.testing.assert_array_equal(found.score, LISTS.scores[ranker])
        np.testing.assert_array_equal(found.label, LISTS.label)
        np.testing.assert_array_equal(found.cutoff, LISTS.cutoff)
        np.testing.assert_array_equal(found.company, LISTS.company)
    assert LISTS.probability is LISTS.scores[MODEL]
