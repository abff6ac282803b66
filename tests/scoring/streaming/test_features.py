from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.features.compute import ATTRIBUTE_GROUP, FeatureSpec
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


def columns_of(features, start, rows):
    """Features of rows, put together from their parts."""
    found = {name: np.empty(rows.num_rows, dtype=object) for name in features.spec.names()}
    for places, columns in features(start, rows):
        for name, column in columns.items():
            found[name][places] = column
    return found


def assert_same(one, other):
    for name in SPEC.names():
        pd.testing.assert_series_equal(*(pd.Series(of[name], dtype=object) for of in (one, other)))


def test_a_part_of_the_rows_and_some_of_them_have_the_features_that_all_have():
    features = ComputedFeatures(SPEC, LOG, CUTOFF, {"c0": CUTOFF - 1, "c5": CUTOFF, "stranger": 1})
    whole = columns_of(features, 0, ROWS)
    assert features.ranked(ROWS).tolist() == [False, True, True, True, True, True]
    assert (features.were_customers, features.are_new) == (1, 0)
    assert_same(
        columns_of(features, 2, ROWS.slice(2, 3)), {name: column[2:5] for name, column in whole.items()}
    )
    places = np.array([4, 0, 1])
    assert_same(
        features.of(places, ROWS.take(places)), {name: column[places] for name, column in whole.items()}
    )


def test_those_without_usage_are_a_part_whose_usage_features_are_one_number():
    features = ComputedFeatures(SPEC, LOG, CUTOFF, {})
    (idle, of_idle), (busy, _) = features(0, ROWS)
    assert (idle.tolist(), busy.tolist()) == ([0, 2, 3, 5], [1, 4])
    shared = [name for name, column in of_idle.items() if not column.strides[0]]
    groups = SPEC.groups()
    assert shared == [name for name in SPEC.names() if groups[name] != ATTRIBUTE_GROUP]


def test_features_that_are_there_are_taken_as_they_are():
    names = SPEC.names()
    given = {name: np.array([1, 2], dtype=np.float32) for name in names}
    rows = pa.RecordBatch.from_pydict({"id": ["a", "b"], **given})
    features = ReadyFeatures(SPEC)
    assert features.ranked(rows).all()
    ((_, columns),) = features(0, rows)
    for found in (columns, features.of(np.array([0, 1]), rows)):
        assert list(found) == names
        np.testing.assert_array_equal(found[names[0]], [1, 2])


DATED = replace(SPEC, form=replace(SPEC.form, has_since=True))


@pytest.mark.parametrize(
    ("closed", "since", "ranked"),
    [
        (None, NEVER_BEGAN, True),
        (CUTOFF - 1, NEVER_BEGAN, False),
        (CUTOFF, NEVER_BEGAN, True),
        (CUTOFF + 1, NEVER_BEGAN, True),
        (None, CUTOFF - 1, True),
        (None, CUTOFF, False),
        (None, CUTOFF + 1, False),
        (CUTOFF - 1, CUTOFF, False),
    ],
)
def test_who_had_paid_before_the_cutoff_or_did_not_exist_for_a_day_is_not_ranked(closed, since, ranked):
    rows = ROWS.append_column("since", pa.array(np.full(6, since, dtype=np.int32)))
    features = ComputedFeatures(DATED, LOG, CUTOFF, {} if closed is None else {"c1": closed})
    assert features.ranked(rows.slice(1, 1)).tolist() == [ranked]


def test_those_that_are_not_ranked_are_counted_over_all_batches():
    since = np.array([1, CUTOFF, 1, CUTOFF, CUTOFF + 5, 1], dtype=np.int32)
    rows = ROWS.append_column("since", pa.array(since))
    features = ComputedFeatures(DATED, LOG, CUTOFF, {"c0": 1, "c5": CUTOFF - 1, "c2": CUTOFF})
    kept = [features.ranked(rows.slice(start, 3)).tolist() for start in (0, 3)]
    assert kept == [[False, False, True], [False, False, False]]
    assert (features.were_customers, features.are_new) == (2, 3)
