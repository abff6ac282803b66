"""What is told of a list that was put together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ml_sys.scoring.assembly import unseen_levels
from ml_sys.scoring.batch import score_ready
from tests.scoring.test_batch import ASKED, FRAME, ready
from tests.scoring.test_reasons import NARROW, fitted


@pytest.fixture(scope="module")
def scorer():
    return fitted(NARROW, n_estimators=5).scorer


def test_values_that_no_training_row_had_are_counted_the_most_frequent_first(scorer):
    category = scorer.spec.categories()[0]
    frame = FRAME.copy()
    frame[category] = np.array(["x", "y", "y", "z", "z", "z", "w", None, "x", "y", "z", "w"], dtype=object)
    assert unseen_levels(scorer, category, Counter(frame[category].dropna().tolist())) == {
        "z": 4,
        "y": 3,
        "x": 2,
        "w": 2,
    }
    found = score_ready(scorer, ready(frame=frame), ASKED)
    assert found.warnings == (
        f"{category}: 11 rows have a value that no training row had (4 values: z, y, x…)",
    )
    frame[category] = np.array(["x", "y", "z", *[None] * 9], dtype=object)
    assert score_ready(scorer, ready(frame=frame), ASKED).warnings == (
        f"{category}: 3 rows have a value that no training row had (3 values: x, y, z)",
    )
    frame[category] = np.array(["x", *[None] * 11], dtype=object)
    assert score_ready(scorer, ready(frame=frame), ASKED).warnings == (
        f"{category}: 1 row has a value that no training row had (1 value: x)",
    )
