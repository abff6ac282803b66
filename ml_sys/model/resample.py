"""SMOTENC for a panel, where a company has one row per cutoff; it runs only inside ``fit``."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors

from ml_sys.model.neighbours import NearestRows, OtherCompanies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

# Columns of numbers that are drawn at a time: several numbers of eight bytes are held for each.
_COLUMNS_AT_ONCE = 16


class AdaptiveSMOTENC(BaseEstimator):
    """Draw synthetic minority rows until they stand in the wanted ratio to the majority.

    Each converting company is as likely to be drawn from, however many positive rows it has, and its
    neighbours are the nearest rows of other converting companies. Where no company repeats, the rows drawn
    are those of SMOTENC, to the bit.

    SMOTENC is given the minority rows and a single other one: nothing it does depends on the rest of the
    majority, which it would only encode and decode again.

    Neighbours are ``k_neighbors``, or all other converting companies where they are fewer. Without
    categorical columns SMOTE takes over, without numeric ones SMOTEN; with fewer than two converting
    companies, or where the ratio is reached already, rows stay as they are. What was done instead of SMOTENC
    is logged.

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
    weight : float
        How much a synthetic row counts in a fit, where a row given counts 1. Rows are drawn as ever:
        :func:`ml_sys.model.pipeline.fit_pipeline` hands the weight to the estimator.

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
        weight: float = 1.0,
    ) -> None:
        self.categorical = categorical
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.random_state = random_state
        self.weight = weight

    def fit_resample(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.integer[Any]],
        company: NDArray[np.integer[Any]] | None = None,
        *,
        times: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.integer[Any]]]:
        """Return the rows given and the synthetic ones after them, in the dtypes given.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_columns), float32
        y : ndarray of shape (n_rows,), int
            1 for a converter's row, 0 for any other.
        company : ndarray of shape (n_rows,), int, optional
            Which company each row is of; by default each row is a company of its own.
        times : ndarray of shape (n_rows,), optional
            How many equal rows each stands for; a converter's row, and without columns of numbers any other,
            stands for itself.
        """
        positive = np.flatnonzero(y == 1)
        others = np.flatnonzero(y == 0)
        majority = others.size if times is None else round(float(times[others].sum()))
        minority = positive.size
        self.counts_before_ = self.counts_after_ = (majority, minority)
        wanted = majority if self.sampling_strategy == "auto" else int(self.sampling_strategy * majority)
        if wanted <= minority:
            log.debug("no resampling: the %d positive rows are as many as the ratio asked for", minority)
            return X, y
        converter = np.arange(minority) if company is None else _numbered(company[positive])
        if np.unique(converter).size < 2:
            log.warning("no resampling: %d positive rows have no neighbours to draw between", minority)
            return X, y
        even = _as_often(converter)
        positive, converter = positive[even], converter[even]
        sampler = self._sampler(X.shape[1], converter, wanted - minority)
        needed = np.sort(np.append(positive, others[:1] if isinstance(sampler, SMOTENC) else others))
        with warnings.catch_warnings():
            # More positives than the one other row given to it is what is wanted here.
            warnings.filterwarnings("ignore", message="After over-sampling", category=UserWarning)
            if isinstance(sampler, SMOTENC):
                drawn = self._by_columns(sampler, X[needed], y[needed], wanted - minority)
            else:
                drawn = sampler.fit_resample(X[needed], y[needed])[0][needed.size :]
        self.counts_after_ = (majority, minority + len(drawn))
        labels = np.concatenate([y, np.ones(len(drawn), dtype=y.dtype)])
        return np.concatenate([X, np.asarray(drawn, dtype=X.dtype)]), labels

    def _by_columns(
        self, sampler: SMOTENC, X: NDArray[np.float32], y: NDArray[np.integer[Any]], synthetic: int
    ) -> NDArray[np.float32]:
        """Return the rows that SMOTENC draws, a few columns after the other.

        Which rows each lies between, and how far from either, follows from the seed and the neighbours alone.
        So once SMOTENC has found neighbours by all columns, it draws the categories and SMOTE the numbers,
        both to the bit as SMOTENC draws all at once, in lists that take ten kilobytes a row.
        """
        n, categorical = len(X), np.asarray(self.categorical)
        numbers = np.setdiff1d(np.arange(X.shape[1]), categorical)
        minority = int((y == 1).sum())
        sampler.set_params(sampling_strategy={1: minority + 1}).fit_resample(X, y)
        common = {
            "sampling_strategy": {1: minority + synthetic},
            "k_neighbors": _KnownNeighbours(sampler.nn_k_.neighbours_),
            "random_state": self.random_state,
        }
        drawn = np.empty((synthetic, X.shape[1]), dtype=X.dtype)
        # Between numbers that are all the same each category counts 1 in the vote.
        levels = np.column_stack([np.zeros(n, dtype=X.dtype), X[:, categorical]])
        vote = SMOTENC(categorical_features=list(range(1, levels.shape[1])), **common)
        drawn[:, categorical] = vote.fit_resample(levels, y)[0][n:, 1:]
        for first in range(0, numbers.size, _COLUMNS_AT_ONCE):
            some = numbers[first : first + _COLUMNS_AT_ONCE]
            drawn[:, some] = SMOTE(**common).fit_resample(X[:, some], y)[0][n:]
        return drawn

    def _sampler(
        self, n_columns: int, converter: NDArray[np.intp], synthetic: int
    ) -> SMOTE | SMOTEN | SMOTENC:
        n_converters = int(converter.max()) + 1
        k: int | NearestRows | OtherCompanies = min(self.k_neighbors, n_converters - 1)
        if n_converters < converter.size:
            k = OtherCompanies(converter, n_neighbors=k + 1)
        elif 0 < len(self.categorical) < n_columns:
            k = NearestRows(k + 1)
        common = {
            "sampling_strategy": {1: converter.size + synthetic},
            "k_neighbors": k,
            "random_state": self.random_state,
        }
        if not len(self.categorical):
            log.info("no categorical column is on: SMOTE resamples in place of SMOTENC")
            return SMOTE(**common)
        if len(self.categorical) == n_columns:
            log.info("no numeric column is on: SMOTEN resamples in place of SMOTENC")
            return SMOTEN(**common)
        return SMOTENC(categorical_features=list(self.categorical), **common)


