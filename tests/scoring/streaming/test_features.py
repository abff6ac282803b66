from __future__ import annotations

import numpy as np
import pyarrow as pa

from ml_sys.features.compute import FeatureSpec
from ml_sys.features.windows import UsageLog
from ml_sys.scoring.streaming.features import ComputedFeatures, ReadyFeatures

SPEC = FeatureSpec(windows_days=(7,))
CUTOFF = 18_000
ROWS = pa.RecordBatch.from_pydict(
    {
        "id": [f"c{at}" for at in range(6)],
        "alexa_rank": np.arange(1.0, 7.0),
        "employee_range": ["1", None, "2 to 5", "1", "1", "1"],
        "industry": ["retail", None, "retail", "x", "y", "z"],
    }
)
LOG = UsageLog(
    np.array([1, 4], dtype=np.int32), np.array([CUTOFF - 1] * 2, dtype=np.int32), np.full((2, 8), 3), 6, 4
)


def test_a_part_of_the_rows_and_some_of_them_have_the_features_that_all_have():
    features = ComputedFeatures(SPEC, LOG, CUTOFF, {"c0": CUTOFF - 1, "c5": CUTOFF, "stranger": 1})
    whole, keep = features(0, ROWS)
    assert keep.tolist() == [False, True, True, True, True, True]
    assert (features.were_customers, features.are_new) == (1, 0)
    part, _ = features(2, ROWS.slice(2, 3))
    places = np.array([4, 0, 1])
    some = features.of(places, ROWS.take(places))
    for name in SPEC.names():
        np.testing.assert_array_equal(part[name], whole[name][2:5])
        np.testing.assert_array_equal(some[name], whole[name][places])


def test_features_that_are_there_are_taken_as_they_are():
    names = SPEC.names()
    given = {name: np.array([1, 2], dtype=np.float32) for name in names}
    rows = pa.RecordBatch.from_pydict({"id": ["a", "b"], **given})
    features = ReadyFeatures(SPEC)
    columns, keep = features(0, rows)
    assert keep.all()
    for found in (columns, features.of(np.array([0, 1]), rows)):
        assert list(found) == names
        np.testing.assert_array_equal(found[names[0]], [1, 2])
