import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.events.links import Links
from ml_sys.data.events.reading import batch_of
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.usage import UNKNOWN_ID

LINES = np.array([2, 3, 4], np.int64)


@pytest.fixture
def columns():
    return {
        "id": pa.array(["a", "b", "gone"]),
        "user": pa.array(["ann", "bob", "eve"]),
        "at": np.array([0, 1, 86_400_000_001], np.int64),
        "event": pa.array(["view", None, "view"]),
        "minutes": np.array([5, 6, 7], np.int64),
    }


def positions(ids):
    return np.array([{"a": 4, "b": 1}.get(name, -1) for name in ids.to_pylist()], np.int32)


def test_events_of_an_id_go_to_its_entity_and_those_of_an_unknown_one_are_returned(columns):
    batch, bad = batch_of(columns, LINES, ["minutes"], positions)
    assert batch.entity.tolist() == [4, 1]
    assert batch.amounts.tolist() == [[5], [6]]
    assert [(row.line, row.reason, row.raw) for row in bad] == [
        (4, UNKNOWN_ID, "gone,1970-01-02 00:00:00.000001,view,7")
    ]


def test_an_entity_that_is_in_quarantine_is_given_as_the_reason(columns):
    _, bad = batch_of(columns, LINES, ["minutes"], positions, frozenset({"gone"}))
    assert [row.reason for row in bad] == [LOST_COMPANY]


def test_events_of_a_user_go_to_every_entity_of_it(columns):
    links = Links(pa.array(["ann", "ann", "eve"]), np.array([3, 0, 0], np.int32))
    batch, bad = batch_of(columns, LINES, [], links)
    assert list(zip(batch.lines.tolist(), batch.entity.tolist(), strict=True)) == [(2, 0), (2, 3), (4, 0)]
    assert [(row.line, row.raw.split(",")[0]) for row in bad] == [(3, "bob")]
