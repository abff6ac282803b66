from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.scoring.scored_list import ScoredList

TABLE = pd.DataFrame({"id": ["b", "a", "c"], "probability": [0.9, 0.5, 0.1]})


def test_a_list_that_is_a_table_has_a_top_and_is_one_page_in_either_order():
    scored = ScoredList(TABLE, np.array([1, 0, 2]), (), (), pa.table({}))
    assert len(scored) == 3
    assert scored.table is TABLE
    assert scored.probability.tolist() == [0.9, 0.5, 0.1]
    assert scored.head(2)["id"].tolist() == ["b", "a"]
    assert [page["id"].tolist() for page in scored.pages(keep_order=False)] == [["b", "a", "c"]]
    assert [page["id"].tolist() for page in scored.pages(keep_order=True)] == [["a", "b", "c"]]
