"""Feature inputs of a snapshot in several parts: usage is read, a few parts at a time, when it is asked for.

What is needed of every company all the time is small, and stays in memory: its attributes, the day on which
it began to exist, and that of its first usage.
"""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ml_sys.data.parts.whole import narrowest
from ml_sys.durable import storage_errors
from ml_sys.features.attributes import Attributes
from ml_sys.features.inputs import FeatureInputs, InputPart
from ml_sys.features.stored.rows import SCRATCH
from ml_sys.features.windows import NEVER, UsageLog
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.parts.outline import Outline
    from ml_sys.data.parts.parted import Parts
    from ml_sys.days import Period
    from ml_sys.engine.mapping import Engine
    from ml_sys.engine.storage import Storage
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.form import Form

R = TypeVar("R")

# Usage rows that are read at a time: some hundred megabytes, and computing is not all beginnings and ends.
ROWS_AT_ONCE = 4_000_000
# Of a snapshot with fewer usage rows all that was read stays in memory; of another it lies in a file as it is
# in memory, so that parts are compared with their digests and taken apart once.
ROWS_KEPT = 16_000_000


@dataclass(frozen=True)
class _Laid:
    """Some entities whose usage lies in a file; all else about them is known of every entity.

    Attributes
    ----------
    companies : ndarray of shape (n,), int32
        Their positions among all entities.
    n_rows : ndarray of shape (n,), int32
        Of each.
    like : UsageLog
        Without rows, of their types. Its arrays are its own, so that it keeps no others alive.
    """

    companies: NDArray[np.int32]
    n_rows: NDArray[np.int32]
    like: UsageLog
    path: Path

    @classmethod
    def down(cls, part: InputPart, path: Path) -> _Laid:
        """Write usage into a file."""
        log = part.inputs.usage
        n_rows = np.bincount(log.company, minlength=log.n_companies).astype(np.int32)
        with storage_errors(path.parent), path.open("wb") as file:
            for column in (log.day, log.values):
                file.write(np.ascontiguousarray(column).data)
        none = np.zeros(0, dtype=np.intp)
        like = replace(log, company=log.company[none], day=log.day[none], values=log.values[none])
        return cls(part.companies, n_rows, like, path)

    def read(self) -> UsageLog:
        """Return the usage."""
        n, n_measures = int(self.n_rows.sum()), self.like.values.shape[1]
        with storage_errors(self.path.parent), self.path.open("rb") as file:
            day = np.fromfile(file, self.like.day.dtype, n)
            values = np.fromfile(file, self.like.values.dtype, n * n_measures).reshape(n, n_measures)
        company = np.repeat(np.arange(self.n_rows.size, dtype=np.int32), self.n_rows)
        return replace(self.like, company=company, day=day, values=values)


class _Kept:
    """What was read: parts by their numbers, in memory, or beyond that in a folder that goes with it."""

    def __init__(self) -> None:
        self.parts: dict[tuple[int, ...], InputPart | _Laid] = {}
        self._folder: Path | None = None

    def __reduce__(self) -> tuple[type[_Kept], tuple[()]]:
        return _Kept, ()  # in another process nothing was read

    def keep(self, numbers: tuple[int, ...], part: InputPart, *, in_memory: bool) -> None:
        """Keep a part."""
        self.parts[numbers] = part if in_memory else _Laid.down(part, self._place() / str(numbers[0]))

    def _place(self) -> Path:
        if self._folder is None:
            stack = ExitStack()
            self._folder = stack.enter_context(scratch_folder(SCRATCH))
            weakref.finalize(self, stack.close)
        return self._folder


