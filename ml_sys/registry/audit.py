"""The audit trail: what happened to the registry, when, by whom, why and what the gate said.

``audit.jsonl`` only grows. Each line is a record with the digest of the one before and its own, so a record
that was edited, dropped or moved breaks the chain at a known place. Records are ordered by sequence number,
as clocks may jump. A record counts once its line is complete, including the newline.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import socket
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.errors import AuditError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ml_sys.registry.index import Entry

# Former names of fields in records, to their present names: lines stay as they were written.
_ONCE_CALLED = {"evidence": "verdict"}

Action = Literal["add", "adopt", "promote", "rollback", "accept"]


@dataclass(frozen=True)
class Record:
    """One thing that happened.

    Attributes
    ----------
    sequence : int
        From 1, without gaps.
    at : str
        ISO 8601, UTC.
    by : str
        Who did it.
    action : {"add", "adopt", "promote", "rollback", "accept"}
        Adopt: a version's folder was registered after its writer was killed, or because somebody accepted it.
        Accept: somebody accepted a trail that was not the one remembered.
    version : str
        The version that was registered or promoted; empty for an accepted trail.
    replaced : str or None
        Version that left production.
    reason : str
        In the words of whoever did it.
    forced : bool
        Whether the gate's refusal was overridden.
    verdict : dict or None
        The gate's, as plain data; for an accepted trail, what was wrong with it (``found``).
    entry : dict or None
        The index's entry, for a registered version.
    previous, hash : str
        Digests of the record before (empty for the first) and of this one.
    """

    sequence: int
    at: str
    by: str
    action: Action
    version: str
    replaced: str | None = None
    reason: str = ""
    forced: bool = False
    verdict: dict[str, Any] | None = None
    entry: dict[str, Any] | None = None
    previous: str = ""
    hash: str = ""


@dataclass(frozen=True)
class Change:
    """Why the production version changes.

    Attributes
    ----------
    forced : bool
        Whether the gate's refusal is overridden.
    verdict : dict or None
        The gate's, as plain data.
    """

    reason: str = ""
    forced: bool = False
    verdict: dict[str, Any] | None = None


class Author:
    """The author of records; records get their place in the trail later.

    Parameters
    ----------
    name : str
        By default the user and the host.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name

    def added(self, action: Action, entry: Entry, reason: str = "") -> Record:
        """Return the record of a version that is registered."""
        return Record(0, _now(), self._signed(), action, entry.version, entry=asdict(entry), reason=reason)

    def moved(self, action: Action, version: str, before: str | None, change: Change) -> Record:
        """Return the record of a version that goes into production."""
        return Record(
            sequence=0,
            at=_now(),
            by=self._signed(),
            action=action,
            version=version,
            replaced=before,
            reason=change.reason,
            forced=change.forced,
            verdict=change.verdict,
        )

    def accepted(self, reason: str) -> Record:
        """Return the record that somebody accepted the trail."""
        return Record(0, _now(), self._signed(), "accept", "", reason=reason)

    def _signed(self) -> str:
        if self._name:
            return self._name
        try:
            user = getpass.getuser()
        except (OSError, KeyError, ImportError):  # a container whose user has no name
            user = "unknown"
        return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Trail:
    """A verified audit trail.

    Attributes
    ----------
    size : int
        Size of its records in bytes; anything after them is an incomplete record.
    torn : bool
        Whether there is an incomplete record.
    """

    records: tuple[Record, ...] = ()
    size: int = 0
    torn: bool = False

    @property
    def head(self) -> str:
        """Digest of the last record."""
        return self.records[-1].hash if self.records else ""


def sealed(record: Record, trail: Trail) -> Record:
    """Return a record with its number and digests as the next one of a trail, as it would be read back."""
    numbered = replace(record, sequence=len(trail.records) + 1, previous=trail.head)
    stored = json.loads(_canonical(asdict(numbered)))
    return Record(**{**stored, "hash": _digest(stored)})


def line(record: Record) -> bytes:
    """Return the line of a record."""
    return _canonical(asdict(record)) + b"\n"


def read(path: Path) -> Trail:
    """Read and verify a trail.

    Raises
    ------
    AuditError
        Naming the first record that was edited, dropped or moved.
    StorageError
        If it cannot be read.
    """
    content = _content(path)
    size = content.rfind(b"\n") + 1
    lines = content[:size].split(b"\n")[:-1]
    if lines and b"\0" in lines[-1]:  # the power failed before all of it was on the disk
        size -= len(lines.pop()) + 1
    records: list[Record] = []
    for at, text in enumerate(lines):
        record = _intact(path, at + 1, text)
        if record.sequence != at + 1:
            raise AuditError(path, _out_of_place(record.sequence, at + 1, lines[at:]))
        if record.previous != (records[-1].hash if records else ""):
            raise AuditError(path, f"record {at} was edited: record {at + 1} does not follow from it")
        records.append(record)
    return Trail(tuple(records), size, torn=size < len(content))


def length(path: Path) -> int:
    """Return the number of lines of a trail, without verifying anything.

    Raises
    ------
    StorageError
        If it cannot be read.
    """
    return _content(path).count(b"\n")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        hint = "check its permissions"
        raise StorageError(f"{path}: cannot be read: {error.strerror}", hint=hint) from error


def _intact(path: Path, number: int, text: bytes) -> Record:
    try:
        plain = json.loads(text)
        record = Record(**{_ONCE_CALLED.get(name, name): value for name, value in plain.items()})
        numbered = isinstance(record.sequence, int)
        whole = numbered and record.hash == _digest(plain) and _canonical(plain) == text
    except (ValueError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise AuditError(path, f"record {number} was edited")
    return record


def _out_of_place(found: int, expected: int, rest: list[bytes]) -> str:
    """Say whether a record is missing or only in another place."""
    if found < expected:
        return f"record {found} is repeated in place of record {expected}"
    later = any(f'"sequence":{expected},'.encode() in text for text in rest)
    return f"record {found} comes before record {expected}" if later else f"record {expected} was dropped"


def _digest(plain: Mapping[str, Any]) -> str:
    """Digest the fields of a line rather than of a `Record`, as lines of later code may have more fields."""
    body = {name: value for name, value in plain.items() if name != "hash"}
    return hashlib.sha256(_canonical(body)).hexdigest()


def _canonical(content: Any) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode(errors="replace")  # half a character, as a shell may pass one, becomes a question mark


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
