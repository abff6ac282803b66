"""A ranking of millions of companies: ids and probabilities, with rows of the list made only on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.scoring.ranking import REASON, ranked_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.scoring.reasons import Explained
    from ml_sys.scoring.scorer import Scorer

# Columns of what the features of attributes, and all others, add to the log-odds of a company.
SUBTOTALS = ("who_they_are", "what_they_do")
PAGE_ROWS = 1 << 16
_DIGITS = 3


@dataclass(frozen=True)
class Ranked:
    """A list of n companies in calling order.

    Attributes
    ----------
    scorer : Scorer
        The source of threshold and tiers.
    version, cutoff : str
        Written into every row.
    ids : pyarrow.StringArray of length n
        In the order of the prospects, like ``all_probabilities`` of shape (n,).
    order : ndarray of shape (n,), int
        Positions of the companies in calling order.
    listed_on : ndarray of shape (n,), object, optional
        Day of the list that a company cools down from, by position; empty for the others.
    given : tuple of Explained
        For the companies at the top.
    reasons : int
        Number of columns of reasons.
    beside : mapping of str to Categorical
        Further columns of few texts, behind the cutoff, in the order of the list.
    """

    scorer: Scorer
    version: str
    cutoff: str
    ids: Any
    all_probabilities: NDArray[np.float64]
    order: NDArray[np.integer[Any]]
    listed_on: NDArray[np.object_] | None = None
    given: tuple[Explained, ...] = ()
    reasons: int = 0
    beside: Mapping[str, pd.Categorical] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.order.size)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probabilities, in calling order."""
        ranked: NDArray[np.float64] = self.all_probabilities[self.order]
        return ranked

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The whole list."""
        return self.rows(np.arange(len(self)))

    def rows(self, at: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Return some rows of the list, in the given order."""
        places = self.order[at]
        table = ranked_list(
            self.ids.take(places).to_numpy(zero_copy_only=False),
            self.all_probabilities[places],
            np.arange(places.size),
            self.scorer,
            version=self.version,
            cutoff=self.cutoff,
        )
        table["rank"] = at.astype(np.int64) + 1
        for name, texts in self.beside.items():
            table[name] = np.asarray(texts.take(at), dtype=object)
        if self.listed_on is not None:
            table["listed_on"] = self.listed_on[places]
        self._tell_reasons(table, at)
        return table

    def pages(self, order: NDArray[np.integer[Any]] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the list page by page, in calling order or another order; at least one page."""
        for start in range(0, max(len(self), 1), PAGE_ROWS):
            stop = min(start + PAGE_ROWS, len(self))
            yield self.rows(np.arange(start, stop) if order is None else order[start:stop])

    def _tell_reasons(self, table: pd.DataFrame, at: NDArray[np.integer[Any]]) -> None:
        """Add columns of reasons and their subtotals; they are empty below the top."""
        if not self.reasons:
            return
        explained = np.flatnonzero(at < len(self.given)).tolist()
        for name in SUBTOTALS:
            numbers = np.full(at.size, np.nan)
            numbers[explained] = [round(getattr(self.given[at[row]], name), _DIGITS) for row in explained]
            table[name] = numbers
        for number in range(self.reasons):
            told = [""] * at.size
            for row in explained:
                reasons = self.given[at[row]].reasons
                if number < len(reasons):
                    told[row] = f"{reasons[number].direction}: {reasons[number].text}"
            table[f"{REASON}{number + 1}"] = told
