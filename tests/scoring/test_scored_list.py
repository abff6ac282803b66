from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.model.threshold import Tiers
from ml_sys.scoring.scored_list import ScoredList
from ml_sys.scoring.streaming.ranked import Ranked

TABLE = pd.DataFrame({"id": ["b", "a", "c"], "probability": [0.9, 0.5, 0.1]})


def test_a_list_that_is_a_table_has_a_top_and_is_one_page_in_either_order():
    scored = ScoredList(TABLE, np.array([1, 0, 2]), (), (), pa.table({}))
    assert len(scored) == 3
    assert scored.table is TABLE
    assert scored.probability.tolist() == [0.9, 0.5, 0.1]
    assert scored.head(2)["id"].tolist() == ["b", "a"]
    assert scored.head(9)["id"].tolist() == ["b", "a", "c"]
    assert [page["id"].tolist() for page in scored.pages(keep_order=False)] == [["b", "a", "c"]]
    assert [page["id"].tolist() for page in scored.pages(keep_order=True)] == [["a", "b", "c"]]


def test_the_top_of_a_list_that_is_shorter_than_asked_for_is_the_list():
    scorer = SimpleNamespace(tiers=Tiers(0.5, 0.1), threshold=0.3)
    ids, probability = pa.array(["a", "b", "c"]), np.array([0.5, 0.9, 0.1])
    ranked = Ranked(scorer, "1.0.0", "2020-06-01", ids, probability, np.array([1, 0, 2]))  # type: ignore[arg-type]
    scored = ScoredList(ranked, np.array([1, 0, 2]), (), (), pa.table({}))
    assert scored.head(9)["id"].tolist() == scored.table["id"].tolist() == ["b", "a", "c"]
    assert scored.head(1)["id"].tolist() == ["b"]
    assert scored.probability.tolist() == [0.9, 0.5, 0.1]
    assert [page["id"].tolist() for page in scored.pages(keep_order=True)] == [["a", "b", "c"]]
