"""SMOTENC that fits itself to the rows it is given; it works inside ``fit`` and nowhere else."""

from __future__ import annotations

import logging
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
        sampler = self._sampler(X.shape[1], majority, minority)
        if sampler is None:
            return X, y
        resampled, labels = sampler.fit_resample(X, y)
        self.counts_after_ = (int((labels == 0).sum()), int((labels == 1).sum()))
        return np.ascontiguousarray(resampled, dtype=X.dtype), labels.astype(y.dtype)

    def _sampler(self, n_columns: int, majority: int, minority: int) -> SMOTE | SMOTEN | SMOTENC | None:
        wanted = majority if self.sampling_strategy == "auto" else int(self.sampling_strategy * majority)
        if wanted <= minority:
            log.info(
                "no resampling: %d of %d rows are positive, the ratio asked for is reached",
                minority,
                majority,
            )
            return None
        if minority < 2:
            log.warning("no resampling: %d positive rows have no neighbours to draw between", minority)
            return None
        common = {
            "sampling_strategy": self.sampling_strategy,
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
