"""The files of a sample hold what was drawn, and few faults."""

from __future__ import annotations

import csv
from contextlib import ExitStack

import numpy as np
import pytest

from ml_sys.sample.simulation import (
    EMPLOYEE_RANGES,
    INDUSTRIES,
    NEVER,
    NO_VALUE,
    OBJECTS,
    Firms,
    SimulatedUsage,
)
from ml_sys.sample.tables import CompanyBlock, SampleTables, some_rows


@pytest.mark.parametrize(
    ("n", "share", "at_least_one", "found"),
    [(199, 0.0, True, 0), (200, 0.0, True, 1), (200, 0.0, False, 0), (10, 1.0, False, 10)],
)
def test_one_row_at_least_is_chosen_of_enough(n, share, at_least_one, found):
    chosen = some_rows(np.random.default_rng(1), n, share, at_least_one)
    assert chosen.size == np.unique(chosen).size == found
    assert (chosen < n).all()


def test_a_block_is_written_as_it_was_drawn(tmp_path):
    """Three companies: one paid on a day of the log, one before it began, one never."""
    size, trade = EMPLOYEE_RANGES.index("6 to 10"), INDUSTRIES.index("RETAIL")
    firms = Firms(
        np.array([NO_VALUE, size, size]), np.array([NO_VALUE, 7, 8]), np.array([trade, NO_VALUE, NO_VALUE]),
        np.array([size, size, 0]), np.array([9, 7, 1]),
    )  # fmt: skip
    users, actions = np.zeros((3, 2, 4), np.int32), np.zeros((3, 2, 4), np.int32)
    present = np.array([[True, False], [False, False], [False, True]])
    users[0, 0], actions[2, 1] = [1, 2, 3, 4], [5, 6, 7, 8]
    truth = {2: np.array([np.nan, np.nan, 0.123456789]), 1: np.array([0.5, np.nan, 0.25])}
    block = CompanyBlock(
        np.array([11, 12, 13]),
        firms,
        np.array([9, -3, 7 * NEVER]),
        SimulatedUsage(present, users, actions),
        truth,
    )
    with ExitStack() as stack:
        tables = SampleTables(tmp_path, stack, unknown_from=100)
        tables.write(np.random.default_rng(2), block)

    def rows(name):
        with (tmp_path / name).open(encoding="utf-8") as file:
            return {row["id"]: row for row in csv.DictReader(file)}

    customers, others, usage = rows("customers.csv"), rows("noncustomers.csv"), rows("usage_actions.csv")
    assert {name: row["CLOSEDATE"] for name, row in customers.items()} == {
        "11": "2019-01-16",
        "12": "2019-01-04",
    }
    about = ("ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY")
    assert [customers["11"][name] for name in about] == [
        "9",
        "6 to 10",
        "RETAIL",
    ]  # as filled in once it paid
    assert [customers["12"][name] for name in about] == ["7", "6 to 10", ""]
    assert [others["13"][name] for name in about] == ["8", "6 to 10", ""]
    assert list(others) == ["13"]
    assert usage["11"]["WHEN_TIMESTAMP"] == "2019-01-07 00:00:00.000"
    assert usage["13"]["WHEN_TIMESTAMP"] == "2019-01-14 00:00:00.000"
    assert [usage["11"][f"USERS_{name}"] for name in OBJECTS] == ["1", "2", "3", "4"]
    assert usage["13"]["ACTIONS_EMAIL"] == "8"
    assert (tmp_path / "truth.csv").read_text().splitlines() == [
        "cutoff,id,probability", "2019-01-21,13,0.12345679", "2019-01-14,11,0.5", "2019-01-14,13,0.25",
    ]  # fmt: skip
    assert tables.rows == {"customers": 2, "noncustomers": 1, "usage_actions": 2, "truth": 3}
    assert tables.probability == pytest.approx(0.12345679 + 0.75)


def test_the_first_large_block_has_a_fault_of_every_kind_and_a_second_only_by_luck(tmp_path):
    n = 300
    firms = Firms(*(np.full(n, 1) for _ in range(5)))
    counts = np.ones((n, 1, 4), np.int32)
    block = CompanyBlock(
        np.arange(n), firms, np.full(n, 7 * NEVER), SimulatedUsage(np.ones((n, 1), bool), counts, counts), {}
    )
    with ExitStack() as stack:
        tables = SampleTables(tmp_path, stack, unknown_from=1000)
        tables.write(np.random.default_rng(3), block)
        once = dict(tables.anomalies), dict(tables.rows)
    with ExitStack() as stack:
        tables = SampleTables(tmp_path / "twice", stack, unknown_from=1000)
        rng = np.random.default_rng(3)
        tables.write(rng, block)
        first = dict(tables.rows), dict(tables.anomalies)
        tables.write(rng, block)
    assert tables.rows["noncustomers"] == 2 * first[0]["noncustomers"] == 2 * n
    assert n < first[0]["usage_actions"] < tables.rows["usage_actions"]
    assert all(tables.anomalies[name] >= count for name, count in first[1].items())
    assert first == (once[1], once[0])
    with ExitStack() as stack:
        tables = SampleTables(tmp_path, stack, unknown_from=1000)
        tables.write(np.random.default_rng(3), block)
    faults = {name: count for name, count in tables.anomalies.items() if name.startswith(("usage", "non"))}
    assert all(1 <= count <= 3 for count in faults.values())
    assert len(faults) == 5
    assert tables.rows["usage_actions"] == n + faults["usage: repeated"]
    with (tmp_path / "usage_actions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["id"]) >= 1000 for row in rows) == faults["usage: unknown id"]
    negative = sum("-1" in row.values() for row in rows)
    assert negative == faults["usage: negative count"]
    unreadable = sum(not row["WHEN_TIMESTAMP"].startswith("2019-01") for row in rows)
    assert unreadable == faults["usage: unparsable WHEN_TIMESTAMP"]
