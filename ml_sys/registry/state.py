"""The registry's state on disk: the audit trail, which is the truth, and the index that follows from it.

A change counts from the moment that its record is complete on the disk. ``registry.json`` is replaced as a
whole by one rename after that; where its writer died in between, or was refused, readers look at the trail
and the next writer catches up. So the index may lag behind the trail, and is never ahead of it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from ml_sys.data.durable import append_durably, stage, sync_folder, write_durably
from ml_sys.errors import AuditError, StorageError
from ml_sys.registry import audit
from ml_sys.registry.audit import Record, Trail
from ml_sys.registry.index import Index, apply, from_bytes, replayed, to_bytes

if TYPE_CHECKING:
    from pathlib import Path

INDEX, TRAIL = "registry.json", "audit.jsonl"
DAMAGED = "registry.json.damaged"

_log = logging.getLogger(__name__)


class State:
    """The two files under an artifacts folder; whoever changes them holds the registry's lock.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index_file = root / INDEX
        self._trail_file = root / TRAIL

    def trail(self) -> Trail:
        """Read and verify the audit trail; raises like :func:`audit.read`."""
        return audit.read(self._trail_file)

    def index(self) -> Index:
        """Return the index: what its file says or, where that is damaged or lags behind, the audit trail.

        Raises
        ------
        AuditError
            If the trail is needed and damaged as well.
        StorageError
            If a file cannot be read.
        """
        stored = from_bytes(self._content() or b"")
        if stored is None:
            return self._replayed(self.trail())
        with suppress(AuditError, StorageError):  # what was registered before the damage can still be used
            if audit.length(self._trail_file) > stored.sequence:
                return self._replayed(self.trail())
        return stored

    def problem(self) -> str:
        """Say how the index's file disagrees with the audit trail; empty where it does not.

        One that lags behind, or is not there after the first record, is sound: its writer was killed.

        Raises
        ------
        AuditError
            If the trail is damaged.
        """
        content = self._content()  # before the trail: a writer may be adding to both
        stored, trail = from_bytes(content or b""), self.trail()
        if content is None:
            return f"{self._index_file} is missing" if len(trail.records) > 1 else ""
        if stored is None:
            return f"{self._index_file} was edited or damaged"
        return self._rewritten(stored, trail) or self._mistaken(stored, trail)

    def caught_up(self) -> tuple[Trail, Index]:
        """Bring the index to the end of the trail and return both.

        Raises
        ------
        AuditError
            If the trail is damaged, or is not the one that the index followed from.
        """
        content = self._content()
        stored, trail = from_bytes(content or b""), self.trail()
        index = self._replayed(trail)
        rewritten = "" if stored is None else self._rewritten(stored, trail)
        if rewritten:
            raise AuditError(self._trail_file, rewritten)
        if content is not None and (stored is None or self._mistaken(stored, trail)):
            _log.warning("%s was damaged and is made anew from the audit trail", self._index_file)
            write_durably(self._root / DAMAGED, content)
        if (stored or Index()) != index:
            write_durably(self._index_file, to_bytes(index))
        return trail, index

    def append(self, trail: Trail, index: Index, record: Record) -> tuple[Trail, Index]:
        """Append a record and let the index follow.

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
        """Say whether a version is registered, or may be: where the files cannot be read."""
        try:
            return version in self._replayed(self.trail()).versions
        except (AuditError, StorageError):
            return True

    def _content(self) -> bytes | None:
        try:
            return self._index_file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"{self._index_file}: cannot be read: {error.strerror}", hint="check its rights"
            ) from error

    def _replayed(self, trail: Trail) -> Index:
        try:
            return replayed(trail.records)
        except ValueError as error:
            raise AuditError(self._trail_file, str(error)) from error

    def _rewritten(self, stored: Index, trail: Trail) -> str:
        """Say how the trail is not the one that an index followed from."""
        if stored.sequence > len(trail.records):
            return f"record {len(trail.records) + 1} was dropped: {self._index_file} follows from it"
        if stored.head != Trail(trail.records[: stored.sequence]).head:
            which = f"record {stored.sequence} or one before it"
            return f"{which} was rewritten: {self._index_file} follows from another"
        return ""

    def _mistaken(self, stored: Index, trail: Trail) -> str:
        then = self._replayed(Trail(trail.records[: stored.sequence]))
        return "" if stored == then else f"{self._index_file} says something else than the audit trail"
