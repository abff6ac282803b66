"""Hands a ranked list out: draws whom to call where the settings ask for it, and records the list."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.days import day_number
from ml_sys.outcomes import store
from ml_sys.outcomes.lists import HandedOutList, ListEntry, digest_of, list_id_of
from ml_sys.scoring.remembered import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from ml_sys.outcomes.store import Recorded
    from ml_sys.scoring.batch import ScoredList
    from ml_sys.settings import Settings

# Groups of settings that a list depends on beside its version; those of the version stand in its folder.
_GROUPS = ("schema", "usage", "score", "threshold")
# How a list looks makes no other list of it.
_LOOKS = frozenset({"score.top", "score.hand_out", "score.reasons", "score.reasons_top", "score.stale_days"})


@dataclass(frozen=True)
class HandedOut:
    """The record of a list.

    Attributes
    ----------
    listed : HandedOutList
    recorded : {"new", "same", "replaced"}
        Whether it is new, was handed out before, or took another one's place.
    called : int
        Companies that are to be called.
    """

    listed: HandedOutList
    recorded: Recorded
    called: int


@dataclass(frozen=True)
class Handing:
    """What is handed out, and how.

    Attributes
    ----------
    scored : ScoredList
    version : str
    horizon_days : int
        Of the version.
    capacity : int
        Calls.
    replace_other : bool
        Whether the list may replace another one of the same day.
    reason : str
        Why it does.
    """

    scored: ScoredList
    version: str
    horizon_days: int
    capacity: int
    replace_other: bool = False
    reason: str = ""


def hand_out(settings: Settings, handing: Handing, now: datetime) -> HandedOut:
    """Record a list as handed out.

    Raises
    ------
    OtherListError
        If another list of the same day was, and this one may not replace it.
    StorageError
        If the store cannot be written.
    """
    table, group = handing.scored.table, handing.scored.group
    cutoff = day_number_of(str(table["cutoff"].iloc[0]))
    digest = settings_digest(settings, handing.capacity)
    name = list_id_of(cutoff, handing.version, digest, table.assign(group=group))
    drawn = _first(group, handing.capacity)
    kept = np.flatnonzero(drawn | (group != "") | (np.arange(len(table)) < settings.store.entries))
    listed = HandedOutList(
        list_id=name,
        cutoff=cutoff,
        version=handing.version,
        made_at=now.isoformat(timespec="milliseconds"),
        settings_digest=digest,
        horizon_days=handing.horizon_days,
        capacity=handing.capacity,
        design="none",
        seed=settings.seed,
        prospects=len(table),
        expected=float(table["probability"].sum()),
        recorded=len(kept),
        reason=handing.reason,
    )
    companies = _entries(handing.scored, kept, drawn)
    with store.opened_store(settings) as opened:
        recorded, record = opened.hand_out(listed, companies, replace_other=handing.replace_other)
    return HandedOut(record, recorded, int(drawn.sum()))


def called_lately(settings: Settings, *, after: int, before: int) -> dict[str, int]:
    """Return the latest day on which each company was to be called, between two days that do not count."""
    if not (store.exists(settings) or (settings.artifacts_dir / FOLDER).is_dir()):
        return {}  # and nothing is made where nothing was handed out
    with store.opened_store(settings) as opened:
        return opened.last_called(after=after, before=before)


def settings_digest(settings: Settings, capacity: int) -> str:
    """Return the digest of what a list for so many calls depends on among the settings."""
    plain = settings.model_dump(mode="json", by_alias=True)
    chosen = {f"{group}.{name}": value for group in _GROUPS for name, value in plain[group].items()}
    return digest_of(
        {key: value for key, value in chosen.items() if key not in _LOOKS} | {"capacity": capacity}
    )


def day_number_of(text: str) -> int:
    """Return a day as days since 1970-01-01."""
    return day_number(pd.Timestamp(text).date())


def _first(group: NDArray[np.object_], capacity: int) -> NDArray[np.bool_]:
    """Choose the first that do not come last for a reason."""
    free = group == ""
    chosen: NDArray[np.bool_] = free & (np.cumsum(free) <= capacity)
    return chosen


def _entries(scored: ScoredList, kept: NDArray[np.integer], drawn: NDArray[np.bool_]) -> Iterator[ListEntry]:
    table, reasons = scored.table, scored.reasons
    columns = (table[name].tolist() for name in ("id", "rank", "probability", "tier"))
    rows = list(zip(*columns, strict=True))
    for at in kept.tolist():
        entity, rank, probability, tier = rows[at]
        yield ListEntry(
            entity,
            rank,
            probability,
            tier,
            selected=bool(drawn[at]),
            inclusion_probability=float(drawn[at]),
            group=str(scored.group[at]),
            reasons=tuple(asdict(one) for one in reasons[at]) if at < len(reasons) else (),
        )
