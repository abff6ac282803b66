"""SMOTENC that fits itself to the rows it is given; it works inside ``fit`` and nowhere else."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)


class AdaptiveSMOTENC(BaseEstimator):
    """Draw synthetic minority rows until they stand in the wanted ratio to the majority.

    SMOTENC is given the minority rows and a single other one: nothing it does depends on the rest of the
    majority, which it would only encode and decode again. The rows drawn are those of the whole, to the bit.

    Neighbours are ``min(k_neighbors, minority - 1)``. Without categorical columns SMOTE takes over, without
    numeric ones SMOTEN; with fewer than two minority rows, or where the ratio is reached already, rows stay
    as they are. What was done instead of SMOTENC is logged.

    Parameters
    ----------
    categorical : sequence of int
        Positions of the coded categories.
    sampling_strategy : float or "auto"
        Minority over majority afterwards; ``"auto"`` makes them equal.
    k_neighbors : int
        Neighbours that a synthetic row is drawn between.
    random_state : int
        Seed.

    Attributes
    ----------
    counts_before_, counts_after_ : tuple of int
        Rows of the majority and the minority.

    References
    ----------
    Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16 (2002), section 6.1.
    """

    def __init__(
        self,
        categorical: Sequence[int],
        sampling_strategy: float | Literal["auto"] = 0.02,
        k_neighbors: int = 5,
        random_state: int = 0,
    ) -> None:
        self.categorical = categorical
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.random_state = random_state

    def fit_resample(
        self, X: NDArray[np.float32], y: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.integer[Any]]]:
        """Return the rows given and the synthetic ones after them, in the dtypes given."""
        majority, minority = int((y == 0).sum()), int((y == 1).sum())
        self.counts_before_ = self.counts_after_ = (majority, minority)
        wanted = majority if self.sampling_strategy == "auto" else int(self.sampling_strategy * majority)
        sampler = self._sampler(X.shape[1], minority, wanted)
        if sampler is None:
            return X, y
        needed = np.arange(y.size)
        if isinstance(sampler, SMOTENC):
            needed = np.append(np.flatnonzero(y == 1), np.flatnonzero(y == 0)[0])
        with warnings.catch_warnings():
            # More positives than the one other row given to it is what is wanted here.
            warnings.filterwarnings("ignore", message="After over-sampling", category=UserWarning)
            drawn = sampler.fit_resample(X[needed], y[needed])[0][needed.size :]
        self.counts_after_ = (majority, minority + len(drawn))
        labels = np.concatenate([y, np.ones(len(drawn), dtype=y.dtype)])
        return np.concatenate([X, np.asarray(drawn, dtype=X.dtype)]), labels

    def _sampler(self, n_columns: int, minority: int, wanted: int) -> SMOTE | SMOTEN | SMOTENC | None:
        if wanted <= minority:
            log.info("no resampling: the %d positive rows are as many as the ratio asked for", minority)
            return None
        if minority < 2:
            log.warning("no resampling: %d positive rows have no neighbours to draw between", minority)
            return None
        common = {
            "sampling_strategy": {1: wanted},
            "k_neighbors": min(self.k_neighbors, minority - 1),
            "random_state": self.random_state,
        }
        if not len(self.categorical):
            log.info("no categorical column is on: SMOTE resamples in place of SMOTENC")
            return SMOTE(**common)
        if len(self.categorical) == n_columns:
            log.info("no numeric column is on: SMOTEN resamples in place of SMOTENC")
            return SMOTEN(**common)
        return SMOTENC(categorical_features=list(self.categorical), **common)
