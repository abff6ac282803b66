import numpy as np
import pyarrow as pa

from ml_sys.data.events.links import Links

ROWS = (["ann", "bob", "ann", "ann"], [7, 7, 2, 7])


def entities(users, rows=ROWS):
    at, entity = Links(pa.array(rows[0], pa.string()), np.array(rows[1], np.int32)).of(
        pa.array(users, pa.string())
    )
    return list(zip(at.tolist(), entity.tolist(), strict=True))


def test_a_user_belongs_to_every_entity_that_is_linked_and_once_to_each():
    assert entities(["bob", "ann", "bob"]) == [(0, 7), (1, 2), (1, 7), (2, 7)]


def test_an_unknown_user_belongs_to_none():
    assert entities(["eve", ""]) == []


def test_the_order_of_links_changes_nothing():
    assert entities(["ann", "bob"], (ROWS[0][::-1], ROWS[1][::-1])) == entities(["ann", "bob"])


def test_there_may_be_no_links_and_no_events():
    assert entities(["ann"], ([], [])) == []
    assert entities([]) == []
