"""The options of a list, and the ranked list with facts about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.form import PLAIN_WORDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from ml_sys.form import Words
    from ml_sys.scoring.reasons import Reason
    from ml_sys.scoring.streaming.ranked import Ranked


@dataclass(frozen=True)
class ListOptions:
    """The options of a list.

    Attributes
    ----------
    cutoff : int
        Day since 1970-01-01.
    stale_days : int
        Usage that ends more than this before the cutoff causes a warning.
    reasons : int
        Maximum number of reasons per company; 0 for none.
    reasons_top : int
        Number of companies at the top that get reasons.
    listed : dict of str to int, optional
        Day on which each company was last to be called, by id; None without a cool-down.
    cooldown_weeks : int
        See :func:`ml_sys.scoring.cooldown.cooling_down`.
    waiting : collection of str
        Ids of companies that may not be drawn yet; they come last.
    excluded : collection of str
        Ids of companies to take out.
    paid_since : collection of str
        Ids of companies that became customers after the cutoff, which are taken out as well.
    """

    version: str
    cutoff: int
    stale_days: int
    reasons: int = 0
    reasons_top: int = 0
    listed: dict[str, int] | None = None
    cooldown_weeks: int = 0
    waiting: Collection[str] = ()
    excluded: Collection[str] = ()
    paid_since: Collection[str] = ()


@dataclass(frozen=True)
class ScoredList:
    """A ranked list and facts about it.

    Attributes
    ----------
    ranked : Ranked or DataFrame
        In the columns of :data:`ml_sys.scoring.ranking.COLUMNS`, best first. With a cool-down, ``listed_on``
        is the day since which a company cools down, and these companies come last. With reasons, there are
        ``SUBTOTALS`` and one column for each reason, from ``reason_1``; they are empty below the top.
    input_order : ndarray of shape (n,), int
        Rows of the list in the order of the prospects file.
    notes, warnings : tuple of str
        Remarks, and problems to look into.
    quarantine : pyarrow.Table
        Rejected rows, each with its table, file, line and reason.
    reasons : tuple of lists of Reason
        Of the rows at the top; empty if none were asked for.
    group : ndarray of shape (n,), object
        Why a row comes last: ``COOLING`` or ``WAITING``; empty for the others.
    excluded : DataFrame or None
        Id, probability, tier and group of companies that were taken out.
    words : Words
    """

    ranked: Ranked | pd.DataFrame
    input_order: Any
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    quarantine: pa.Table
    reasons: tuple[list[Reason], ...] = ()
    group: Any = None
    excluded: pd.DataFrame | None = None
    words: Words = PLAIN_WORDS

    def __len__(self) -> int:
        return len(self.ranked)

    @property
    def table(self) -> pd.DataFrame:
        """The whole list, best first."""
        return self.ranked if isinstance(self.ranked, pd.DataFrame) else self.ranked.frame

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probabilities, in calling order."""
        one = self.ranked
        return one["probability"].to_numpy() if isinstance(one, pd.DataFrame) else one.probability

    @property
    def ids(self) -> Any:
        """Ids as a `pyarrow.StringArray`, the first to call first."""
        one = self.ranked
        return pa.array(one["id"], pa.string()) if isinstance(one, pd.DataFrame) else one.ids.take(one.order)

    @property
    def tier(self) -> NDArray[Any]:
        """Tiers, the first to call first."""
        one = self.ranked
        return (
            one["tier"].to_numpy() if isinstance(one, pd.DataFrame) else one.scorer.tiers.of(one.probability)
        )

    def head(self, rows: int) -> pd.DataFrame:
        """Return the first rows."""
        return self.rows(np.arange(min(rows, len(self))))

    def rows(self, at: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Return some rows, in the order given."""
        return self.ranked.iloc[at] if isinstance(self.ranked, pd.DataFrame) else self.ranked.rows(at)

    def beside(self, columns: Mapping[str, NDArray[np.object_]]) -> ScoredList:
        """Return the list with further columns of few texts behind the cutoff, in its order."""
        one = self.ranked
        if isinstance(one, pd.DataFrame):
            at, one = list(one.columns).index("cutoff") + 1, one.copy()
            for number, (name, texts) in enumerate(columns.items()):
                one.insert(at + number, name, texts)
            return replace(self, ranked=one)
        return replace(
            self,
            ranked=replace(one, beside={name: pd.Categorical(column) for name, column in columns.items()}),
        )

    def pages(self, *, keep_order: bool) -> Iterator[pd.DataFrame]:
        """Yield the list in parts, best first or in the order of the prospects."""
        order = self.input_order if keep_order else None
        if isinstance(self.ranked, pd.DataFrame):
            yield self.ranked if order is None else self.ranked.iloc[order]
        else:
            yield from self.ranked.pages(order)
