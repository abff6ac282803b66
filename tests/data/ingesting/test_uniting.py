"""Tables in columns are united as `reconcile` unites them, however few rows are compared at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.checking.validate import Checked
from ml_sys.data.companies import CompanyRows, reconcile
from ml_sys.data.ingesting.uniting import EntityRows, unite
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.errors import InputError
from ml_sys.form import Attribute, Form

FORM = Form(
    attributes=tuple(
        Attribute(name, kind, name, name) for name, kind in (("seats", "number"), ("trade", "category"))
    ),
    has_since=True,
)
UNUSABLE = frozenset({"c13", "c14", "nobody"})


def checked(columns: dict[str, Any], bad: list[str]) -> Checked:
    lines = np.arange(2, 2 + len(columns["id"]), dtype=np.int64)
    return Checked(columns, lines, [], bad, {})


def tables(seed: int) -> list[list[Checked]]:
    """Return three tables in batches, in which ids repeat, agree and contradict each other."""
    rng = np.random.default_rng(seed)

    def texts(*some: str | None, n: int) -> pa.StringArray:
        return pa.array([some[at] for at in rng.integers(0, len(some), n)], pa.string())

    def numbers(*some: float, n: int) -> np.ndarray:
        return np.array(some)[rng.integers(0, len(some), n)]

    def ids(n: int) -> pa.StringArray:
        return pa.array([f"c{at}" for at in rng.integers(0, 60, n)], pa.string())

    paid = [
        {
            "id": ids(n),
            "converted_on": numbers(100, 100, 101, NEVER_CLOSED, n=n).astype(np.int32),
            "since": numbers(NEVER_BEGAN, 7, 9, n=n).astype(np.int32),
            "value": numbers(np.nan, 5.0, 0.1, n=n),
            "trade": texts(None, "retail", n=n),
        }
        for n in (20, 0, 15)
    ]
    free = [
        {"seats": numbers(np.nan, 1.0, 1e9 + 1, n=n), "trade": texts(None, "x", "retail", n=n), "id": ids(n)}
        for n in (40, 10)
    ]
    bare = [{"id": ids(5), "since": np.full(5, 8, np.int32)}]
    bad = (["c1", "c2", "lost"], ["c3"], [])
    return [[checked(one, of if not at else []) for at, one in enumerate(batches)]
            for batches, of in zip((paid, free, bare), bad, strict=True)]  # fmt: skip


def objects(column: Any) -> np.ndarray:
    return column if isinstance(column, np.ndarray) else column.to_numpy(zero_copy_only=False)


def known(column: pd.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def compared(batches: list[list[Checked]]) -> tuple[Any, ...]:
    """Unite the tables by comparing all rows."""
    found = []
    for at, parts in enumerate(batches):
        columns = {
            name: [
                one if isinstance(one, np.ndarray) else one.to_numpy(zero_copy_only=False) for one in of_each
            ]
            for name in parts[0].columns
            if (of_each := [part.columns[name] for part in parts])
        }
        lines = np.concatenate([part.lines for part in parts])
        frame = pd.DataFrame({"line": lines} | {name: np.concatenate(one) for name, one in columns.items()})
        bad = frozenset(name for part in parts for name in part.bad_ids)
        found.append(CompanyRows(f"t{at}", frame, f"t{at}.csv", bad))
    quarantine = Quarantine()
    return *reconcile(found, FORM, quarantine, unusable=UNUSABLE), quarantine


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_tables_in_columns_are_united_as_all_their_rows_compared_with_each_other(
    seed: int, at_once: int
) -> None:
    companies, lost, aside = compared(tables(seed))
    held = [
        EntityRows.joined([EntityRows.of(f"t{at}", f"t{at}.csv", part) for part in parts])
        for at, parts in enumerate(tables(seed))
    ]
    quarantine = Quarantine()
    found, gone = unite(held, FORM, quarantine, unusable=UNUSABLE, at_once=at_once)
    assert 10 < len(found) < 60
    assert gone == lost
    assert {"lost", "nobody"} < gone
    assert quarantine.to_table().equals(aside.to_table())
    stored = found.part(np.arange(len(found)))
    assert list(stored) == list(companies)
    for name, column in stored.items():
        expected = companies[name].astype(object).where(companies[name].notna(), None).tolist()
        assert (
            pd.Series(column.tolist(), dtype=object).where(lambda one: one.notna(), None).tolist() == expected
        )


def test_ids_that_occur_once_are_not_compared_and_rejected_ones_are_lost() -> None:
    parts = [checked({"id": pa.array(["b", "a"]), "seats": np.array([1.0, 2.0])}, ["x"])]
    held = EntityRows.joined([EntityRows.of("t", "t.csv", part) for part in parts])
    found, lost = unite([held], FORM, Quarantine())
    assert (found.ids.to_pylist(), found.attributes["seats"].tolist()) == (["a", "b"], [2.0, 1.0])
    assert np.isnan(found.value).all()
    assert np.isnan(found.attributes["trade"]).all()  # a column that no table has
    assert (found.since.tolist(), lost) == ([NEVER_BEGAN] * 2, {"x"})


def test_tables_without_a_good_row_give_no_company() -> None:
    held = EntityRows.of("t", "t.csv", checked({"id": pa.array([], pa.string())}, ["x"]))
    found, lost = unite([held], Form(), Quarantine())
    assert (len(found), lost) == (0, {"x"})
    assert found.since is None


def test_texts_of_a_table_without_a_good_row_are_blanks_of_the_others() -> None:
    empty = {"id": pa.array([], pa.string()), "trade": pa.array([], pa.string())}
    parts = [checked(empty, ["x"]), checked({"id": pa.array(["a", "b"])}, [])]
    held = [EntityRows.of("t", "t.csv", part) for part in parts]
    found, _ = unite(held, FORM, Quarantine())
    assert found.part(np.arange(2))["trade"].tolist() == pytest.approx([np.nan] * 2, nan_ok=True)


def test_more_ids_than_arrow_counts_are_said_in_one_line() -> None:
    size = 1 << 30
    held = pa.py_buffer(np.zeros(size, np.uint8))  # memory that nobody touches, so that none is taken
    long = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, size], np.int32)), held)
    batches = [EntityRows.of("t", "t.csv", checked({"id": long}, [])) for _ in range(2)]
    with pytest.raises(InputError, match="the ids take more than 2 GB together"):
        EntityRows.joined(batches)
