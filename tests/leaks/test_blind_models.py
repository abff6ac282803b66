"""Models that should know nothing: what they are given, and when there is something to judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.leaks.blind_models import (
    _by_company,
    _can_be_judged,
    _place_within_cutoff,
    _ranks,
    _sample,
    id_rankings,
)
from ml_sys.metrics.ranking import Outcomes


def panel(label: np.ndarray, company: np.ndarray | None = None) -> Panel:
    n = label.size
    return Panel(
        Rows.of(pd.DataFrame({"one": np.arange(n, dtype=np.float32)})),
        (np.arange(n) if company is None else company).astype(np.int32),
        np.zeros(n, dtype=np.int32),
        label,
        np.ones(n, dtype=bool),
        {},
    )


def test_numbers_are_ranked_as_numbers_and_other_ids_as_text() -> None:
    assert _ranks(np.array(["10", "9", "2"], dtype=object)).tolist() == [2, 1, 0]
    assert _ranks(np.array(["c10", "c9", "c2"], dtype=object)).tolist() == [0, 2, 1]
    assert _ranks(np.array(["10", "9", "x"], dtype=object)).tolist() == [0, 1, 2]


def test_a_place_within_a_list_is_the_share_of_it_with_no_higher_score() -> None:
    score = np.array([0.1, 0.3, 0.3, 9.0, 5.0])
    place = _place_within_cutoff(score, np.array([7, 7, 7, 14, 14], dtype=np.int32))
    assert place.tolist() == pytest.approx([1 / 3, 1, 1, 1, 0.5])


def test_a_company_converts_if_it_does_in_any_row() -> None:
    found = _by_company(panel(np.array([0, 1, 0, 0, 0], dtype=bool), np.array([4, 4, 2, 2, 9])))
    assert found.company.tolist() == [2, 4, 9]
    assert found.label.tolist() == [False, True, False]
    assert found.cutoff.tolist() == found.score.tolist() == [0, 0, 0]


def outcomes(converting: int, n: int) -> Outcomes:
    nothing = np.zeros(n, dtype=np.int32)
    return Outcomes(np.zeros(n), np.arange(n) < converting, nothing, nothing)


@pytest.mark.parametrize(
    ("learnt", "judged", "possible"),
    [((2, 3), (1, 2), True), ((1, 3), (1, 2), False), ((3, 3), (1, 2), False), ((2, 3), (0, 2), False),
     ((2, 3), (2, 2), False)],
)  # fmt: skip
def test_two_converters_to_learn_from_and_both_outcomes_to_judge_by_are_needed(
    learnt: tuple[int, int], judged: tuple[int, int], possible: bool
) -> None:
    assert _can_be_judged(outcomes(*learnt), outcomes(*judged)) == possible


def test_every_converting_row_is_sampled_and_at_most_so_many_others() -> None:
    rng = np.random.default_rng(3)
    for others, kept in ((4999, 4999), (5000, 5000), (6000, 5000)):
        found = _sample(panel(np.arange(others + 40) % (others // 40 + 2) == 0), rng)
        positive = int(found.label.sum())
        assert positive == panel(np.arange(others + 40) % (others // 40 + 2) == 0).label.sum()
        assert len(found) - positive == min(kept, others + 40 - positive)
    rich = _sample(panel(np.arange(20_000) % 2 == 0), rng)
    assert (rich.label.sum(), len(rich)) == (10_000, 20_000)  # as many others as converting rows


def test_a_sampled_row_stands_for_itself() -> None:
    one = panel(np.arange(10) < 3)
    weighted = replace(one, rows=Rows(one.rows.different, one.rows.which, np.full(10, 7.0)))
    assert _sample(weighted, np.random.default_rng(1)).weight is None


def test_ids_are_ranked_by_a_model_upwards_and_downwards() -> None:
    ids = np.array([str(n) for n in range(60)], dtype=object)
    train, holdout = panel(np.arange(60) % 3 == 0), panel(np.arange(60) < 20)
    learnt, up, down = id_rankings(ids, train, holdout, seed=1, threads=1)
    assert up.score.tolist() == list(range(60))
    assert down.score.tolist() == [-n for n in range(60)]
    assert ((learnt.score > 0) & (learnt.score < 1)).all()
    assert learnt.label.sum() == 20
    assert id_rankings(ids, panel(np.arange(60) < 1), holdout, seed=1, threads=1) == ()
