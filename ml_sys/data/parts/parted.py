"""A snapshot that is read part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.parts.stored import QUARANTINE, StoredCompanies
from ml_sys.data.parts.whole import Snapshot, one_part

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.parts.stored import Manifest
    from ml_sys.engine.storage import Storage
    from ml_sys.form import Form


@dataclass(frozen=True)
class Parts:
    """A snapshot that is read part by part, so that memory follows the largest part and not the whole.

    Which part a company is in follows from a hash of its id; how many parts there are, from the number of
    usage rows. All rows of a company are in its part. Nothing is read before it is asked for, and an instance
    may be sent to other processes: it holds what the manifest says.

    Examples
    --------
    Add up, by company of the whole, what each part says::

        several = snapshot.parts(path)
        totals = np.zeros(several.n_companies, np.int64)
        for number in range(len(several)):
            one = several.part(number)
            of_company = np.bincount(one.usage_company, one.usage_values[:, 0], len(one.closed))
            totals[several.positions(number)] = of_company

    Attributes
    ----------
    manifest : Manifest
        What is written beside the files.
    """

    manifest: Manifest

    def __len__(self) -> int:
        """Return how many parts there are, at least one."""
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
        """What the tables mean."""
        return self.manifest.form

    @property
    def n_companies(self) -> int:
        """How many companies there are in all parts."""
        return sum(companies for companies, _ in self.manifest.sizes)

    @property
    def n_rows(self) -> tuple[int, ...]:
        """How many usage rows there are in each part."""
        return tuple(rows for _, rows in self.manifest.sizes)

    def shared(self, storage: Storage | None) -> Parts:
        """Return the same, to be read by workers elsewhere: what is not yet in a storage is put there.

        Parameters
        ----------
        storage : Storage, optional
            The engine's, as ``Engine.of(settings.engine).storage``; without one, workers read the folder.

        Raises
        ------
        SnapshotError
            If a file is missing or was changed.
        EngineError
            If the storage does not answer, or refuses to be written to.
        """
        if storage is None:
            return self
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
            Of the companies of the part alone, sorted by id: ``usage_company`` counts from 0 within it.
            ``id``, ``path``, ``as_of`` and ``form`` are those of the whole.

        Raises
        ------
        SnapshotError
            If a file is missing or was changed; the message names it.
        """
        return Snapshot.of(one_part(self.manifest, number), self.path)

    def positions(self, number: int) -> NDArray[np.int32]:
        """Return where the companies of a part are among all of them, in id order; ascending.

        Raises
        ------
        SnapshotError
            As :meth:`part`.
        """
        found = StoredCompanies.read(self.manifest, number)
        return np.arange(len(found.closed), dtype=np.int32) if found.position is None else found.position


@dataclass(frozen=True)
class InParts:
    """What is kept of a snapshot in memory while the rest stays in its parts.

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
        """What the tables mean."""
        return self.parts.form
