"""The registry's state on disk: the audit trail, which is the truth, and the index that follows from it.

A change counts from the moment when its record is complete on the disk. After that ``registry.json`` is
replaced as a whole by one rename. If its writer was killed or failed in between, readers look at the trail
and the next writer catches up. So the index may lag behind the trail, but is never ahead of it. It is created
before the first record and remembers the last record it followed from. A trail that is shorter or different,
or that has no index, was tampered with, and no writer continues it until somebody accepts it.
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
    "restore it from a copy; or, if you know how it came about, accept the trail as it is: "
    "mlsys accept --reason TEXT"
)
_log = logging.getLogger(__name__)


class State:
    """The two files under an artifacts folder; they are changed only under the registry's lock."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index_file = root / INDEX
        self._trail_file = root / TRAIL

    def trail(self) -> Trail:
        """Read and verify the audit trail; raises like :func:`audit.read`."""
        return audit.read(self._trail_file)

    def index(self) -> Index:
        """Return the index from its file or, if that lags behind, from the audit trail.

        Raises
        ------
        AuditError
            If there is a trail but the index is missing or damaged: later records may then have been cut off.
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
        with suppress(AuditError, StorageError):  # versions registered before the damage can still be used
            if audit.length(self._trail_file) > stored.sequence:
                return self._replayed(self.trail())
        return stored

    def problem(self) -> str:
        """Explain how the index file disagrees with the audit trail; empty if it does not.

        An index that lags behind is sound: its writer was killed.

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
        """Update the index from the trail, and return both.

        Raises
        ------
        AuditError
            If the trail is damaged, is not the one that the index followed from, or has no index.
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
        if stored != index:  # a first index is written before the first record
            write_durably(self._index_file, to_bytes(index))
        return trail, index

    def accept(self, record: Record) -> str:
        """Accept the trail as it is, whatever was remembered of it, and return what was wrong.

        Parameters
        ----------
        record : Record
            The record of accepting it; once it is written, the index follows from the trail.

        Returns
        -------
        str
            Empty if nothing was wrong; nothing is written then.

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
            If it failed, but the record may have been written.
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
            except OSError as error:  # the record is written, and the next writer catches up
                _log.warning("%s lags behind the audit trail: %s", self._index_file, error.strerror)
        finally:
            with suppress(OSError):
                staged.unlink(missing_ok=True)
        return Trail((*trail.records, record), trail.size + len(text)), changed

    def knows(self, version: str) -> bool:
        """Return whether a version is registered, or may be if the files cannot be read."""
        try:
            return version in self._replayed(self.trail()).versions
        except (AuditError, StorageError):
            return True

    def _files(self) -> tuple[bytes | None, Trail]:
        """Return the content of the index's file, None if it is missing, and the trail, read after it."""
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
        """Say why the end of the trail is not known; empty if it is, or if there is no trail."""
        if stored is not None or (content is None and not (trail.records or trail.torn)):
            return ""
        what = "is missing" if content is None else "was edited or damaged"
        return f"{self._index_file} {what}; it remembers the last record, so later ones may have been cut off"

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