@dataclass(frozen=True)
class StoredInputs:
    """Feature inputs that are read part by part; see :class:`ml_sys.features.inputs.Inputs`.

    An instance may be sent to other processes that see the snapshot's folder; what was read stays here.

    Attributes
    ----------
    stored : Parts
        The source of the usage.
    spec : FeatureSpec
        With the form and the period to read it by.
    engine : Engine, optional
        Where what can be made of one part is made; by default here, of one after the other.
    """

    stored: Parts
    spec: FeatureSpec
    attributes: Attributes
    since: NDArray[np.int32]
    first: NDArray[np.int32]
    engine: Engine | None = field(default=None, repr=False, compare=False)
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    @classmethod
    def of(cls, outline: Outline, spec: FeatureSpec, engine: Engine | None = None) -> StoredInputs:
        """Take only the inputs of a model's features from a snapshot."""
        first = outline.first_stamp
        there = first != NEVER
        day = np.full(first.size, NEVER, dtype=np.int32)
        day[there] = spec.period.complete_on(first[there])
        attributes = Attributes.from_companies(outline.companies, spec.form.attributes)
        return cls(outline.parts, spec, attributes, outline.since, day, engine)

    @property
    def form(self) -> Form:
        """What the measures and attributes are."""
        return self.spec.form

    @property
    def period(self) -> Period:
        """What a usage row covers."""
        return self.spec.period

    @property
    def is_stored(self) -> bool:
        """Return True, as usage is read each time."""
        return True

    @property
    def n_companies(self) -> int:
        """How many entities there are."""
        return self.first.size

    def first_days(self) -> NDArray[np.int32]:
        """Return the day of each entity's first row, ``NEVER`` where it has none; shape (n_companies,)."""
        return self.first

    def parts(self) -> Iterator[InputPart]:
        """Read and yield the entities, a few parts at a time.

        Raises
        ------
        SnapshotError
            If a file of the snapshot is missing or was changed.
        """
        in_memory = sum(self.stored.n_rows) <= ROWS_KEPT
        for numbers in self._together():
            known = self._kept.parts.get(numbers)
            if known is None:
                found = _read(self.stored, self.spec, numbers)
                self._kept.keep(numbers, found, in_memory=in_memory)
            else:
                found = self._again(known) if isinstance(known, _Laid) else known
            yield found

    def shared(self, storage: Storage | None) -> StoredInputs:
        """Return the same inputs for workers elsewhere; see :meth:`ml_sys.data.snapshot.Parts.shared`."""
        return replace(self, stored=self.stored.shared(storage), engine=None, _kept=_Kept())

    def each(self, function: Callable[[InputPart], Iterable[R]], then: Callable[[R], object]) -> None:
        """Hand on what a function makes of each part; see :meth:`ml_sys.features.inputs.Inputs.each`.

        Raises
        ------
        SnapshotError
            As :meth:`parts`.
        EngineError
            If the engine's workers cannot do it.
        """
        if self.engine is None:
            for part in self.parts():
                for made in function(part):
                    then(made)
            return
        waiting, done = dict[int, list[R]](), 0

        def in_turn(number: int, found: list[R]) -> None:
            nonlocal done
            waiting[number] = found
            while done in waiting:
                for made in waiting.pop(done):
                    then(made)
                done += 1

        of_some = partial(_made, self.stored.shared(self.engine.storage), self.spec, function)
        self.engine.each(of_some, self._together(), in_turn)

    def _together(self) -> list[tuple[int, ...]]:
        """Return the groups of parts to read at a time."""
        found: list[list[int]] = []
        rows = ROWS_AT_ONCE
        for number, more in enumerate(self.stored.n_rows):
            if rows + more > ROWS_AT_ONCE:
                found.append([])
                rows = 0
            found[-1].append(number)
            rows += more
        return [tuple(one) for one in found]

    def _again(self, laid: _Laid) -> InputPart:
        who = laid.companies
        own = self.attributes.take(who)
        return InputPart(who, FeatureInputs.of_log(laid.read(), own, self.spec, self.since[who]))


def _made(
    stored: Parts,
    spec: FeatureSpec,
    function: Callable[[InputPart], Iterable[R]],
    numbers: tuple[int, ...],
) -> list[R]:
    """Return all that a function makes of some parts, read for it alone."""
    return list(function(_read(stored, spec, numbers)))


def _read(stored: Parts, spec: FeatureSpec, numbers: tuple[int, ...]) -> InputPart:
    return _united([_one(stored, spec, number) for number in numbers])


def _one(stored: Parts, spec: FeatureSpec, number: int) -> InputPart:
    part = stored.part(number)
    counted = part.usage_values
    part = replace(part, usage_values=counted.astype(narrowest(counted), copy=False))
    return InputPart(stored.positions(number), FeatureInputs.from_snapshot(part, spec))


def _united(parts: list[InputPart]) -> InputPart:
    """Return the entities of several parts as those of one, in the order of the parts."""
    if len(parts) == 1:
        return parts[0]
    logs = [one.inputs.usage for one in parts]
    starts = np.cumsum([0, *(one.n_companies for one in logs)]).astype(np.int32)
    columns = zip(*(one.inputs.attributes.columns for one in parts), strict=True)
    usage = UsageLog(
        np.concatenate([log.company + start for log, start in zip(logs, starts, strict=False)]),
        np.concatenate([log.day for log in logs]),
        np.concatenate([log.values for log in logs]),
        int(starts[-1]),
        logs[0].n_activity,
        logs[0].digits,
    )
    first = parts[0].inputs
    attributes = Attributes(
        first.attributes.described, tuple(np.concatenate(one) for one in columns), usage.n_companies
    )
    since = np.concatenate([one.inputs.since for one in parts])
    return InputPart(
        np.concatenate([one.companies for one in parts]),
        FeatureInputs(first.form, first.period, usage, attributes, since),
    )
