"""The registry: which model versions exist, which one is in production, and how that came about.

The audit trail is the truth: a change counts from the moment when its record is complete on the disk, and
``registry.json`` is the readable index that follows from it (:mod:`ml_sys.registry.state`). A version's
folder appears by one rename and never changes. A version about to be registered is noted beforehand, so that
the next writer can finish it if this one is killed before writing the record. Any other folder does not count
until somebody accepts it. So at any instant there is either the old state or the new one, and a write that
fails undoes what it did.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.durable import publish_folder
from ml_sys.errors import ArtifactError, ChampionChangedError
from ml_sys.model.files.artifact import Artifact, open_artifact
from ml_sys.model.files.signing import NO_KEYS, Keys, read_keys
from ml_sys.registry import exclusive
from ml_sys.registry.audit import Author
from ml_sys.registry.exclusive import Registering
from ml_sys.registry.index import earlier, entry_at, resolved
from ml_sys.registry.state import State
from ml_sys.registry.unregistered import entry_of, half_registered, refuse_taken, staged, unknown_names
from ml_sys.registry.versioning import parse
from ml_sys.resolve import keep_out
from ml_sys.text import is_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ml_sys.registry.audit import Change, Trail
    from ml_sys.registry.index import Entry, Index
    from ml_sys.settings import Settings

MODELS = "models"
WAIT_SECONDS = 60.0


class Registry:
    """The registry under an artifacts folder.

    Parameters
    ----------
    root : Path
        The artifacts folder, local or mounted; created at the first write.
    keys : Keys
        The key to sign new versions with, and the keys whose signatures are required.
    actor : str
        Named in the audit trail; by default the user and the host.
    wait_seconds : float
        How long a writer waits for another one.
    named : frozenset of str
        Import paths that the current settings name; others that a version names are not imported.
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
        self.root, self.models = root, root / MODELS
        self.keys = keys
        self._named = named
        self._state = State(root)
        self._author = Author(actor)
        self._wait_seconds = wait_seconds

    def read(self) -> Index:
        """Return the index from ``registry.json`` or, if that lags behind, from the audit trail.

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
        return self.models / version

    def resolve(self, version: str | None) -> str:
        """Return the given version, or by default the one in production, or else the latest.

        Raises
        ------
        ArtifactError
            If there is no such version, or none at all.
        """
        return resolved(self.read(), version, self.root)

    def open(self, version: str) -> Artifact:
        """Read a version's files, each verified against what was registered.

        Raises
        ------
        ArtifactError
            If there is no such version.
        UnverifiedError
            If its manifest, its signature or one of its files does not verify.
        """
        index = self.read()
        seal = entry_at(index, version, self.root).seal
        return replace(open_artifact(self.folder(version), seal, self.keys), named=self._named)

    def add(self, build: Callable[[Path, Index], Entry]) -> Entry:
        """Create a version: ``build`` fills a staging folder and returns its entry.

        Raises
        ------
        ArtifactError
            If the version exists already; it is never overwritten.
        StorageError
            If it cannot be written; nothing of it is left then.
        """
        with self._locked() as (trail, index), staged(self.models) as staging:
            entry = build(staging, index)
            target = self.folder(entry.version)
            refuse_taken(target, registered=entry.version in index.versions)
            exclusive.note_registering(self.root, Registering(entry.version, entry.seal))
            publish_folder(staging, target)
            try:
                self._state.append(trail, index, self._author.added("add", entry))
            except BaseException:
                if not self._state.knows(entry.version):
                    with suppress(OSError):  # if it stays, the next writer registers it
                        target.rename(staging)
                        exclusive.remove_note(self.root)
                raise
            exclusive.remove_note(self.root)
        return entry

    def promote(self, version: str, champion: str | None, change: Change) -> None:
        """Put a version, or a rule, into production in place of the champion that it was judged against.

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
        if not is_rule(version):
            self.resolve(version)  # lock and create nothing for a version that does not exist
        with self._locked() as (trail, index):
            if index.production != champion:
                raise ChampionChangedError(champion, index.production)
            if champion != version:
                self._state.append(trail, index, self._author.moved("promote", version, champion, change))

    def rollback(
        self, change: Change, check: Callable[[str], object], to: str | None = None
    ) -> tuple[str, str]:
        """Go back to the production version before, or to an earlier one.

        Parameters
        ----------
        check : callable
            Called with the version to go back to, unless it is a rule; raises if that cannot be used.
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
        earlier(self.read(), to, self.root)  # lock and create nothing if there is nothing to go back to
        with self._locked() as (trail, index):
            left, target = earlier(index, to, self.root)
            if not is_rule(target):
                check(target)
            self._state.append(trail, index, self._author.moved("rollback", target, left, change))
        return left, target

    def recover(self) -> None:
        """Finish or clear the work of killed writers; every writing command does so first.

        Nothing is created in a folder without a registry.

        Raises
        ------
        AuditError
            If the audit trail was edited, or is shorter than the index says.
        StorageError
            If the folder cannot be written.
        """
        if self.models.is_dir() or self.trail().size:
            with self._locked():
                pass

    def accept_version(self, version: str, reason: str) -> Entry:
        """Register a folder among the versions that is not registered, whoever made it.

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
                raise ArtifactError(f"version {version} is registered already", hint="see mlsys models")
            entry = entry_of(self.folder(version), self.keys)
            self._state.append(trail, index, self._author.added("adopt", entry, reason))
        return entry

    def accept_trail(self, reason: str) -> str:
        """Accept the audit trail as it is, and return what was wrong with it.

        Raises
        ------
        ArtifactError
            If nothing was wrong.
        AuditError
            If a record was edited, dropped or moved, which cannot be accepted.
        """
        with self._alone():
            found = self._state.accept(self._author.accepted(reason))
        if not found:
            raise ArtifactError(
                f"{self.root}: the audit trail is the one that registry.json remembers",
                hint="there is nothing to accept; to register a version, name it: mlsys accept VERSION",
            )
        return found

    def index_problem(self) -> str:
        """Say how ``registry.json`` disagrees with the trail; empty if not. Raises like :meth:`trail`."""
        return self._state.problem()

    def strangers(self) -> list[str]:
        """Return the names in the folder of models that are not versions, registered or about to be."""
        return unknown_names(self.root, self.models, self.read)

    @contextmanager
    def _locked(self) -> Iterator[tuple[Trail, Index]]:
        """Lock the registry, and finish or clear the work of killed writers."""
        with self._alone():
            trail, index = self._state.caught_up()
            entry = half_registered(self.root, self.models, index, self.keys)
            if entry is not None:
                record = self._author.added("adopt", entry, "its writer was killed")
                trail, index = self._state.append(trail, index, record)
            exclusive.remove_note(self.root)
            yield trail, index

    def _alone(self) -> AbstractContextManager[None]:
        return exclusive.locked_and_cleaned(self.root, self.models, self._wait_seconds)


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
