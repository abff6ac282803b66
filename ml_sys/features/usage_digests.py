"""Digests of an entity's usage by a cutoff."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.windows import UsageLog


def usage_digests(log: UsageLog, cutoffs: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return a 64-bit digest of each company's rows complete by each cutoff.

    Parameters
    ----------
    log : UsageLog
        Rows sorted by (company, day).
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01, strictly ascending.

    Returns
    -------
    ndarray of shape (n_companies, n_cutoffs), uint64
        0 if no row is complete.
    """
    digest = mixed(log.day.astype(np.uint64))
    for measure in range(log.values.shape[1]):
        digest = mixed(digest ^ log.values[:, measure].astype(np.uint64))
    running = np.append(np.zeros(1, dtype=np.uint64), np.cumsum(digest))
    # The first cutoff by which each row counts; the last column is for rows that never do.
    cells = log.company.astype(np.int64) * (cutoffs.size + 1) + np.searchsorted(cutoffs, log.day)
    begin = np.bincount(cells, minlength=log.n_companies * (cutoffs.size + 1)).reshape(log.n_companies, -1)
    first = np.searchsorted(log.company, np.arange(log.n_companies))
    rows = first[:, None] + np.cumsum(begin[:, :-1], axis=1)
    digests: NDArray[np.uint64] = running[rows] - running[first][:, None]
    return digests


def mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers, so that similar ones become unrelated.

    References
    ----------
    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: its finaliser.
    """
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
