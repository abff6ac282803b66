"""The four files of a sample, and the faults that are put into them.

Invariant: every company keeps one good row in its table; only usage rows are spoilt, and few. Rows are
shuffled within a block of companies, so their order says nothing about the outcome.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ml_sys.durable import replacing
from ml_sys.sample.simulation import (
    EMPLOYEE_RANGES,
    INDUSTRIES,
    LOG_START,
    NEVER,
    NO_VALUE,
    OBJECTS,
    Firms,
    SimulatedUsage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray

COLUMNS = {
    "customers": ("CLOSEDATE", "MRR", "ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY", "id"),
    "noncustomers": ("ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY", "id"),
    "usage_actions": (
        "WHEN_TIMESTAMP",
        *(f"ACTIONS_{name}" for name in OBJECTS),
        *(f"USERS_{name}" for name in OBJECTS),
        "id",
    ),
    "truth": ("cutoff", "id", "probability"),
}

_PROBABILITY_DIGITS = 8
_MRR_LOG = (5.5, 0.75)  # mean and deviation of the logarithm of MRR

# Shares of customers, noncustomers and usage rows that are out of the ordinary.
_ODD_MRR, _ODD_MRR_VALUES = 0.025, (0.0, 0.0, -61.15, -260.0, -403.2)
_UNPARSABLE_CLOSEDATES, _CLOSEDATE_NOBODY_CAN_READ = 0.004, "31.02.2020"
_REPEATED_NONCUSTOMERS = 0.0006
_REPEATED_USAGE, _UNPARSABLE_STAMPS, _NEGATIVE_COUNTS, _UNKNOWN_IDS = 0.001, 0.0005, 0.0005, 0.0005
_ENOUGH_ROWS = 200  # for one fault of every kind to be few
_STAMPS_NOBODY_CAN_READ = ("2019-13-45 00:00:00.000", "last Monday", "00/00/0000", "#REF!")


@dataclass(frozen=True)
class CompanyBlock:
    """n companies drawn together.

    Attributes
    ----------
    ids : ndarray of shape (n,), int64
    day : ndarray of shape (n,), int64
        Day of the purchase, from the log's start; negative before it, 7 * NEVER or more for none.
    usage : SimulatedUsage
        As logged, after the purchase too.
    truth : dict of int to ndarray of shape (n,), float64
        Week of the cutoff to probability; NaN for customers by then.
    """

    ids: NDArray[np.int64]
    firms: Firms
    day: NDArray[np.int64]
    usage: SimulatedUsage
    truth: dict[int, NDArray[np.float64]]


class OpenTables:
    """The open files of a sample, and counts of what went into them.

    Parameters
    ----------
    folder : Path
        An existing folder; files of these names in it are replaced.
    stack : ExitStack
        Closes the files.
    columns : mapping of str to tuple of str
        Header by table.
    unknown_from : int
        Ids from here on belong to nobody.

    Attributes
    ----------
    rows : Counter
        Rows by table.
    anomalies : Counter
        Rows by kind of fault.
    probability : float
        Sum over truth.csv.
    """

    def __init__(
        self, folder: Path, stack: ExitStack, columns: Mapping[str, Sequence[str]], *, unknown_from: int
    ) -> None:
        self.unknown_from = unknown_from
        self.rows: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()
        self.probability = 0.0
        self._columns = columns
        self._files: dict[str, IO[bytes]] = {}
        for name, header in columns.items():
            self._files[name] = stack.enter_context(replacing(folder / f"{name}.csv"))
            self._files[name].write((",".join(header) + "\n").encode())

    def _append(self, table: str, columns: Sequence[pa.Array[Any]]) -> None:
        """Append columns whose cells need no quotes."""
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
        names = list(self._columns[table])
        pyarrow.csv.write_csv(pa.table(list(columns), names=names), self._files[table], options)
        self.rows[table] += len(columns[0])

    def _write_truth(
        self, ids: pa.Array[Any], truth: Mapping[int, NDArray[np.float64]], start: np.datetime64
    ) -> None:
        """Append the probabilities of all cutoffs, given by week of a log that begins on a day."""
        for week, probability in truth.items():
            free = np.flatnonzero(~np.isnan(probability))
            known = probability[free].round(_PROBABILITY_DIGITS)
            cutoff = pa.array(np.full(len(free), str(start + 7 * week)))
            self._append("truth", [cutoff, ids.take(pa.array(free, pa.int64())), pa.array(known)])
            self.probability += float(known.sum())


class SampleTables(OpenTables):
    """The four files of companies; a company's second row is not counted."""

    def __init__(self, folder: Path, stack: ExitStack, *, unknown_from: int) -> None:
        super().__init__(folder, stack, COLUMNS, unknown_from=unknown_from)

    def write(self, rng: np.random.Generator, block: CompanyBlock) -> None:
        """Append a block of companies to all four files."""
        paid = block.day < 7 * NEVER
        self._write_customers(rng, block, np.flatnonzero(paid))
        self._write_noncustomers(rng, block, np.flatnonzero(~paid))
        self._write_usage(rng, block)
        self._write_truth(pa.array(block.ids), block.truth, LOG_START)

    def _write_customers(
        self, rng: np.random.Generator, block: CompanyBlock, which: NDArray[np.intp]
    ) -> None:
        n, firms = len(which), block.firms
        odd = rng.random(n) < _ODD_MRR
        regular = np.round(np.exp(rng.normal(*_MRR_LOG, n)), 2)
        mrr = np.where(odd, rng.choice(_ODD_MRR_VALUES, n), regular).tolist()
        cells = _firm_cells(firms.rank_if_paid[which], firms.employees_if_paid[which], firms.industry[which])
        dates = np.datetime_as_string(LOG_START + block.day[which]).tolist()
        ids = block.ids[which].tolist()
        rows = [
            [date, f"{value:g}", *firm, company]
            for date, value, firm, company in zip(dates, mrr, cells, ids, strict=True)
        ]
        again = np.flatnonzero(rng.random(n) < _UNPARSABLE_CLOSEDATES)
        rows += [[_CLOSEDATE_NOBODY_CAN_READ, *rows[at][1:]] for at in again]
        _write_shuffled(rng, self._files["customers"], rows)
        self.rows["customers"] += n
        self.anomalies["customers: MRR not above zero"] += int(odd.sum())
        self.anomalies["customers: unparsable CLOSEDATE"] += len(again)

    def _write_noncustomers(
        self, rng: np.random.Generator, block: CompanyBlock, which: NDArray[np.intp]
    ) -> None:
        firms = block.firms
        cells = _firm_cells(firms.rank[which], firms.employees[which], firms.industry[which])
        rows = [[*firm, company] for firm, company in zip(cells, block.ids[which].tolist(), strict=True)]
        again = some_rows(
            rng, len(rows), _REPEATED_NONCUSTOMERS, self.anomalies["noncustomers: repeated"] == 0
        )
        rows += [["", rows[at][1], "", rows[at][3]] for at in again]  # agrees, and is less complete
        _write_shuffled(rng, self._files["noncustomers"], rows)
        self.rows["noncustomers"] += len(which)
        self.anomalies["noncustomers: repeated"] += len(again)

    def _write_usage(self, rng: np.random.Generator, block: CompanyBlock) -> None:
        usage = block.usage
        company, week = np.nonzero(usage.present)
        is_first = self.anomalies["usage: unknown id"] == 0 and len(company) >= _ENOUGH_ROWS
        again = some_rows(rng, len(company), _REPEATED_USAGE, is_first)
        order = np.concatenate([np.arange(len(company)), again])
        rng.shuffle(order)
        company, week = company[order], week[order]
        counts = np.concatenate([usage.actions[company, week], usage.users[company, week]], axis=1)
        ids = block.ids[company]
        days = np.datetime_as_string(LOG_START + 7 * np.arange(usage.present.shape[1])).tolist()
        stamps = pa.array([*(f"{day} 00:00:00.000" for day in days), *_STAMPS_NOBODY_CAN_READ])

        faulty = rng.permutation(len(order))  # so that no row has two faults
        unreadable, negative, unknown = (
            faulty[at::3][: max(int(rng.binomial(len(order), share)), int(is_first))]
            for at, share in enumerate((_UNPARSABLE_STAMPS, _NEGATIVE_COUNTS, _UNKNOWN_IDS))
        )
        week[unreadable] = len(days) + rng.integers(0, len(_STAMPS_NOBODY_CAN_READ), len(unreadable))
        counts[negative, rng.integers(0, counts.shape[1], len(negative))] = -1
        ids[unknown] = self.unknown_from + rng.integers(0, 1000, len(unknown))

        columns = [stamps.take(pa.array(week)), *(pa.array(column) for column in counts.T), pa.array(ids)]
        self._append("usage_actions", columns)
        self.anomalies["usage: repeated"] += len(again)
        self.anomalies["usage: unparsable WHEN_TIMESTAMP"] += len(unreadable)
        self.anomalies["usage: negative count"] += len(negative)
        self.anomalies["usage: unknown id"] += len(unknown)


def some_rows(rng: np.random.Generator, n: int, share: float, at_least_one: bool) -> NDArray[np.int64]:
    """Choose about a share of n rows; one at least if asked, unless they are too few."""
    count = max(int(rng.binomial(n, share)), int(at_least_one and n >= _ENOUGH_ROWS))
    return rng.permutation(n)[:count]


def _firm_cells(
    rank: NDArray[np.int64], employees: NDArray[np.int64], industry: NDArray[np.int64]
) -> Iterable[list[str]]:
    for known_rank, size, trade in zip(rank.tolist(), employees.tolist(), industry.tolist(), strict=True):
        yield [
            "" if known_rank == NO_VALUE else str(known_rank),
            "" if size == NO_VALUE else EMPLOYEE_RANGES[size],
            "" if trade == NO_VALUE else INDUSTRIES[trade],
        ]


def _write_shuffled(rng: np.random.Generator, file: IO[bytes], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows[at] for at in rng.permutation(len(rows)))
    file.write(text.getvalue().encode())
