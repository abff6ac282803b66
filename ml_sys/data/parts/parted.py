"""A snapshot that is read part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_sys.data.parts.stored import QUARANTINE, StoredCompanies
from ml_sys.data.parts.whole import Snapshot, one_part, placed_part

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_sys.data.parts.stored import Manifest
    from ml_sys.data.parts.whole import Tables
    from ml_sys.engine.storage import Storage
    from ml_sys.form import Form


@dataclass(frozen=True)
class Parts:
    """A snapshot that is read part by part, so that memory depends on the largest part and not on the whole.

    A hash of its id decides which part a company is in, and the number of usage rows decides how many parts
    there are. All rows of a company are in its part. Parts are read only when asked for, and an instance can
    be sent to other processes, as it holds just the manifest.

    Examples
    --------
    Add up a measure for each company, part by part::

        several = snapshot.parts(path)
        totals = np.zeros(several.n_companies, np.int64)
        for number in range(len(several)):
            one = several.part(number)
            of_company = np.bincount(one.usage_company, one.usage_values[:, 0], len(one.closed))
            totals[several.positions(number)] = of_company

    Attributes
    ----------
    manifest : Manifest
        The manifest beside the files.
    """

    manifest: Manifest

    def __len__(self) -> int:
        """Return the number of parts, at least one."""
        return len(self.manifest.sizes)

    @property
    def id(self) -> str:
        """The id of the snapshot."""
        return self.manifest.id

    @property
    def path(self) -> Path:
        """The folder of the snapshot."""
        return self.manifest.path

    @property
    def as_of(self) -> int:
        """Day after which nothing is known."""
        return self.manifest.as_of

    @property
    def form(self) -> Form:
        """The form of the tables."""
        return self.manifest.form

    @property
    def n_companies(self) -> int:
        """Number of companies in all parts."""
        return sum(companies for companies, _ in self.manifest.sizes)

    @property
    def n_rows(self) -> tuple[int, ...]:
        """Number of usage rows in each part."""
        return tuple(rows for _, rows in self.manifest.sizes)

    def shared(self, storage: Storage | None) -> Parts:
        """Return the same parts for workers elsewhere; files that are not in the storage yet are put there.

        Parameters
        ----------
        storage : Storage, optional
            The engine's, as ``Engine.of(settings.engine).storage``; without one, workers read the folder.

        Raises
        ------
        SnapshotError
            If a file is missing or was changed.
        EngineError
            If the storage does not answer, or cannot be written.
        """
        if storage is None:  # workers may have been started in any folder
            return Parts(replace(self.manifest, path=self.path.absolute()))
        here = replace(self.manifest, storage=None)
        name_of = {here.sha256[name]: name for name in here.files() if name != QUARANTINE}
        sizes = {digest: here.size(name) for digest, name in name_of.items()}
        storage.put(self.id, sizes, lambda digest: here.verified(name_of[digest]))
        return Parts(replace(here, storage=storage))

    def part(self, number: int) -> Snapshot:
        """Read one part after comparing its files with their digests.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        Snapshot
            Only the companies of the part, sorted by id; ``usage_company`` counts from 0 within it.
            ``id``, ``path``, ``as_of`` and ``form`` are those of the whole snapshot.

        Raises
        ------
        SnapshotError
            If a file is missing or was changed; the message names it.
        """
        return Snapshot.of(one_part(self.manifest, number), self.path)

    def placed(self, number: int) -> tuple[Tables, NDArray[np.int32]]:
        """Read one part, its companies as they are stored, with what :meth:`positions` returns.

        Raises
        ------
        SnapshotError
            As :meth:`part`.
        """
        return placed_part(self.manifest, number)

    def positions(self, number: int) -> NDArray[np.int32]:
        """Return the positions of a part's companies among all companies, ascending.

        Raises
        ------
        SnapshotError
            As :meth:`part`.
        """
        return StoredCompanies.read(self.manifest, number).positions


@dataclass(frozen=True)
class InParts:
    """The part of a snapshot that is in memory while the rest stays on disk.

    Attributes
    ----------
    parts : Parts
        The snapshot.
    """

    parts: Parts

    @property
    def id(self) -> str:
        """The id of the snapshot."""
        return self.parts.id

    @property
    def path(self) -> Path:
        """The folder of the snapshot."""
        return self.parts.path

    @property
    def as_of(self) -> int:
        """Day after which nothing is known."""
        return self.parts.as_of

    @property
    def form(self) -> Form:
        """The form of the tables."""
        return self.parts.form
