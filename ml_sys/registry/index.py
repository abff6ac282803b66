"""The index: all versions, the one in production, and the one it replaced.

A simple rule may be in production instead of a version; it has no entry.

An index follows from the audit trail alone: :func:`apply` applies each record. Its file contains its own
digest, so that an edit by hand is noticed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.errors import ArtifactError, nearest
from ml_sys.registry.versioning import parse
from ml_sys.text import is_rule, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ml_sys.registry.audit import Record

Status = Literal["candidate", "production", "archived", "rejected"]
_WHEN_NEW = ("candidate", "rejected")


@dataclass(frozen=True)
class Entry:
    """A version in the index.

    Attributes
    ----------
    status : {"candidate", "production", "archived", "rejected"}
        Rejected: a leak canary failed, so it does not pass the gate.
    created_at : str
        ISO 8601, UTC.
    changes : str
        Why it got its number.
    snapshot : str
        Snapshot it was trained on.
    data_through : str
        Day up to which the snapshot's usage reaches.
    metrics : dict of str to float
        Headline metrics on its holdout.
    message : str
        The author's remark.
    seal : str
        Digest of its manifest and signature; empty only in the manifest itself.
    """

    version: str
    status: Status
    created_at: str
    changes: str
    snapshot: str
    data_through: str
    metrics: dict[str, float | None]
    message: str = ""
    seal: str = ""


@dataclass(frozen=True)
class Index:
    """The whole registry.

    Attributes
    ----------
    versions : dict of str to Entry
        In the order of their registration.
    production : str or None
        A version, or a rule in the form of :func:`ml_sys.text.rule_version`.
    replaced : tuple of str
        Production versions that a rollback goes back to, latest last.
    sequence : int
        Number of the last audit record applied; 0 if there is none.
    head : str
        Digest of that record.
    """

    versions: dict[str, Entry] = field(default_factory=dict)
    production: str | None = None
    replaced: tuple[str, ...] = ()
    sequence: int = 0
    head: str = ""


def apply(index: Index, record: Record) -> Index:
    """Return the index after applying a record.

    Raises
    ------
    ValueError
        If it does not fit this index, such as a promotion of a version that does not exist.
    """
    if record.action in {"add", "adopt"}:
        if record.version in index.versions or record.entry is None:
            raise ValueError(f"version {record.version} is registered twice or without an entry")
        changed = replace(index, versions={**index.versions, record.version: new_entry(record.entry)})
    elif record.action == "accept":
        changed = index
    elif not (record.version in index.versions or is_rule(record.version)):
        raise ValueError(f"version {record.version} was never registered")
    elif record.replaced != index.production:
        raise ValueError(f"{index.production} was in production, not {record.replaced}")
    elif record.action == "promote":
        replaced = index.replaced if index.production is None else (*index.replaced, index.production)
        changed = _with_production(index, record.version, replaced)
    elif record.action == "rollback":
        if record.version not in index.replaced:
            raise ValueError(f"version {record.version} was not in production before")
        last = len(index.replaced) - 1 - index.replaced[::-1].index(record.version)
        changed = _with_production(index, record.version, index.replaced[:last])
    else:
        raise ValueError(f"unknown action {record.action!r}")
    return replace(changed, sequence=record.sequence, head=record.hash)


def replayed(records: Iterable[Record]) -> Index:
    """Return the index that an audit trail leads to.

    Raises
    ------
    ValueError
        See :func:`apply`; the message begins with the record's number.
    """
    index = Index()
    for record in records:
        try:
            index = apply(index, record)
        except (ValueError, TypeError) as error:
            raise ValueError(f"record {record.sequence}: {error}") from error
    return index


def latest(index: Index) -> str:
    """Return the highest version of an index that has one."""
    return max(index.versions, key=parse)


def resolved(index: Index, version: str | None, root: Path) -> str:
    """Return the version asked for, or by default the production version, or else the latest.

    Raises
    ------
    ArtifactError
        If there is no such version, or none at all; ``root`` is named in the error.
    """
    if not index.versions:
        raise ArtifactError(f"{root}: contains no model", hint="train one with mlsys train")
    if version is None:
        return index.production if index.production in index.versions else latest(index)
    if version not in index.versions:
        near = nearest(version, index.versions)
        hint = f"did you mean {near}? " if near else ""
        raise ArtifactError(f"{root}: there is no version {version}", hint=f"{hint}See: mlsys models")
    return version


def entry_at(index: Index, version: str, root: Path) -> Entry:
    """Return what is known of a version.

    Raises
    ------
    ArtifactError
        If there is no such version, as after its folder was lost; ``root`` is named in the error.
    """
    return index.versions[resolved(index, version, root)]


def earlier(index: Index, to: str | None, root: Path) -> tuple[str, str]:
    """Return the version in production and the one that a rollback goes back to.

    Raises
    ------
    ArtifactError
        If there is none to go back to, or ``to`` is not among them.
    """
    now = index.production
    if now is None or not index.replaced:
        raise ArtifactError(
            "there is no earlier production version to go back to",
            hint="mlsys models lists all versions; mlsys promote VERSION chooses one, and mlsys promote "
            "--rule RULE a simple rule",
        )
    target = index.replaced[-1] if to is None else to if is_rule(to) else resolved(index, to, root)
    if target == now:
        raise ArtifactError(
            f"{named(target)} is in production already", hint="mlsys history shows what was before it"
        )
    if target not in index.replaced:
        before = ", ".join(one for one in dict.fromkeys(reversed(index.replaced)) if one != now)
        raise ArtifactError(
            f"{named(target)} was not in production before {now}",
            hint=f"go back to one of {before}" + ("" if is_rule(target) else f"; or mlsys promote {target}"),
        )
    return now, target


def new_entry(plain: Mapping[str, Any]) -> Entry:
    """Read the entry of a version that is being registered.

    Raises
    ------
    ValueError, TypeError
        If it is invalid, or says that the version is or was in production.
    """
    entry = Entry(**plain)
    texts = [value for name, value in asdict(entry).items() if name != "metrics"]
    if not all(isinstance(text, str) for text in texts) or not isinstance(entry.metrics, dict):
        raise TypeError("an entry must contain texts and metrics")
    if not all(value is None or isinstance(value, int | float) for value in entry.metrics.values()):
        raise TypeError("a metric must be a number or missing")
    if entry.status not in _WHEN_NEW:
        raise ValueError(f"a new version must be {' or '.join(_WHEN_NEW)}, not {entry.status}")
    return entry


def to_bytes(index: Index) -> bytes:
    """Return an index as the bytes of its file, which people can read."""
    plain = {**asdict(index), "replaced": list(index.replaced)}
    plain["digest"] = _digest(plain)
    return (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode()


def from_bytes(content: bytes) -> Index | None:
    """Reverse :func:`to_bytes`; None if the bytes are anything else."""
    try:
        plain = json.loads(content)
        index = Index(
            {version: Entry(**entry) for version, entry in plain["versions"].items()},
            plain["production"],
            tuple(plain["replaced"]),
            int(plain["sequence"]),
            str(plain["head"]),
        )
        return index if plain["digest"] == _digest(plain) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _digest(plain: Mapping[str, Any]) -> str:
    body = {name: value for name, value in plain.items() if name != "digest"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _with_production(index: Index, version: str, replaced: tuple[str, ...]) -> Index:
    entries = dict(index.versions)
    if index.production in entries:
        entries[index.production] = replace(entries[index.production], status="archived")
    if version in entries:
        entries[version] = replace(entries[version], status="production")
    return replace(index, versions=entries, production=version, replaced=replaced)
