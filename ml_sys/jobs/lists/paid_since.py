"""Find companies that paid between a list's cutoff and its hand-out, so that nobody calls a customer.

Only a list that is handed out leaves them out, so a list for a past day uses nothing that came later. A list
that was handed out before is made again without exactly the companies that it left out then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_sys.data import snapshot
from ml_sys.days import today
from ml_sys.errors import StorageError
from ml_sys.jobs.lists.records import opened_if_there
from ml_sys.settings.description import local_time

if TYPE_CHECKING:
    from datetime import datetime

    from ml_sys.data.snapshot import Everyone
    from ml_sys.scoring.scored_list import ScoredList
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class Payers:
    """Companies that have paid since the cutoff of a list.

    Attributes
    ----------
    known : frozenset of str
        By the latest tables; empty for a list of the past.
    out : frozenset of str
        Companies to take out of the list.
    is_out : bool
        Whether the list of that day was handed out before.
    """

    known: frozenset[str]
    out: frozenset[str]
    is_out: bool


NOBODY = Payers(frozenset(), frozenset(), is_out=False)


def payers(
    settings: Settings, latest: Everyone | None, cutoff: int, now: datetime, *, anew: bool = False
) -> Payers:
    """Return the companies that paid since a cutoff, and which of them the list leaves out.

    Parameters
    ----------
    settings : Settings
    latest : Everyone or None
        Source of the conversions; None for a list of the past, which uses nothing that came later.
    cutoff : int
        Of the list.
    now : datetime
        Aware; conversions dated later are not believed.
    anew : bool
        Whether it replaces a list that was handed out.
    """
    known = frozenset() if latest is None else _known(settings, latest, cutoff, now)
    recorded = None if anew else _recorded(settings, cutoff)
    if recorded is not None:
        return Payers(known, recorded, is_out=True)
    return Payers(known, known if settings.score.hand_out else frozenset(), is_out=False)


def with_warning(scored: ScoredList, paid: Payers, first: int) -> ScoredList:
    """Add a warning to a list if companies at its top have paid since its day."""
    table = scored.head(first)
    there = int(table["id"].isin(paid.known - paid.out).sum())
    if not there:
        return scored
    words = scored.words
    have = words.entity.counted(there, "has", "have")
    told = f"{have} become {words.customer.many} since {table['cutoff'].iloc[0]}, of the first {len(table):,}"
    how = (
        "the list was handed out before; do not call them"
        if paid.is_out
        else "a list that is handed out leaves them out (--hand-out)"
    )
    return replace(scored, warnings=(*scored.warnings, f"{told}: {how}"))


def _known(settings: Settings, latest: Everyone, cutoff: int, now: datetime) -> frozenset[str]:
    """Return the companies that have paid since, by the latest snapshot and the tables it was made from."""
    clock = today(local_time(now, settings.schema_.time_zone))
    paid = latest.named((latest.closed >= cutoff) & latest.customers)
    later = snapshot.converted_later(settings.artifacts_dir)
    return frozenset([*paid, *(name for name, day in later.items() if cutoff <= day <= clock)])


def _recorded(settings: Settings, cutoff: int) -> frozenset[str] | None:
    """Return the companies left out of a day's list when it was handed out; None if there is no list."""
    try:
        with opened_if_there(settings) as store:
            return None if store is None else store.paid_before(cutoff)
    except StorageError:  # a user with read access only still gets a list
        return None
