from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.scoring.batch import ScoredList
from ml_sys.views import scoring


def ranked(rows):
    """A list of so many prospects."""
    table = pd.DataFrame(
        {
            "rank": range(1, rows + 1),
            "id": [str(n) for n in range(rows)],
            "probability": 0.5,
            "tier": "A",
            "will_convert": True,
            "model_version": "1.0.0",
            "cutoff": "2020-01-06",
        }
    )
    return ScoredList(table, np.arange(rows), (), (), pa.table({}))


@pytest.mark.parametrize(
    ("rows", "of", "written"), [(1, "1 prospect", "1 row"), (1200, "1,200 prospects", "1,200 rows")]
)
def test_a_list_says_how_many_prospects_it_holds(capsys, rows, of, written):
    scoring.scored(ranked(rows), None, Path("list.csv"), None, None, 1)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"Top 1 of {of}, model 1.0.0, as of 2020-01-06"
    assert last == f"Written: list.csv ({written})"
