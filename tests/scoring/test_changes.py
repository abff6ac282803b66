from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.scoring.changes import CALLED, COOLING, NEW, RISING, STEADY, Earlier, changes_since


@pytest.mark.parametrize(
    ("then", "now", "change"),
    [
        (None, 0.5, NEW),
        (Earlier(0.1, selected=True), 0.9, CALLED),
        (Earlier(0.4, selected=False), 0.5, RISING),
        (Earlier(0.4, selected=False), 0.49, STEADY),
        (Earlier(0.5, selected=False), 0.4, COOLING),
        (Earlier(0.5, selected=False), 0.41, STEADY),
        (Earlier(0.4, selected=False), 0.4, STEADY),
        (Earlier(0.0, selected=False), 0.1, RISING),
        (Earlier(0.1, selected=False), 0.0, COOLING),
        (Earlier(0.0, selected=False), 0.0, STEADY),
        (Earlier(0.4, selected=True), 0.4, CALLED),
        (Earlier(0.4, selected=True), 0.1, CALLED),
    ],
)
def test_a_quarter_more_is_rising_and_a_fifth_less_is_cooling(then, now, change):
    earlier = {} if then is None else {"a": then}
    assert changes_since(pa.array(["a"]), np.array([now]), earlier).tolist() == [change]
