"""Tables are read part by part, in order, and every row is counted."""

from __future__ import annotations

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.checking import moments, values
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.fields import Field
from ml_sys.data.ingesting.run import IngestRun, OpenTable, UsageOfTable, reusing_memory
from ml_sys.data.reading.rows import RawRows, RawTable
from ml_sys.data.usage import UNKNOWN_ID, UsageMeasures, UsageRows
from ml_sys.errors import EmptyTableError
from ml_sys.form import Form, Measure, Noun, UsageTable
from ml_sys.settings.tables import PurchaseTable

FIELDS = {"id": Field("id", values.ids), "at": Field("day", moments.stamps)}
LINKS = {"user": Field("who", values.ids), "id": Field("id", values.ids)}
BOUGHT = PurchaseTable(kind="purchases", at="day")
INDEX = CompanyIndex(["a", "b"], frozenset())


def run_of(
    fields: dict[str, Field], *parts: list[tuple[str, ...]]
) -> tuple[IngestRun, list[tuple[str, int]]]:
    """Return a run over one table, of parts of rows with a line each, and what it tells of its progress."""

    def rows(first: int, part: list[tuple[str, ...]]) -> RawRows:
        texts = {name: pa.array([row[at] for row in part], pa.string()) for at, name in enumerate(fields)}
        return RawRows(texts, np.arange(first, first + len(part)), lambda at: ",".join(part[at]))

    starts = np.cumsum([2, *(len(part) for part in parts)]).tolist()
    reads = [
        lambda first=first, part=part: rows(first, part) for first, part in zip(starts, parts, strict=False)
    ]
    progress: list[tuple[str, int]] = []
    raw = RawTable("t.csv", (), iter(reads))
    opened = {"t": OpenTable("t", raw, fields)}
    return IngestRun(opened, Form(), lambda table, n: progress.append((table, n))), progress


def test_rows_of_all_parts_stand_in_their_order_and_bad_ones_of_any_part_are_known() -> None:
    days = [f"2024-01-{at:02}" for at in range(1, 10)]
    parts = [[(f"n{at}", day)] for at, day in enumerate(days)]
    parts[1].append(("x", "soon"))
    parts[7].append(("y", ""))
    run, progress = run_of(FIELDS, *parts)
    found = run.purchases("t", BOUGHT)
    assert found.frame["id"].tolist() == [f"n{at}" for at in range(9)]
    assert found.frame["line"].tolist() == [2, 3, 5, 6, 7, 8, 9, 10, 12]
    assert found.frame["value"].isna().all()  # a table without money
    assert found.bad_ids == {"x", "y"}
    assert run.read == {"t": 11}
    assert progress == [("t", n) for n in (1, 3, 4, 5, 6, 7, 8, 10, 11)]
    assert sum(run.quarantine.rejected("t").values()) == 2


def test_parts_that_were_checked_beside_other_tables_are_given_once_and_first() -> None:
    run, progress = run_of(FIELDS, *([(f"n{at}", "2024-01-01")] for at in range(9)), [("", "")])
    with ThreadPoolExecutor(1) as beside:
        run.begin("t", beside)
        assert progress == []
        found = run.purchases("t", BOUGHT)
    assert found.frame["id"].tolist() == [f"n{at}" for at in range(9)]
    assert progress == [("t", n) for n in range(1, 11)]
    assert sum(run.quarantine.rejected("t").values()) == 1


def test_money_that_a_table_of_purchases_has_is_kept() -> None:
    run, _ = run_of(
        FIELDS | {"value": Field("eur", values.amounts, blanked=True)},
        [("a", "2024-01-01", "5"), ("b", "2024-01-01", "?")],
    )
    assert run.purchases("t", BOUGHT).frame["value"].fillna(-1).tolist() == [5, -1]
    assert run.quarantine.blanked("t") == {"eur is not a number": 1}


def test_links_of_entities_that_nobody_knows_are_set_aside() -> None:
    run, _ = run_of(LINKS, [("ann", "a"), ("bob", "who")], [("eve", "b")])
    links = run.links("t", INDEX)
    users, entities = links.pairs()
    assert dict(zip(users.to_pylist(), entities.tolist(), strict=True)) == {"ann": 0, "eve": 1}
    assert run.quarantine.rejected("t") == {UNKNOWN_ID: 1}


def test_a_table_of_bad_rows_alone_is_read_and_one_without_rows_is_empty() -> None:
    run, _ = run_of(FIELDS, [("", "")])
    assert run.purchases("t", BOUGHT).frame.empty
    run, _ = run_of(FIELDS)
    with pytest.raises(EmptyTableError, match=r"t\.csv"):
        run.purchases("t", BOUGHT)


def test_usage_of_companies_that_move_in_a_circle_goes_along() -> None:
    measures = UsageMeasures("t", ("n",), (0,), (), np.dtype(np.int32))
    three = np.arange(3)
    rows = UsageRows(three.astype(np.int32), three, three[:, None], three)
    moved = UsageOfTable(rows, measures).moved(np.array([1, 2, 0], np.int32))
    assert moved.rows.company.tolist() == [1, 2, 0]
    assert moved.rows.measures.tolist() == [[0], [1], [2]]


def test_usage_of_a_table_is_a_part_of_another_form_by_the_table_s_name() -> None:
    def told(*names: str) -> Form:
        one = Noun("n", "n")
        return Form(
            tuple(UsageTable(name, "periods", "at", (f"{name}_n",)) for name in names),
            tuple(Measure(f"{name}_n", "actions", name, one) for name in names),
        )

    before, after = told("one", "two"), told("new", "one", "two")
    rows = UsageRows(
        *(np.zeros(0, np.int64) for _ in range(2)), np.zeros((0, 1), np.int32), np.zeros(0, np.int64)
    )
    usage = UsageOfTable(rows, UsageMeasures.of(before, before.tables[1]))
    assert (usage.measures.places, usage.measures.of_form(after).places) == ((1,), (2,))
    assert usage.measures.of_form(after).names == ("two_n",)


def test_rows_of_purchases_that_are_none_are_counted() -> None:
    fields = FIELDS | {"value": Field("eur", values.amounts, blanked=True)}
    run, _ = run_of(fields, [("a", "2024-01-01", "5"), ("b", "2024-01-01", "0")], [("a", "2024-01-02", "-5")])
    assert run.purchases("t", BOUGHT).frame["converts"].tolist() == [True, False, False]
    assert run.no_purchases == {"t": 2}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
def test_memory_that_was_freed_is_taken_again_by_the_next_blocks() -> None:
    script = f"""
import resource
from contextlib import nullcontext
from {reusing_memory.__module__} import reusing_memory

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        blocks = [b"x" * (7 << 20) for _ in range(6)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

for block in (nullcontext(), reusing_memory()):
    with block:
        faults(2)
        print(faults(5))
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    without, reused = map(int, said.split())
    assert reused < without / 10


def test_without_glibc_memory_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with reusing_memory():
        pass
