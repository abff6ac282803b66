"""Folds and shares of companies: every row of a company on one side."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.errors import NotEnoughDataError
from ml_sys.features.panel import Panel, company_digests
from ml_sys.form import PLAIN_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.form import Noun


def company_folds(
    panel: Panel, n_folds: int, seed: int, entity: Noun = PLAIN_WORDS.entity
) -> NDArray[np.int64]:
    """Spread companies over folds, with converters spread evenly.

    Which fold a company falls into depends on what its rows say and on the seed, not on its id or position.

    Parameters
    ----------
    panel : Panel
        Of n_rows rows.
    n_folds : int
        At most this many folds; fewer where fewer companies convert.
    entity : Noun
        What companies are called, if that is said.

    Returns
    -------
    ndarray of shape (n_companies,), int64
        Fold of each company by position; -1 for companies without a row.

    Raises
    ------
    NotEnoughDataError
        If fewer than two companies convert.
    """
    positives = np.unique(panel.company[panel.label])
    if positives.size < 2:
        raise NotEnoughDataError(
            f"{positives.size} {entity.many} convert within the training cutoffs; at least 2 are needed",
            hint="ingest a longer history, or lower split.holdout_cutoffs or panel.step_days",
        )
    n_folds = min(n_folds, positives.size)
    digest = company_digests(panel, panel.rows.digests()) ^ np.uint64(_key(str(seed)))
    converts = np.zeros(digest.size, dtype=bool)
    converts[positives] = True
    present = np.zeros(digest.size, dtype=bool)
    present[panel.company] = True
    fold = np.full(digest.size, -1, dtype=np.int64)
    for stratum in (np.flatnonzero(converts), np.flatnonzero(present & ~converts)):
        fold[stratum[np.argsort(digest[stratum], kind="stable")]] = np.arange(stratum.size) % n_folds
    return fold


def stratified_share(
    ids: Sequence[str], stratum: NDArray[np.integer[Any]], share: float, seed: int
) -> NDArray[np.bool_]:
    """Choose a share of the ids of each stratum, rounded to whole ids: the first ones by a keyed hash.

    An id's hash never changes, so that as ids come, the border between the two sides moves a little and only
    ids near it change sides. An id that moves to another stratum keeps its hash, and so most often its side.

    Parameters
    ----------
    ids : sequence of str
        n_ids, no two alike.
    stratum : ndarray of shape (n_ids,), int
        Number of the stratum of each.
    share : float
        In (0, 1).

    Returns
    -------
    ndarray of shape (n_ids,), bool
    """
    key = np.array([_key(f"{seed}:{one}") for one in ids], dtype=np.uint64)
    chosen = np.zeros(key.size, dtype=bool)
    for number in np.unique(stratum):
        inside = np.flatnonzero(stratum == number)
        first = np.argsort(key[inside], kind="stable")[: round(share * inside.size)]
        chosen[inside[first]] = True
    return chosen


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
