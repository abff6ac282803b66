import numpy as np
import pyarrow as pa

from ml_sys.data.checking.validate import Checked
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.events.links import Links, links_of
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.usage import UNKNOWN_ID

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


def test_links_of_entities_that_are_not_known_or_lost_are_set_aside_and_the_others_kept():
    columns = {"user": pa.array(["ann", "x", "bob", "b"]), "id": pa.array(["b", "who", "a", "gone"])}
    checked = Checked(columns, np.array([2, 3, 4, 5]), [], [], {})
    (users, entity), bad = links_of(checked, CompanyIndex(["a", "b"], frozenset({"gone", "x"})))
    assert (users.to_pylist(), entity.tolist()) == (["ann", "bob"], [1, 0])
    assert bad == [BadRow(3, UNKNOWN_ID, "x,who"), BadRow(5, LOST_COMPANY, "b,gone")]


def test_each_user_is_paired_with_each_of_its_entities():
    users, entity = Links(pa.array(ROWS[0]), np.array(ROWS[1], np.int32)).pairs()
    assert list(zip(users.to_pylist(), entity.tolist(), strict=True)) == [("ann", 2), ("ann", 7), ("bob", 7)]
