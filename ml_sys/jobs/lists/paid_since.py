"""Who has paid between the cutoff of a list and the day on which it is handed out: nobody calls a customer.

Only a list that is handed out goes without them, so that a list of a past day knows nothing of what came
later; and one that is out already is made again without those, and only those, that it went without then.
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
    """Who has paid since the cutoff of a list.

    Attributes
    ----------
    known : frozenset of str
        As the latest tables say today; nobody for a list of the past.
    out : frozenset of str
        Who is taken out of the list.
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
    """Return who has paid since a cutoff, and which of them the list leaves out.

    Parameters
    ----------
    settings : Settings
    latest : Everyone or None
        Says who has paid; None for a list of the past, which knows nothing of what came later.
    cutoff : int
        Of the list.
    now : datetime
        Aware; conversions dated later are not believed.
    anew : bool
        Whether it replaces a list that is out.
    """
    known = frozenset() if latest is None else _known(settings, latest, cutoff, now)
    recorded = None if anew else _recorded(settings, cutoff)
    if recorded is not None:
        return Payers(known, recorded, is_out=True)
    return Payers(known, known if settings.score.hand_out else frozenset(), is_out=False)


def with_warning(scored: ScoredList, paid: Payers, first: int) -> ScoredList:
    """Return the list with a warning about those at its top who have paid since its day."""
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
        else "a list that is handed out goes without them (--hand-out)"
    )
    return replace(scored, warnings=(*scored.warnings, f"{told}: {how}"))


def _known(settings: Settings, latest: Everyone, cutoff: int, now: datetime) -> frozenset[str]:
    """Return who has paid since, by the latest snapshot and the tables it was made from."""
    clock = today(local_time(now, settings.schema_.time_zone))
    paid = latest.named((latest.closed >= cutoff) & latest.customers)
    later = snapshot.converted_later(settings.artifacts_dir)
    return frozenset([*paid, *(name for name, day in later.items() if cutoff <= day <= clock)])


def _recorded(settings: Settings, cutoff: int) -> frozenset[str] | None:
    """Return who the list of a day went without when it was handed out; None where none was."""
    try:
        with opened_if_there(settings) as store:
            return None if store is None else store.paid_before(cutoff)
    except StorageError:  # who may only read gets a list all the same
        return None