class _KnownNeighbours(NearestNeighbors):
    """Neighbours that were found before, of rows that are fitted again with fewer columns.

    Parameters
    ----------
    neighbours : ndarray of shape (n_rows, n_neighbors), int64
        Of each row, itself first.
    """

    def __init__(self, neighbours: NDArray[np.intp]) -> None:
        super().__init__(n_neighbors=neighbours.shape[1])
        self.neighbours = neighbours

    def fit(self, X: Any, y: None = None) -> _KnownNeighbours:  # noqa: ARG002  # the interface of NearestNeighbors
        """Keep what is known."""
        return self

    def kneighbors(
        self,
        X: Any = None,  # noqa: ARG002  # as above
        n_neighbors: int | None = None,  # noqa: ARG002
        return_distance: bool = False,  # noqa: ARG002
    ) -> NDArray[np.intp]:
        """Return the rows nearest to each; no distance is known."""
        return self.neighbours


def _numbered(company: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Return numbers of companies from 0 on, in the order of their first rows: names say nothing."""
    _, first, which = np.unique(company, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def _as_often(converter: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return positions of rows, ascending, that name each converter as often, its rows in turn."""
    rows = np.split(np.argsort(converter, kind="stable"), np.cumsum(np.bincount(converter))[:-1])
    most = max(one.size for one in rows)
    return np.sort(np.concatenate([np.resize(one, most) for one in rows]))
