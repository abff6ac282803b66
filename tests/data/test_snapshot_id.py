"""A snapshot has a name that follows from its content and from nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ml_sys.data.schema import NONCUSTOMERS, USAGE
from tests.data.tables import Tables, usage_row


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_rows_give_the_same_snapshot(tables: Tables, seed: int) -> None:
    tables.usage += [tables.usage[0], usage_row("stranger"), usage_row("n1", "soon")]
    tables.noncustomers += [tables.noncustomers[0], "1,a,,n99", "2,a,,n99"]
    first = tables.ingest()
    for table in ("customers", NONCUSTOMERS, USAGE):
        random.Random(seed).shuffle(tables.rows(table))  # noqa: S311 - an order, not a secret
    again = tables.ingest()
    assert (again.id, again.is_new) == (first.id, False)


def test_a_renamed_file_gives_the_same_snapshot(tables: Tables) -> None:
    tables.usage.append(usage_row("stranger"))
    first = tables.ingest()
    moved = tables.path(USAGE).rename(tables.folder / "log.csv")
    assert tables.ingest_as_they_are(usage=str(moved)).id == first.id


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (USAGE, lambda rows: rows[:-1]),
        (USAGE, lambda rows: [*rows, usage_row("stranger")]),
        (USAGE, lambda rows: [rows[0].replace("5,0", "5,1"), *rows[1:]]),
        (USAGE, lambda rows: [rows[0].replace("00:00:00", "00:00:01"), *rows[1:]]),
        ("customers", lambda rows: [rows[0].replace("2020-02-10", "2020-02-09"), *rows[1:]]),
        ("customers", lambda rows: [rows[0].replace("099.5", "099.6"), *rows[1:]]),
        (NONCUSTOMERS, lambda rows: [rows[0].replace("6 to 10", ""), *rows[1:]]),
        (NONCUSTOMERS, lambda rows: [*rows, rows[0]]),
    ],
)
def test_any_change_of_content_gives_another_snapshot(tables: Tables, table: str, change) -> None:  # type: ignore[no-untyped-def]
    first = tables.ingest()
    rows = tables.rows(table)
    rows[:] = change(rows[:])
    assert tables.ingest().id != first.id


def test_the_day_of_the_export_is_part_of_the_name(tables: Tables) -> None:
    assert tables.ingest(as_of="2020-03-01").id != tables.ingest(as_of="2020-03-02").id


def test_texts_that_only_look_alike_when_joined_give_different_names(tables: Tables) -> None:
    tables.noncustomers[:2] = ["1,ab,,n1", "1,c,,n2"]
    first = tables.ingest().id
    tables.noncustomers[:2] = ["1,a,,n1", "1,bc,,n2"]
    assert tables.ingest().id != first
