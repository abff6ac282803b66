"""The registry: which model versions exist, and which one is in production.

``registry.json`` is the readable index and the only place the production pointer lives. It is replaced as a
whole, under a file lock, by one rename; a version's folder appears by one rename and never changes.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from ml_sys.data.durable import TEMPORARY_PREFIX, publish_folder, temporary_name, write_durably
from ml_sys.errors import ArtifactError, nearest
from ml_sys.model.artifact import read_manifest, verified_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Status = Literal["candidate", "production", "archived"]
INDEX, LOCK, MODELS = "registry.json", "registry.lock", "models"


@dataclass(frozen=True)
class Entry:
    """A version in the index.

    Attributes
    ----------
    version : str
    status : {"candidate", "production", "archived"}
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
        What its author said of it.
    """

    version: str
    status: Status
    created_at: str
    changes: str
    snapshot: str
    data_through: str
    metrics: dict[str, float | None]
    message: str = ""


@dataclass(frozen=True)
class Index:
    """The whole registry: entries by version, the production version, and those it replaced, latest last."""

    versions: dict[str, Entry] = field(default_factory=dict)
    production: str | None = None
    replaced: tuple[str, ...] = ()


class Registry:
    """The registry under an artifacts folder.

    Parameters
    ----------
    root : Path
        The artifacts folder; made at the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self) -> Index:
        """Return the index.

        Raises
        ------
        ArtifactError
            If ``registry.json`` cannot be read.
        """
        path = self.root / INDEX
        try:
            plain = json.loads(path.read_bytes())
            return Index(
                {version: Entry(**entry) for version, entry in plain["versions"].items()},
                plain["production"],
                tuple(plain["replaced"]),
            )
        except FileNotFoundError:
            return Index()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{path}: is no registry: {error}", hint="restore it from a copy") from error

    def folder(self, version: str) -> Path:
        """Return the folder of a version, whether it exists or not."""
        return self.root / MODELS / version

    def resolve(self, version: str | None) -> str:
        """Return the version asked for, or without one the production version, or else the latest.

        Raises
        ------
        ArtifactError
            If there is no such version, or none at all.
        """
        index = self.read()
        if not index.versions:
            raise ArtifactError(f"{self.root}: holds no model", hint="train one: mlsys train")
        if version is None:
            return index.production or latest(index)
        if version not in index.versions:
            near = nearest(version, index.versions)
            hint = f"did you mean {near}? " if near else ""
            raise ArtifactError(
                f"{self.root}: there is no version {version}", hint=f"{hint}See: mlsys models"
            )
        return version

    def add(self, build: Callable[[Path, Index], Entry]) -> Entry:
        """Create a version: ``build`` fills a staging folder and says what it is called.

        Raises
        ------
        ArtifactError
            If the version exists already; it is never overwritten.
        """
        with self._locked():
            index = self.read()
            staging = self.root / MODELS / temporary_name()
            staging.mkdir()
            try:
                entry = build(staging, index)
                target = self.folder(entry.version)
                if entry.version in index.versions or target.exists():
                    raise ArtifactError(
                        f"{target}: version {entry.version} exists already",
                        hint="versions are never overwritten; leave --version out or name a new one",
                    )
                publish_folder(staging, target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            self._write(replace(index, versions={**index.versions, entry.version: entry}))
        return entry

    def promote(self, version: str) -> str | None:
        """Put a version into production and return the one it replaces; its files are verified first.

        Raises
        ------
        ArtifactError
            If there is no such version or its files do not verify.
        """
        with self._locked():
            version = self.resolve(version)
            verified_bytes(self.folder(version))
            index = self.read()
            before = index.production
            if before == version:
                return before
            replaced = index.replaced if before is None else (*index.replaced, before)
            self._write(_with_production(index, version, replaced))
        return before

    def rollback(self) -> tuple[str, str]:
        """Return production to the version before; again goes further back.

        Returns
        -------
        tuple of str
            The version left and the version that is in production now.

        Raises
        ------
        ArtifactError
            If there is none to go back to, or its files do not verify.
        """
        with self._locked():
            index = self.read()
            if index.production is None or not index.replaced:
                raise ArtifactError(
                    "there is no earlier production version to go back to",
                    hint="mlsys models lists what there is; mlsys promote VERSION chooses one",
                )
            target = index.replaced[-1]
            verified_bytes(self.folder(target))
            self._write(_with_production(index, target, index.replaced[:-1]))
        return index.production, target

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the registry's lock, and clear what a killed writer left half-written."""
        (self.root / MODELS).mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / LOCK):
            for folder in (self.root, self.root / MODELS):
                for left in folder.glob(f"{TEMPORARY_PREFIX}*"):
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
            self._adopt_orphans()
            yield

    def _adopt_orphans(self) -> None:
        """Index versions whose folder appeared but whose writer was killed before it could say so."""
        index = self.read()
        found = {}
        for folder in sorted((self.root / MODELS).iterdir()):
            entry = None if folder.name in index.versions else _entry_in(folder)
            if entry is not None:
                found[folder.name] = entry
        if found:
            self._write(replace(index, versions={**index.versions, **found}))

    def _write(self, index: Index) -> None:
        plain: dict[str, Any] = asdict(index)
        write_durably(self.root / INDEX, (json.dumps(plain, indent=2) + "\n").encode())


def _entry_in(folder: Path) -> Entry | None:
    """Return what a folder says of itself; None where it is no version, or a copy of one."""
    try:
        entry = Entry(**read_manifest(folder)["entry"])
    except (ArtifactError, KeyError, TypeError):
        return None
    return entry if entry.version == folder.name else None


def latest(index: Index) -> str:
    """Return the highest version of an index that has one."""
    return max(index.versions, key=lambda version: tuple(int(part) for part in version.split(".")))


def _with_production(index: Index, version: str, replaced: tuple[str, ...]) -> Index:
    entries = dict(index.versions)
    if index.production is not None:
        entries[index.production] = replace(entries[index.production], status="archived")
    entries[version] = replace(entries[version], status="production")
    return Index(entries, version, replaced)
