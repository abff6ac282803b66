"""A request for a list, and the list that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.notebook import titled
from ml_sys.scoring.ranking import REASON

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ml_sys.engine.places import Place
    from ml_sys.errors import StorageError
    from ml_sys.jobs.lists.handing_out import HandedOut
    from ml_sys.metrics.money import Worth
    from ml_sys.scoring.ranking import CapacityPlan
    from ml_sys.scoring.scored_list import ScoredList


@dataclass(frozen=True)
class ListRequest:
    """A request for a list.

    Attributes
    ----------
    prospects : Path, Address or None
        File of the companies; None ranks the free companies of the latest snapshot.
    usage : Path, Address or mapping of str to str, or None
        File of usage rows, or the file of each usage table; None takes the latest snapshot's.
    as_of : int or None
        Cutoff; by default the end of covered usage.
    capacity : int or None
        Calls a week to value; None values none, and hands out the settings' capacity.
    out : Path, Address or None
        File for the whole list or, if it was drawn, for the companies to call.
    keep_order : bool
        Whether to write the list in the order of the prospects.
    with_controls : Path, Address or None
        File for the analyst: every company, and whether and how it was drawn.
    replace_other : bool
        Whether the list may replace another one of the same day.
    reason : str
        Why it replaces another one.
    rule : str
        A simple rule to rank by instead of a model, one of :data:`ml_sys.scoring.rule_scorer.RULES`.
    """

    prospects: Place | None = None
    usage: Place | Mapping[str, str] | None = None
    as_of: int | None = None
    capacity: int | None = None
    out: Place | None = None
    keep_order: bool = False
    with_controls: Place | None = None
    replace_other: bool = False
    reason: str = ""
    rule: str = ""


@dataclass(frozen=True)
class Listed:
    """A ranked list, what calling it brings, and which files hold it.

    Attributes
    ----------
    shown : int
        Number of top rows to show.
    out, with_controls, kept : Path, Address or None
        Files of the list, of the analyst's list, and of the rejected rows.
    unkept : str
        Why the rejected rows could not be written.
    handed_out : HandedOut or None
        Its record, if it was handed out.
    unrecorded : StorageError or None
        Why it could not be recorded; later lists then do not know of it.
    """

    scored: ScoredList
    shown: int = 0
    plan: CapacityPlan | None = None
    worth: Worth | None = None
    out: Place | None = None
    with_controls: Place | None = None
    kept: Place | None = None
    unkept: str = ""
    handed_out: HandedOut | None = None
    unrecorded: StorageError | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The whole list, best first: what ``mlsys score --out`` writes."""
        return self.scored.table

    def _repr_html_(self) -> str:
        return titled(f"{len(self.table):,} prospects, best first", self.table)

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data: the rows shown, or the file with all of them."""
        return {
            "prospects": len(self.scored),
            "list": self._rows(),
            "out": self.out,
            "with_controls": self.with_controls,
            "handed_out": self.handed_out,
            "quarantine": self.kept,
            "capacity": self.plan,
            "worth": self.worth,
            "notes": self.scored.notes,
            "warnings": self.scored.warnings,
        }

    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        reasons = self.scored.reasons
        for at, row in enumerate(self.scored.head(self.shown).to_dict("records")):
            one = {str(name): value for name, value in row.items() if not str(name).startswith(REASON)}
            if "listed_on" in one:
                one["listed_on"] = one["listed_on"] or None
            if reasons:
                one["reasons"] = reasons[at] if at < len(reasons) else []
            rows.append(one)
        return rows
