from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.model.threshold import Tiers
from ml_sys.scoring.reasons import Explained, Reason
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.scoring.streaming import ranked
from ml_sys.scoring.streaming.ranked import Ranked

N = 7
ORDER = np.array([3, 0, 6, 1, 5, 2, 4], dtype=np.int32)
REASON = Reason("uses it daily", "raises", 0.5, ("f",))


@pytest.fixture
def ranking(monkeypatch) -> Ranked:
    monkeypatch.setattr(ranked, "PAGE_ROWS", 3)
    scorer = replace(_rule(), tiers=Tiers(0.6, 0.3), threshold=0.5)
    given = (Explained([REASON], 0.0, 0.1234, -0.5), Explained([], 0.0, 0.0, 0.0))
    listed_on = np.array([""] * (N - 1) + ["2020-01-01"], dtype=object)
    ids = pa.array([f"c{at}" for at in range(N)])
    return Ranked(scorer, "1.0.0", "2020-02-02", ids, np.arange(N) / N, ORDER, listed_on, given, 2)


def _rule() -> RuleScorer:
    from ml_sys.days import Period
    from ml_sys.settings.description import default_form

    return RuleScorer.of("users", default_form(), Period())


def test_the_list_has_ranks_in_its_order_and_reasons_at_the_top_alone(ranking) -> None:
    table = ranking.frame
    assert table["rank"].tolist() == list(range(1, N + 1))
    assert table["id"].tolist() == [f"c{at}" for at in ORDER]
    np.testing.assert_array_equal(table["probability"], ORDER / N)
    np.testing.assert_array_equal(ranking.probability, ORDER / N)
    assert table["tier"].tolist() == ["B", "C", "A", "C", "A", "C", "B"]
    assert table["will_convert"].tolist() == [False, False, True, False, True, False, True]
    assert table["listed_on"].tolist() == ["", "", "2020-01-01", "", "", "", ""]
    assert table["reason_1"].tolist() == ["raises: uses it daily"] + [""] * (N - 1)
    assert table["reason_2"].tolist() == [""] * N
    np.testing.assert_array_equal(table["who_they_are"], [0.123, 0, *[np.nan] * (N - 2)])


def test_pages_are_the_list_in_parts_in_any_order(ranking) -> None:
    pages = list(ranking.pages())
    assert [len(page) for page in pages] == [3, 3, 1]
    pd.testing.assert_frame_equal(pd.concat(pages, ignore_index=True), ranking.frame)
    back = np.argsort(ORDER, kind="stable")
    expected = ranking.frame.iloc[back].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.concat(ranking.pages(back), ignore_index=True), expected)


def test_an_empty_list_is_one_page_with_the_columns(ranking) -> None:
    nobody = replace(ranking, ids=pa.array([], pa.string()), order=ORDER[:0], given=())
    (page,) = nobody.pages()
    assert len(nobody) == len(page) == 0
    assert page.columns.tolist() == ranking.frame.columns.tolist()


def test_each_reason_says_itself_whether_it_raises_or_lowers(ranking) -> None:
    both = [REASON, Reason("uses nothing else", "lowers", -0.25, ("g",))]
    table = replace(ranking, given=(Explained(both, 0.0, 0.0, 0.25),)).frame
    assert table.loc[0, ["reason_1", "reason_2"]].tolist() == [
        "raises: uses it daily", "lowers: uses nothing else"
    ]  # fmt: skip
