"""Make past lists again with the current settings, and evaluate them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_sys.data import snapshot as snapshots
from ml_sys.experiments.backtest import Backtest, backtest
from ml_sys.experiments.cache import TermStore
from ml_sys.experiments.schedule import plan_terms
from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.split import Source
from ml_sys.notebook import titled
from ml_sys.scoring.ranking import write_table
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_sys.form import Words
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class PastLists:
    """Past lists, made again and judged.

    Attributes
    ----------
    written : Path or None
        File of all predictions.
    words : Words
        What entities are called.
    """

    judged: Backtest
    written: Path | None
    words: Words = PLAIN_WORDS

    @property
    def table(self) -> pd.DataFrame:
        """One row per list: its day, its number of companies, and the model's metrics."""
        rows = [
            {
                "cutoff": date_of(one.cutoff),
                "trained": date_of(one.trained),
                "prospects": one.prospects[ALL],
                "conversions": one.conversions[ALL],
                **one.metrics[ALL][MODEL],
            }
            for one in self.judged.cutoffs
        ]
        return pd.DataFrame(rows).set_index("cutoff")

    def _repr_html_(self) -> str:
        return titled(f"{len(self.judged.cutoffs)} past lists", self.table)

    def to_plain(self) -> dict[str, Any]:
        """Return them as plain data, without the predictions."""
        found = self.judged
        return {
            "cutoffs": [
                {**vars(one), "cutoff": date_of(one.cutoff), "trained": date_of(one.trained)}
                for one in found.cutoffs
            ],
            "mean": found.mean,
            "spread": found.spread,
            "intervals": found.intervals,
            "pooled": found.pooled,
            "campaigns": [
                {
                    **vars(one),
                    "share": one.share,
                    "calls_per_converter": one.calls_per_converter if one.converters.value else None,
                }
                for one in found.season.campaigns
            ],
            "leads": found.season.leads,
            "remembered": found.remembered,
        }


def backtest_settings(
    settings: Settings,
    days: tuple[int | None, int | None],
    predictions: Path | None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> PastLists:
    """Make past lists from the latest snapshot, or load them from the cache, and evaluate them.

    Parameters
    ----------
    days : tuple of int or None
        First and last list, in days since 1970-01-01; by default those of the settings.
    predictions : Path, optional
        File to write every prediction to, as Parquet or CSV.
    on_progress : callable
        Called with the number of lists done, and of all lists.

    Raises
    ------
    NotEnoughDataError
        If no outcome was mature on the first day of a term.
    StorageError
        If the predictions cannot be written.
    """
    snapshot = snapshots.opened_latest(settings.artifacts_dir)
    timeline = Source.of(snapshot, settings).timeline
    step_days = settings.panel.step_days
    terms = plan_terms(timeline, settings.backtest, step_days, first=days[0], last=days[1])
    store = TermStore(settings.artifacts_dir, snapshot.id, settings, plain=True)
    lists = sum(len(term.cutoffs) for term in terms)
    judged = backtest(
        snapshot, terms, settings, store=store, on_progress=lambda done: on_progress(done, lists)
    )
    if predictions is not None:
        write_table(judged.predictions(), predictions)
    return PastLists(judged, predictions, settings.schema_.words.words())
