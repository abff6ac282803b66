"""The registry's state on disk: the audit trail, which is the truth, and the index that follows from it.

A change counts from the moment that its record is complete on the disk. ``registry.json`` is replaced as a
whole by one rename after that; where its writer died in between, or was refused, readers look at the trail
and the next writer catches up. So the index may lag behind the trail, and is never ahead of it. It is made
before the first record and remembers the last one it followed from: a trail that is shorter or another, or
that has no index, was tampered with, and nothing goes on from it until somebody accepts it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.durable import append_durably, stage, sync_folder, write_durably
from ml_sys.errors import AuditError, StorageError
from ml_sys.registry import audit
from ml_sys.registry.audit import Record, Trail
from ml_sys.registry.index import Index, apply, from_bytes, replayed, to_bytes

if TYPE_CHECKING:
    from pathlib import Path

INDEX, TRAIL = "registry.json", "audit.jsonl"
DAMAGED = "registry.json.damaged"

_ACCEPT = (
    "restore it from a copy; or, if you know how it came about, go on from the trail as it stands: "
    "mlsys accept --reason TEXT"
)
_log = logging.getLogger(__name__)


class State:
    """The two files under an artifacts folder; whoever changes them holds the registry's lock."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index_file = root / INDEX
        self._trail_file = root / TRAIL

    def trail(self) -> Trail:
        """Read and verify the audit trail; raises like :func:`audit.read`."""
        return audit.read(self._trail_file)

    def index(self) -> Index:
        """Return the index: what its file says or, where that lags behind, the audit trail.

        Raises
        ------
        AuditError
            If the index is missing or damaged beside a trail, whose end nobody can vouch for then.
        StorageError
            If a file cannot be read.
        """
        stored = from_bytes(self._content() or b"")
        if stored is None:
            content, trail = self._files()
            stored = from_bytes(content or b"")
            self._refuse(self._forgotten(content, stored, trail))
        if stored is None:
            return Index()
        with suppress(AuditError, StorageError):  # what was registered before the damage can still be used
            if audit.length(self._trail_file) > stored.sequence:
                return self._replayed(self.trail())
        return stored

    def problem(self) -> str:
        """Explain how the index file disagrees with the audit trail; empty if it does not.

        One that lags behind is sound: its writer was killed.

        Raises
        ------
        AuditError
            If the trail is damaged.
        """
        content, trail = self._files()
        stored = from_bytes(content or b"")
        if found := self._forgotten(content, stored, trail):
            return found
        return "" if stored is None else self._rewritten(stored, trail) or self._mistaken(stored, trail)

    def caught_up(self) -> tuple[Trail, Index]:
        """Bring the index up to date with the trail, and return both.

        Raises
        ------
        AuditError
            If the trail is damaged, is not the one that the index followed from, or has no index that
            remembers where it ended.
        """
        content, trail = self._files()
        stored = from_bytes(content or b"")
        self._refuse(self._forgotten(content, stored, trail))
        index = self._replayed(trail)
        if stored is not None:
            self._refuse(self._rewritten(stored, trail))
            if content is not None and self._mistaken(stored, trail):
                _log.warning("%s was damaged and is rebuilt from the audit trail", self._index_file)
                write_durably(self._root / DAMAGED, content)
        if stored != index:  # without any it is made before the first record, which it has to remember
            write_durably(self._index_file, to_bytes(index))
        return trail, index

    def accept(self, record: Record) -> str:
        """Go on from the trail as it stands, whatever was remembered of it, and return what was wrong.

        Parameters
        ----------
        record : Record
            What is to be said of it in the trail; the index follows from the trail once it is written.

        Returns
        -------
        str
            Empty where nothing was wrong; nothing is written then.

        Raises
        ------
        AuditError
            If the trail is damaged, which cannot be accepted.
        """
        content, trail = self._files()
        index, found = self._replayed(trail), self.problem()
        if found:
            if content is not None:
                write_durably(self._root / DAMAGED, content)
            self.append(trail, index, replace(record, verdict={"found": found}))
        return found

    def append(self, trail: Trail, index: Index, record: Record) -> tuple[Trail, Index]:
        """Append a record and update the index.

        Raises
        ------
        OSError
            If it failed and nothing was changed.
        StorageError
            If it failed and the record may stand all the same.
        """
        record = audit.sealed(record, trail)
        changed = apply(index, record)
        staged = stage(self._index_file, to_bytes(changed))
        text = audit.line(record)
        try:
            append_durably(self._trail_file, text, trail.size)
            try:
                staged.replace(self._index_file)
                sync_folder(self._root)
            except OSError as error:  # the record stands, and the next writer catches up
                _log.warning("%s lags behind the audit trail: %s", self._index_file, error.strerror)
        finally:
            with suppress(OSError):
                staged.unlink(missing_ok=True)
        return Trail((*trail.records, record), trail.size + len(text)), changed

    def knows(self, version: str) -> bool:
        """Return whether a version is registered, or may be: where the files cannot be read."""
        try:
            return version in self._replayed(self.trail()).versions
        except (AuditError, StorageError):
            return True

    def _files(self) -> tuple[bytes | None, Trail]:
        """Return the index's file, None where it is missing, and the trail, which is read after it."""
        content, trail = self._content(), self.trail()
        if content is None and (trail.records or trail.torn):  # the first writer may have come in between
            content = self._content()
        return content, trail

    def _content(self) -> bytes | None:
        try:
            return self._index_file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"{self._index_file}: cannot be read: {error.strerror}", hint="check its permissions"
            ) from error

    def _replayed(self, trail: Trail) -> Index:
        try:
            return replayed(trail.records)
        except ValueError as error:
            raise AuditError(self._trail_file, str(error)) from error

    def _refuse(self, alarm: str) -> None:
        if alarm:
            raise AuditError(self._trail_file, alarm, hint=_ACCEPT)

    def _forgotten(self, content: bytes | None, stored: Index | None, trail: Trail) -> str:
        """Say why nothing records where the trail ended; empty if something does, or there is no trail."""
        if stored is not None or (content is None and not (trail.records or trail.torn)):
            return ""
        what = "is missing" if content is None else "was edited or damaged"
        return f"{self._index_file} {what}, which remembers the last record: later ones may have been cut off"

    def _rewritten(self, stored: Index, trail: Trail) -> str:
        """Say how the trail differs from the one that an index was derived from."""
        if stored.sequence > len(trail.records):
            return f"record {len(trail.records) + 1} was dropped: {self._index_file} follows from it"
        if stored.head != Trail(trail.records[: stored.sequence]).head:
            which = f"record {stored.sequence} or one before it"
            return f"{which} was rewritten: {self._index_file} follows from another"
        return ""

    def _mistaken(self, stored: Index, trail: Trail) -> str:
        then = self._replayed(Trail(trail.records[: stored.sequence]))
        return "" if stored == then else f"{self._index_file} does not agree with the audit trail"
