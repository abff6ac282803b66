"""The files of a product's sample, and the faults that are put into them.

Invariant: every workspace keeps one good row, its first purchase and its members; only events are spoilt, and
few. Rows are shuffled within a block of workspaces, so their order says nothing about the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.durable import replacing
from ml_sys.sample.product.simulation import (
    CALL,
    COUNTRIES,
    KINDS,
    LOG_START,
    SEATS,
    WEEK_DAYS,
    Log,
    Workspaces,
)
from ml_sys.sample.simulation import NEVER, NO_VALUE
from ml_sys.sample.tables import OpenTables, some_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray

COLUMNS = {
    "workspaces": ("workspace", "signed_up", "country", "seats"),
    "members": ("user", "workspace"),
    "events": ("event_id", "user", "happened_at", "event", "minutes"),
    "purchases": ("workspace", "bought_at", "amount"),
    "truth": ("cutoff", "id", "probability"),
}
DESCRIPTION = "mlsys.toml"

_FIRST_USER, _FIRST_EVENT = 500_000, 10_000_000
_AMOUNT_LOG = (4.0, 0.6)  # mean and deviation of the logarithm of the first payment
_RENEWED, _RENEWAL_DAYS = 0.85, 30
_REPEATED_ROWS, _UNKNOWN_BUYERS = 0.001, 0.004
_REPEATED_EVENTS, _UNREADABLE_STAMPS, _NEGATIVE_MINUTES, _UNKNOWN_USERS = 0.001, 0.0004, 0.0004, 0.0004
_UNREADABLE = ("2024-13-45 00:00:00", "yesterday", "00/00/0000 00:00", "#REF!")


@dataclass(frozen=True)
class WorkspaceBlock:
    """n workspaces drawn together.

    Attributes
    ----------
    names : ndarray of shape (n,), int64
        Numbers of their identifiers.
    bought : ndarray of shape (n,), int64
        Day of the first purchase from the log's start; 7 * NEVER or more for none.
    log : Log
        What was done, after the purchase too.
    guests : ndarray of shape (n_guests, 2), int64
        Whose first member is a member of which other workspace, too.
    truth : dict of int to ndarray of shape (n,), float64
        Week of the cutoff to probability; NaN where it had not signed up, or had bought.
    """

    names: NDArray[np.int64]
    ones: Workspaces
    bought: NDArray[np.int64]
    log: Log
    guests: NDArray[np.int64]
    truth: dict[int, NDArray[np.float64]]


class ProductTables(OpenTables):
    """The five tables of workspaces, and their description."""

    def __init__(self, folder: Path, stack: ExitStack, *, unknown_from: int) -> None:
        super().__init__(folder, stack, COLUMNS, unknown_from=unknown_from)
        self._users = _FIRST_USER
        description = stack.enter_context(replacing(folder / DESCRIPTION))
        description.write(files("ml_sys.sample.product").joinpath(DESCRIPTION).read_bytes())

    def write(self, rng: np.random.Generator, block: WorkspaceBlock, weeks: int) -> None:
        """Append a block of workspaces to all files."""
        start = np.cumsum(block.ones.members) - block.ones.members
        users = self._users + rng.permutation(int(block.ones.members.sum()))
        self._users += len(users)
        self._write_workspaces(rng, block)
        self._write_members(rng, block, start, users)
        self._write_events(rng, block.log, users[start[block.log.workspace] + block.log.member])
        self._write_purchases(rng, block, weeks)
        self._write_truth(_named(block.names), block.truth, LOG_START)

    def _write_workspaces(self, rng: np.random.Generator, block: WorkspaceBlock) -> None:
        n, ones = len(block.names), block.ones
        again = some_rows(rng, n, _REPEATED_ROWS, self.anomalies["workspaces: repeated"] == 0)
        order = rng.permutation(np.concatenate([np.arange(n), again]))
        on_file = _cells(COUNTRIES, ones.country[order]), _cells(SEATS, ones.seats[order])
        self._append("workspaces", [_named(block.names[order]), _days(ones.signed_up[order]), *on_file])
        self.anomalies["workspaces: repeated"] += len(again)

    def _write_members(
        self,
        rng: np.random.Generator,
        block: WorkspaceBlock,
        start: NDArray[np.int64],
        users: NDArray[np.int64],
    ) -> None:
        guest, host = block.guests.T
        user = np.concatenate([users, users[start[guest]]])
        workspace = np.concatenate([np.repeat(np.arange(len(block.names)), block.ones.members), host])
        again = some_rows(rng, len(user), _REPEATED_ROWS, self.anomalies["members: repeated"] == 0)
        order = rng.permutation(np.concatenate([np.arange(len(user)), again]))
        self._append("members", [pa.array(user[order]), _named(block.names[workspace[order]])])
        self.anomalies["members: of two workspaces"] += len(guest)
        self.anomalies["members: repeated"] += len(again)

    def _write_events(self, rng: np.random.Generator, log: Log, users: NDArray[np.int64]) -> None:
        is_first = self.anomalies["events: unknown user"] == 0
        again = some_rows(rng, len(users), _REPEATED_EVENTS, is_first)
        order = rng.permutation(np.concatenate([np.arange(len(users)), again]))
        number = _FIRST_EVENT + self.rows["events"] + order
        log, user = log.take(order), users[order]

        sound = rng.permutation(np.flatnonzero(~np.isin(order, again)))  # no row has two faults
        unreadable = sound[: len(some_rows(rng, len(sound), _UNREADABLE_STAMPS, is_first))]
        unknown = sound[::-1][: len(some_rows(rng, len(sound), _UNKNOWN_USERS, is_first))]
        calls = np.setdiff1d(np.flatnonzero(log.kind == CALL), np.concatenate([unreadable, unknown]))
        calls = calls[~np.isin(order[calls], again)]
        negative = calls[: len(some_rows(rng, len(calls), _NEGATIVE_MINUTES, is_first))]
        user[unknown] = 1 + rng.integers(0, 1000, len(unknown))
        log.minutes[negative] = -1

        stamps = pa.array(LOG_START.astype("datetime64[s]") + log.second).cast(pa.string())
        bad = rng.integers(0, len(_UNREADABLE), len(unreadable))
        spoilt = np.zeros(len(order), np.bool_)
        spoilt[unreadable] = True
        stamps = pc.replace_with_mask(stamps, pa.array(spoilt), pa.array(_UNREADABLE).take(bad))
        kinds, minutes = pa.array(KINDS).take(log.kind), pa.array(log.minutes, from_pandas=True)
        self._append("events", [pa.array(number), pa.array(user), stamps, kinds, minutes])
        self.anomalies["events: repeated"] += len(again)
        self.anomalies["events: unreadable happened_at"] += len(unreadable)
        self.anomalies["events: negative minutes"] += len(negative)
        self.anomalies["events: unknown user"] += len(unknown)

    def _write_purchases(self, rng: np.random.Generator, block: WorkspaceBlock, weeks: int) -> None:
        who = np.flatnonzero(block.bought < WEEK_DAYS * NEVER)
        day, amount = block.bought[who], np.exp(rng.normal(*_AMOUNT_LOG, len(who)))
        paid = []
        while len(who):
            paid.append((block.names[who], day, amount))
            renewed = (rng.random(len(who)) < _RENEWED) & (day + _RENEWAL_DAYS < WEEK_DAYS * weeks)
            who, day, amount = who[renewed], day[renewed] + _RENEWAL_DAYS, amount[renewed]
        if not paid:
            return
        names, days, amounts = (np.concatenate(column) for column in zip(*paid, strict=True))
        is_first = self.anomalies["purchases: unknown workspace"] == 0
        strangers = some_rows(rng, len(names), _UNKNOWN_BUYERS, is_first)  # who pays and is on no list
        names = np.concatenate([names, self.unknown_from + rng.integers(0, 1000, len(strangers))])
        at = np.concatenate([np.arange(len(days)), strangers])
        order = rng.permutation(len(at))
        columns = [_named(names[order]), _days(days[at][order]), pa.array(amounts[at][order].round(2))]
        self._append("purchases", columns)
        self.anomalies["purchases: unknown workspace"] += len(strangers)


def _named(numbers: NDArray[np.int64]) -> Any:
    return pa.array([f"ws-{number}" for number in numbers.tolist()], pa.string())


def _days(days: NDArray[np.int64]) -> Any:
    return pa.array((LOG_START + days).astype(str))


def _cells(texts: Sequence[object], chosen: NDArray[np.int64]) -> Any:
    return pa.array([*map(str, texts), ""]).take(np.where(chosen == NO_VALUE, len(texts), chosen))
