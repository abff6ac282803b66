"""Version folders that are not registered: in progress, left half-made, or made by someone else."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ml_sys.durable import TEMPORARY_PREFIX, clear_folder, temporary_name
from ml_sys.errors import ArtifactError, MlsysError, UnverifiedError
from ml_sys.model.files.artifact import MANIFEST, open_artifact
from ml_sys.registry.exclusive import registering_noted
from ml_sys.registry.index import new_entry
from ml_sys.registry.versioning import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ml_sys.model.files.signing import Keys
    from ml_sys.registry.index import Entry, Index


def entry_of(folder: Path, keys: Keys) -> Entry:
    """Return the entry of a complete version that was never registered.

    Raises
    ------
    ArtifactError
        If the folder's name is not a version number.
    UnverifiedError
        If it is not a complete version.
    """
    parse(folder.name)
    artifact = open_artifact(folder, None, keys)
    try:
        return new_entry({**artifact.manifest["entry"], "seal": artifact.seal})
    except (ValueError, TypeError) as error:
        raise UnverifiedError(folder / MANIFEST, f"has no entry of a new version: {error}") from error


def half_registered(root: Path, models: Path, index: Index, keys: Keys) -> Entry | None:
    """Return the entry of a version whose writer was killed after naming its folder; else None."""
    begun = registering_noted(root)
    if begun is None or begun.version in index.versions:
        return None
    with suppress(MlsysError):  # it was killed before the folder had its name
        entry = entry_of(models / begun.version, keys)
        if entry.seal == begun.seal:
            return entry
    return None


def unknown_names(root: Path, models: Path, read: Callable[[], Index]) -> list[str]:
    """Return names in the folder of models that are not versions, registered or about to be."""
    found = sorted(path.name for path in models.iterdir()) if models.is_dir() else []
    begun = registering_noted(root)  # before the index: a writer may be finishing meanwhile
    known = {*read().versions, *([begun.version] if begun else [])}
    return [name for name in found if name not in known and not name.startswith(TEMPORARY_PREFIX)]


@contextmanager
def staged(models: Path) -> Iterator[Path]:
    """Create a folder for a version without a name yet, and delete it at the end unless it was renamed."""
    staging = models / temporary_name()
    staging.mkdir()
    try:
        yield staging
    finally:
        clear_folder(staging)


def refuse_taken(target: Path, *, registered: bool) -> None:
    """Raise if a version's folder exists already.

    Raises
    ------
    ArtifactError
        If it does; says whether it is a version.
    """
    if registered:
        raise ArtifactError(
            f"{target}: version {target.name} exists already",
            hint="versions are never overwritten; leave --version out or name a new one",
        )
    if os.path.lexists(target):
        raise ArtifactError(
            f"{target}: exists already, but does not verify as a version",
            hint="move it out of the folder of models, or give another number with --version",
        )
