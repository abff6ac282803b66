"""The registry: which model versions exist, which one is in production, and how that came about.

The audit trail is the truth: a change counts from the moment that its record is complete on the disk, and
``registry.json`` is the readable index that follows from it (:mod:`ml_sys.registry.state`). A version's
folder appears by one rename and never changes. What is about to be registered is noted beforehand, so that
the next writer can finish it where this one died before the record was written; any other folder is nobody's
until somebody accepts it. So at any instant there is the old state or the new one, and a write that fails
takes back what it did.
"""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml_sys.durable import (
    TEMPORARY_PREFIX,
    clear_folder,
    publish_folder,
    temporary_name,
)
from ml_sys.errors import (
    ArtifactError,
    ChampionChangedError,
    MlsysError,
    UnverifiedError,
    nearest,
)
from ml_sys.model.files.artifact import MANIFEST, Artifact, open_artifact
from ml_sys.model.files.signing import NO_KEYS, Keys, read_keys
from ml_sys.registry import exclusive
from ml_sys.registry.audit import Action, Record, Trail
from ml_sys.registry.exclusive import Registering
from ml_sys.registry.index import Entry, Index, latest, new_entry
from ml_sys.registry.state import State
from ml_sys.registry.versioning import parse
from ml_sys.resolve import keep_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ml_sys.settings import Settings

MODELS = "models"
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Change:
    """Why the production version changes.

    Attributes
    ----------
    forced : bool
        Whether the gate's refusal is overridden.
    evidence : dict or None
        The gate's verdict, as plain data.
    """

    reason: str = ""
    forced: bool = False
    evidence: dict[str, Any] | None = None


