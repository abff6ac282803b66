"""Hand out a ranked list: draw whom to call if the settings ask for it, and record the list."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.days import day_number
from ml_sys.outcomes.database.revisions import exists
from ml_sys.outcomes.lists import HandedOutList, ListEntry, digest_of, list_id_of
from ml_sys.outcomes.lottery import NO_WAIT, Design, Drawn, draw
from ml_sys.scoring.remembered import FOLDER
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from ml_sys.outcomes.store import Recorded
    from ml_sys.scoring.scored_list import ScoredList
    from ml_sys.settings import Settings

# Groups of settings that a list depends on besides its version, whose own settings are in its folder.
_GROUPS = ("schema", "usage", "score", "threshold", "experiment")
# A draw looks at so many times its pool first.
_DRAWN_FROM = 2
# Settings of its looks do not make it another list.
_LOOKS = frozenset(
    f"score.{name}" for name in ("top", "exclude", "hand_out", "reasons", "reasons_top", "stale_days")
)


@dataclass(frozen=True)
class HandedOut:
    """The record of a list.

    Attributes
    ----------
    recorded : {"new", "same", "replaced"}
        Whether it is new, was handed out before, or replaced another one.
    drawn : Drawn
        Whom to call, by row of the ranked list.
    later : str
        The last of the lists of later days, which this one knows nothing of; empty where none is out.
    """

    listed: HandedOutList
    recorded: Recorded
    drawn: Drawn
    later: str = ""

    @property
    def called(self) -> int:
        """Number of companies to call."""
        return int(self.drawn.selected.sum())

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "listed": self.listed,
            "recorded": self.recorded,
            "called": self.called,
            "later": self.later,
        }


@dataclass(frozen=True)
class Handing:
    """A list to hand out, and how.

    Attributes
    ----------
    scored : ScoredList
    version : str
    horizon_days : int
        Of the version.
    capacity : int
        Number of calls.
    replace_other : bool
        Whether the list may replace another one of the same day.
    reason : str
        Why it replaces another one.
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
        If another list of the same day was handed out, and this one may not replace it.
    StorageError
        If the store cannot be written.
    """
    from ml_sys.outcomes.store import opened_store  # with SQLAlchemy, which few lists need

    scored, group = handing.scored, handing.scored.group
    cutoff = day_number_of(str(scored.head(1)["cutoff"].iloc[0]))
    digest = settings_digest(settings, handing.capacity)
    pages = (page.assign(group=group[rows]) for rows, page in _pages(scored))
    name = list_id_of(cutoff, handing.version, digest, pages)
    design = design_of(settings, capacity=handing.capacity, horizon_days=handing.horizon_days)
    drawn = _drawn(scored, design, name, cutoff)
    kept = np.flatnonzero(
        drawn.selected | (drawn.group != "") | (np.arange(len(scored)) < settings.store.entries)
    )
    excluded = scored.excluded
    listed = HandedOutList(
        list_id=name,
        cutoff=cutoff,
        version=handing.version,
        made_at=now.isoformat(timespec="milliseconds"),
        settings_digest=digest,
        horizon_days=handing.horizon_days,
        capacity=handing.capacity,
        design=design.kind,
        seed=design.seed,
        prospects=len(scored),
        expected=float(pd.Series(scored.probability).sum()),
        recorded=len(kept) + (0 if excluded is None else len(excluded)),
        reason=handing.reason,
    )
    companies = [*_entries(scored, kept, drawn), *_taken_out(excluded)]
    with opened_store(settings) as opened:
        recorded, record = opened.hand_out(listed, companies, replace_other=handing.replace_other)
        later = opened.lists(since=cutoff + 1)
    return HandedOut(record, recorded, drawn, later[-1].list_id if later else "")


def design_of(settings: Settings, *, capacity: int, horizon_days: int) -> Design:
    """Return the design that decides who is called, as the settings describe it."""
    chosen = settings.experiment
    return Design(
        kind=chosen.design,
        capacity=capacity,
        seed=settings.seed,
        horizon_days=horizon_days,
        pool=chosen.pool,
        certain_share=chosen.certain_share,
        wait_weeks=chosen.wait_weeks,
        share=chosen.share,
        hold_weeks=chosen.hold_weeks,
    )


def reach(settings: Settings, capacity: int) -> int:
    """Return about how far down a list a company can still be drawn."""
    chosen = settings.experiment
    if chosen.design == "lottery":
        return round(chosen.pool * capacity)
    return round(2 * capacity / (1 - chosen.share)) if chosen.design == "holdout" else capacity


def whom_to_call(scored: ScoredList, drawn: Drawn) -> ScoredList:
    """Return the part of a list for sales: the companies to call, numbered from 1."""
    chosen = np.flatnonzero(drawn.selected)
    table = scored.rows(chosen).reset_index(drop=True).assign(rank=np.arange(1, chosen.size + 1))
    before = np.argsort(scored.input_order)[chosen]  # the row of each in the file of prospects
    return replace(
        scored,
        ranked=table,
        input_order=np.argsort(before, kind="stable"),
        reasons=tuple(scored.reasons[at] for at in chosen.tolist() if at < len(scored.reasons)),
        group=scored.group[chosen],
    )


def with_controls(scored: ScoredList, drawn: Drawn) -> Iterator[pd.DataFrame]:
    """Yield the list for the analyst in parts: how each company was drawn, and whether it is to be called."""
    for rows, page in _pages(scored):
        yield page.assign(
            selected=drawn.selected[rows],
            inclusion_probability=drawn.inclusion_probability[rows],
            group=drawn.group[rows],
            waits_until=[date_of(day) if day != NO_WAIT else "" for day in drawn.waits_until[rows].tolist()],
        )


def _pages(scored: ScoredList) -> Iterator[tuple[slice, pd.DataFrame]]:
    """Yield the list in parts, and where each stands."""
    start = 0
    for page in scored.pages(keep_order=False):
        yield slice(start, start + len(page)), page
        start += len(page)


def called_lately(settings: Settings, *, after: int, before: int) -> dict[str, int]:
    """Return the latest day on which each company was to be called, between two days (exclusive)."""
    if not (exists(settings) or (settings.artifacts_dir / FOLDER).is_dir()):
        return {}  # no store is created if nothing was handed out
    from ml_sys.outcomes.store import opened_store  # as above

    with opened_store(settings) as opened:
        return opened.last_called(after=after, before=before)


def settings_digest(settings: Settings, capacity: int) -> str:
    """Return a digest of the settings that a list for this many calls depends on."""
    plain = settings.model_dump(mode="json", by_alias=True)
    chosen = {f"{group}.{name}": value for group in _GROUPS for name, value in plain[group].items()}
    return digest_of(
        {key: value for key, value in chosen.items() if key not in _LOOKS} | {"capacity": capacity}
    )


def day_number_of(text: str) -> int:
    """Return a day as days since 1970-01-01."""
    return day_number(pd.Timestamp(text).date())


def waiting(settings: Settings, cutoff: int) -> dict[str, int]:
    """Return the companies that may not be drawn at a cutoff, and until when each waits."""
    if settings.experiment.design == "none" or not exists(settings):
        return {}
    from ml_sys.outcomes.store import opened_store  # as above

    with opened_store(settings) as opened:
        return opened.waiting(cutoff)


def _drawn(scored: ScoredList, design: Design, list_id: str, cutoff: int) -> Drawn:
    """Draw from the companies that are not ranked last; without a design, take the first."""
    group, n = scored.group, len(scored)
    free = np.flatnonzero(group == "")
    drawn = Drawn(np.zeros(n, dtype=bool), np.zeros(n), group.copy(), np.full(n, NO_WAIT, dtype=np.int32))
    if design.kind == "none":
        drawn.selected[free[: design.capacity]] = True
        drawn.inclusion_probability[free[: design.capacity]] = 1.0
        return drawn
    probability = scored.probability[free]
    reached, found = 0, None
    # Whom the draw comes to stands far above the end of a long list, and equal ones are drawn together.
    while found is None or (reached < free.size and found.selected.sum() < design.capacity):
        reached = min(max(2 * reached, round(_DRAWN_FROM * design.pool * design.capacity)), free.size)
        if reached:
            reached = int((probability >= probability[reached - 1]).sum())
        ids = scored.rows(free[:reached])["id"].tolist()
        found = draw(ids, probability[:reached], design, list_id=list_id, cutoff=cutoff)
    free = free[:reached]
    drawn.selected[free] = found.selected
    drawn.inclusion_probability[free] = found.inclusion_probability
    drawn.group[free] = found.group
    drawn.waits_until[free] = found.waits_until
    return drawn


def _entries(scored: ScoredList, kept: NDArray[np.integer], drawn: Drawn) -> Iterator[ListEntry]:
    table, reasons = scored.rows(kept), scored.reasons
    columns = (table[name].tolist() for name in ("id", "rank", "probability", "tier"))
    for at, entity, rank, probability, tier in zip(kept.tolist(), *columns, strict=True):
        waits = int(drawn.waits_until[at])
        yield ListEntry(
            entity,
            rank,
            probability,
            tier,
            selected=bool(drawn.selected[at]),
            inclusion_probability=float(drawn.inclusion_probability[at]),
            group=str(drawn.group[at]),
            waits_until=None if waits == NO_WAIT else waits,
            reasons=tuple(asdict(one) for one in reasons[at]) if at < len(reasons) else (),
        )


def _taken_out(excluded: pd.DataFrame | None) -> Iterator[ListEntry]:
    """Yield the entries of the companies that were taken out."""
    if excluded is not None:
        for entity, probability, tier, group in excluded.itertuples(index=False, name=None):
            yield ListEntry(
                entity, 0, probability, tier, selected=False, inclusion_probability=0.0, group=group
            )
