"""What is put aside is counted by reason, the most frequent first, and told with its first line."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_sys.data.quarantine import MERGED_CUSTOMER, MERGED_DUPLICATE, MERGED_EVENT, Quarantine
from ml_sys.data.reading.rows import BadRow, FileLines
from ml_sys.data.snapshot_id import quarantine_identity
from ml_sys.form import Noun, Words


def test_rejected_and_merged_rows_are_counted_apart_the_most_frequent_first() -> None:
    kept = Quarantine()
    kept.add("usage", "u.csv", [BadRow(4, "late", "x"), BadRow(2, "early", "y"), BadRow(3, "late", "z")])
    kept.add("usage", "u.csv", [BadRow(9, MERGED_DUPLICATE, "x"), BadRow(8, "blank", "x")])
    kept.add("customers", "c.csv", [BadRow(7, MERGED_CUSTOMER, "x")])
    assert list(kept.rejected("usage").items()) == [("late", 2), ("blank", 1), ("early", 1)]
    assert kept.merged("usage") == {MERGED_DUPLICATE: 1}
    assert (kept.rejected("customers"), kept.merged("customers")) == ({}, {MERGED_CUSTOMER: 1})
    assert (kept.rejected("noncustomers"), kept.merged("noncustomers")) == ({}, {})
    table = kept.to_table().to_pylist()
    assert [(row["table"], row["file"], row["line"]) for row in table] == [
        ("customers", "c.csv", 7),
        ("usage", "u.csv", 8),
        ("usage", "u.csv", 9),
        ("usage", "u.csv", 2),
        ("usage", "u.csv", 4),
        ("usage", "u.csv", 3),
    ]


def test_blanked_values_are_told_with_their_number_and_their_first_line() -> None:
    kept = Quarantine()
    kept.add_blanked("customers", "c.csv", {"MRR is odd": [12, 30], "RANK is odd": [5]})
    kept.add_blanked("customers", "c.csv", {"RANK is odd": [2, 9]})
    assert kept.blanked("customers") == {"RANK is odd": 3, "MRR is odd": 2}
    assert kept.told_blanked("customers", "prospects") == [
        "prospects: RANK is odd in 3 rows, first in line 2; read as blank",
        "prospects: MRR is odd in 2 rows, first in line 12; read as blank",
    ]
    assert kept.told_blanked("usage", "usage") == []


def test_rows_and_values_of_a_folder_are_told_with_their_file() -> None:
    kept, lines = Quarantine(), FileLines()
    for name in ("jan.csv", "feb.csv"):
        before = lines.begin(name)
        kept.add("usage", lines, [BadRow(before + 4, "late", "x")])
        kept.add_blanked("usage", lines, {f"{name[0]} is odd": [before + 9, before + 5]})
    rows = kept.to_table().to_pylist()
    assert [(row["file"], row["line"]) for row in rows] == [("feb.csv", 4), ("jan.csv", 4)]
    assert kept.told_blanked("usage", "usage") == [
        "usage: f is odd in 2 rows, first in line 5 of feb.csv; read as blank",
        "usage: j is odd in 2 rows, first in line 5 of jan.csv; read as blank",
    ]


def test_tables_of_which_a_value_was_blanked_alone_are_named_too() -> None:
    kept = Quarantine()
    kept.add_blanked("noncustomers", "n.csv", {"RANK is odd": [5]})
    kept.add("customers", "c.csv", [BadRow(7, "late", "x")])
    assert kept.tables == ["customers", "noncustomers"]


def test_repeated_events_are_merged_and_merges_are_known_in_any_words() -> None:
    kept = Quarantine(Words(entity=Noun("company account", "company accounts")))
    reasons = (MERGED_EVENT, MERGED_CUSTOMER, MERGED_DUPLICATE, "company_size is blank")
    kept.add("seen", "s.csv", [BadRow(at, reason, "x") for at, reason in enumerate(reasons)])
    assert set(kept.merged("seen")) == {
        MERGED_EVENT, MERGED_CUSTOMER, "duplicate company account, merged"
    }  # fmt: skip
    # A column is called what it is called, whatever its table's entities are.
    assert kept.rejected("seen") == {"company_size is blank": 1}
    assert kept.said("company is blank") == "company is blank"


def test_the_order_of_rows_that_say_the_same_is_that_of_their_lines() -> None:
    kept = Quarantine()
    kept.add("seen", "s.csv", [BadRow(at, "odd", "x") for at in (9, 3, 7)])
    assert kept.to_table()["line"].to_pylist() == [3, 7, 9]


@pytest.mark.parametrize("most", [0, 3, 5, 9, 100])
def test_rows_beyond_those_in_memory_come_out_in_the_order_of_all(most: int) -> None:
    def filled(kept: Quarantine) -> Quarantine:
        for at, (table, reason, raw) in enumerate(product(("usage", "paid"), ("late", "é", "Z"), ("b", "a"))):
            kept.add(table, f"{at % 2}.csv", [BadRow(9 - at, reason, raw), BadRow(at, reason, raw)])
        return kept

    expected = filled(Quarantine()).to_table()
    with ExitStack() as stack:
        kept = filled(Quarantine(stack=stack, most=most))
        found = kept.in_order()
        assert isinstance(found, pa.Table) == (most == 100)
        table = found if isinstance(found, pa.Table) else pq.read_table(found.path)
        assert table.equals(expected)
        assert found.num_rows == 24
        assert quarantine_identity(found) == quarantine_identity(expected)
        assert kept.rejected("usage") == {"Z": 4, "late": 4, "é": 4}