class Registry:
    """The registry under an artifacts folder.

    Parameters
    ----------
    root : Path
        The artifacts folder, local or mounted; made at the first write.
    keys : Keys
        What new versions are signed with, and whose signatures are asked for.
    actor : str
        Who the audit trail names; by default the user and the host.
    wait_seconds : float
        How long a writer waits for another one.
    named : frozenset of str
        Import paths that the current settings name; what else a version names is not imported.
    """

    def __init__(
        self,
        root: Path,
        *,
        keys: Keys = NO_KEYS,
        actor: str = "",
        wait_seconds: float = WAIT_SECONDS,
        named: frozenset[str] = frozenset(),
    ) -> None:
        keep_out(root)
        self.root = root
        self.keys = keys
        self._named = named
        self._state = State(root)
        self._actor = actor
        self._wait_seconds = wait_seconds

    def read(self) -> Index:
        """Return the index: what ``registry.json`` says or, where that lags, the audit trail.

        Raises
        ------
        AuditError
            If ``registry.json`` is missing or damaged beside a trail.
        StorageError
            If they cannot be read.
        """
        return self._state.index()

    def trail(self) -> Trail:
        """Read and verify the audit trail.

        Raises
        ------
        AuditError
            Naming the first record that was edited, dropped or moved.
        """
        return self._state.trail()

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
        return self._resolved(self.read(), version)

    def open(self, version: str) -> Artifact:
        """Read a version's files, each verified against what was registered.

        Raises
        ------
        ArtifactError
            If there is no such version.
        UnverifiedError
            If a file of it, its manifest or its signature is not what it has to be.
        """
        index = self.read()
        seal = index.versions[self._resolved(index, version)].seal
        return replace(open_artifact(self.folder(version), seal, self.keys), named=self._named)

    def add(self, build: Callable[[Path, Index], Entry]) -> Entry:
        """Create a version: ``build`` fills a staging folder and says what it is called.

        Raises
        ------
        ArtifactError
            If the version exists already; it is never overwritten.
        StorageError
            If it cannot be written; nothing of it is left then.
        """
        with self._locked() as (trail, index):
            staging = self.root / MODELS / temporary_name()
            staging.mkdir()
            try:
                entry = build(staging, index)
                target = self.folder(entry.version)
                if entry.version in index.versions:
                    raise ArtifactError(
                        f"{target}: version {entry.version} exists already",
                        hint="versions are never overwritten; leave --version out or name a new one",
                    )
                if os.path.lexists(target):
                    raise ArtifactError(
                        f"{target}: is there already, and is no version that verifies",
                        hint="move it out of the folder of models, or name another one with --version",
                    )
                exclusive.note(self.root, Registering(entry.version, entry.seal))
                publish_folder(staging, target)
                try:
                    self._state.append(trail, index, self._added("add", entry))
                except BaseException:
                    if not self._state.knows(entry.version):
                        with suppress(OSError):  # one that stays is registered by the next writer
                            target.rename(staging)
                            exclusive.forget(self.root)
                    raise
                exclusive.forget(self.root)
            finally:
                clear_folder(staging)
        return entry

    def promote(self, version: str, champion: str | None, change: Change) -> None:
        """Put a version into production in place of the champion that it was judged against.

        Parameters
        ----------
        champion : str or None
            The production version when the version was judged.

        Raises
        ------
        ChampionChangedError
            If another version went into production since.
        ArtifactError
            If there is no such version.
        """
        self.resolve(version)  # nothing is locked or made for a version that does not exist
        with self._locked() as (trail, index):
            if index.production != champion:
                raise ChampionChangedError(champion, index.production)
            if champion != version:
                self._state.append(trail, index, self._moved("promote", version, champion, change))

    def rollback(
        self, change: Change, check: Callable[[str], object], to: str | None = None
    ) -> tuple[str, str]:
        """Go back to the production version before, or to an earlier one.

        Parameters
        ----------
        check : callable
            Called with the version to go back to; raises where that cannot be used.
        to : str, optional
            The earlier production version; by default the one before.

        Returns
        -------
        tuple of str
            The version that was in production, and the one that is now.

        Raises
        ------
        ArtifactError
            If there is none to go back to, or ``to`` is not among them.
        """
        self._earlier(self.read(), to)  # nothing is locked or made where there is nothing to go back to
        with self._locked() as (trail, index):
            left, target = self._earlier(index, to)
            check(target)
            self._state.append(trail, index, self._moved("rollback", target, left, change))
        return left, target

    def recover(self) -> None:
        """Finish or clear what killed writers left; every writing command does so first.

        In a folder that holds no registry nothing is made.

        Raises
        ------
        AuditError
            If the audit trail was edited, or is shorter than the index says.
        StorageError
            If the folder cannot be written.
        """
        if (self.root / MODELS).is_dir() or self.trail().size:
            with self._locked():
                pass

    def accept_version(self, version: str, reason: str) -> Entry:
        """Register a folder among the versions that nobody registered, whoever made it.

        Raises
        ------
        ArtifactError
            If the version is registered already.
        UnverifiedError
            If the folder is not a whole version.
        """
        parse(version)
        with self._locked() as (trail, index):
            if version in index.versions:
                raise ArtifactError(f"version {version} is registered already", hint="see: mlsys models")
            entry = self._unregistered(version)
            self._state.append(trail, index, replace(self._added("adopt", entry), reason=reason))
        return entry

    def accept_trail(self, reason: str) -> str:
        """Go on from the audit trail as it stands, and return what was wrong with it.

        Raises
        ------
        ArtifactError
            If nothing was wrong.
        AuditError
            If a record was edited, dropped or moved: such a trail says nothing.
        """
        with self._alone():
            found = self._state.accept(Record(0, _now(), self._who(), "accept", "", reason=reason))
        if not found:
            raise ArtifactError(
                f"{self.root}: the audit trail is the one that registry.json remembers",
                hint="there is nothing to accept; to register a version name it: mlsys accept VERSION",
            )
        return found

    def index_problem(self) -> str:
        """Say how ``registry.json`` disagrees with the audit trail; empty where it does not.

        Raises
        ------
        AuditError
            If the trail is damaged.
        """
        return self._state.problem()

    def strangers(self) -> list[str]:
        """Return the names in the folder of models that are no version, registered or about to be."""
        models = self.root / MODELS
        found = sorted(path.name for path in models.iterdir()) if models.is_dir() else []
        begun = exclusive.noted(self.root)  # before the index: a writer may be finishing meanwhile
        known = {*self.read().versions, *([begun.version] if begun else [])}
        return [name for name in found if name not in known and not name.startswith(TEMPORARY_PREFIX)]

    @contextmanager
    def _locked(self) -> Iterator[tuple[Trail, Index]]:
        """Hold the registry alone, in a state that nobody left half-written."""
        with self._alone():
            yield self._finished(*self._state.caught_up())

    def _alone(self) -> AbstractContextManager[None]:
        return exclusive.alone(self.root, self.root / MODELS, self._wait_seconds)

    def _finished(self, trail: Trail, index: Index) -> tuple[Trail, Index]:
        """Register the version whose writer was killed between naming its folder and registering it."""
        begun = exclusive.noted(self.root)
        if begun is None:
            return trail, index
        entry = None
        if begun.version not in index.versions:
            with suppress(MlsysError):  # it was killed before the folder had its name
                entry = self._unregistered(begun.version)
        if entry is not None and entry.seal == begun.seal:
            record = replace(self._added("adopt", entry), reason="its writer was killed")
            trail, index = self._state.append(trail, index, record)
        exclusive.forget(self.root)
        return trail, index

    def _unregistered(self, version: str) -> Entry:
        """Return the entry of a whole version that nobody registered."""
        parse(version)
        folder = self.folder(version)
        artifact = open_artifact(folder, None, self.keys)
        try:
            return new_entry({**artifact.manifest["entry"], "seal": artifact.seal})
        except (ValueError, TypeError) as error:
            raise UnverifiedError(folder / MANIFEST, f"has no entry of a new version: {error}") from error

    def _resolved(self, index: Index, version: str | None) -> str:
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

    def _earlier(self, index: Index, to: str | None) -> tuple[str, str]:
        """Return the version in production and the one that a rollback goes back to."""
        now = index.production
        if now is None or not index.replaced:
            raise ArtifactError(
                "there is no earlier production version to go back to",
                hint="mlsys models lists what there is; mlsys promote VERSION chooses one",
            )
        target = index.replaced[-1] if to is None else self._resolved(index, to)
        if target == now:
            raise ArtifactError(
                f"version {target} is in production already", hint="see what was before it: mlsys history"
            )
        if target not in index.replaced:
            earlier = ", ".join(one for one in dict.fromkeys(reversed(index.replaced)) if one != now)
            raise ArtifactError(
                f"version {target} was not in production before {now}",
                hint=f"go back to one of {earlier}; or mlsys promote {target}",
            )
        return now, target

    def _added(self, action: Action, entry: Entry) -> Record:
        return Record(0, _now(), self._who(), action, entry.version, entry=asdict(entry))

    def _moved(self, action: Action, version: str, before: str | None, change: Change) -> Record:
        return Record(
            sequence=0,
            at=_now(),
            by=self._who(),
            action=action,
            version=version,
            replaced=before,
            reason=change.reason,
            forced=change.forced,
            evidence=change.evidence,
        )

    def _who(self) -> str:
        if self._actor:
            return self._actor
        try:
            user = getpass.getuser()
        except (OSError, KeyError, ImportError):  # a container whose user has no name
            user = "unknown"
        return f"{user}@{socket.gethostname()}"


def open_registry(settings: Settings) -> Registry:
    """Return the registry under the artifacts folder, with the keys that the settings name.

    Raises
    ------
    SettingsError
        If a key cannot be read.
    """
    chosen = settings.registry
    return Registry(
        settings.artifacts_dir,
        keys=read_keys(chosen.signing_key, chosen.trusted_keys),
        actor=chosen.actor,
        wait_seconds=chosen.lock_timeout_seconds,
        named=frozenset(settings.imports()),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
