"""What the lists that were handed out have brought: the edge around :mod:`ml_sys.outcomes.impact`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.data import snapshot
from ml_sys.durable import replacing
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.rules import rule_to_beat
from ml_sys.jobs.outcomes.known import Conversions, calls_made, of_customers, of_snapshot
from ml_sys.model.split import Source
from ml_sys.outcomes import store
from ml_sys.outcomes.being_called import Reading
from ml_sys.outcomes.impact import Impact, compared_lists, impact
from ml_sys.scoring.remembered import FOLDER
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.outcomes.lists import HandedOutList
    from ml_sys.outcomes.store import Store
    from ml_sys.settings import Settings

# What is read of the companies on lists.
_COLUMNS = (
    "entity_id", "probability", "rank", "tier", "selected", "inclusion_probability", "group",
)  # fmt: skip
_UNDATED = "ids without days; each company counts as called on the day of the list that was to call it"
_DAYS = frozenset({"cutoff", "matures_on", "as_of"})


@dataclass(frozen=True)
class Asked:
    """What impact is asked of.

    Attributes
    ----------
    since : int or None
        Day of the first list that counts.
    customers : Path or None
        A file of customers to take conversions from, in place of the latest snapshot.
    as_of : int or None
        Day up to which that file is complete.
    called : Path or None
        A file of the companies that were really called.
    page : Path or None
        File that the page is written to.
    """

    since: int | None = None
    customers: Path | None = None
    as_of: int | None = None
    called: Path | None = None
    page: Path | None = None


@dataclass(frozen=True)
class Brought:
    """What lists have brought, and how well the data know the companies on them.

    Attributes
    ----------
    impact : Impact
    companies, strangers : int
        Companies that could have been called, and those of them that the data do not hold.
    page : Path or None
    notes : tuple of str
        How what was given is read.
    """

    impact: Impact
    companies: int
    strangers: int
    page: Path | None = None
    notes: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data, days as dates."""
        told: dict[str, Any] = _dated(asdict(self.impact))
        told.pop("words")
        return told | {
            "companies": self.companies,
            "strangers": self.strangers,
            "page": self.page,
            "notes": self.notes,
        }


def impact_of_lists(
    settings: Settings, asked: Asked, on_step: Callable[[str], None] = lambda _: None
) -> Brought:
    """Say what lists have brought, and write the page where one is asked for.

    Parameters
    ----------
    settings : Settings
    asked : Asked
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    NotEnoughDataError
        If no list was handed out.
    SnapshotError
        If there is neither a snapshot nor a file of customers.
    InputError
        If a file cannot be read.
    """
    if not (store.exists(settings) or (settings.artifacts_dir / FOLDER).is_dir()):
        raise _no_lists()
    on_step("reading outcomes")
    known = (
        of_snapshot(settings)
        if asked.customers is None
        else of_customers(asked.customers, settings, asked.as_of)
    )
    made = None if asked.called is None else calls_made(asked.called, settings)
    on_step("reading lists")
    with store.opened_store(settings) as opened:
        lists = opened.lists(since=asked.since)
        if not lists:
            raise _no_lists()
        entries = _entries(opened, lists, known)
    entries["rule"], rule = _rule(entries, lists, known.as_of, settings)
    if made is not None:
        entries["made"] = _made(entries, made)
    on_step("comparing")
    reading = Reading(known.as_of, settings.impact.grace_days, settings.bootstrap.confidence, settings.seed)
    found = replace(
        impact(lists, entries, reading, made=made is not None),
        rule=rule,
        words=settings.schema_.words.words(),
    )
    if asked.page is not None:
        on_step("writing the page")
        from ml_sys.report.impact_page import impact_page  # what draws pictures takes a second to import

        with replacing(asked.page) as sink:
            sink.write(impact_page(found).encode())
    companies = entries.loc[entries["inclusion_probability"] > 0, "entity_id"].unique()
    notes = () if asked.called is None else (f"{asked.called}: {_UNDATED}",)
    return Brought(found, len(companies), known.strangers(companies), asked.page, notes)


def _entries(opened: Store, lists: Sequence[HandedOutList], known: Conversions) -> pd.DataFrame:
    """Read companies: all of the lists that are compared as a whole, of the others the pool."""
    whole = compared_lists(lists, known.as_of)
    rows = pd.concat(
        (
            opened.entries([one.list_id for one in lists if one.list_id in whole], columns=_COLUMNS),
            opened.entries(
                [one.list_id for one in lists if one.list_id not in whole], only_pool=True, columns=_COLUMNS
            ),
        ),
        ignore_index=True,
    )
    horizon = {one.cutoff: one.horizon_days for one in lists}  # one list counts of a day
    cutoffs, at = np.unique(rows["cutoff"].to_numpy(), return_inverse=True)
    days = np.array([horizon[cutoff] for cutoff in cutoffs.tolist()], dtype=np.int32)
    return known.add_to(rows, days[at])


def _made(entries: pd.DataFrame, called: frozenset[str]) -> NDArray[np.bool_]:
    """Say which companies were called on the day of which list, as far as ids alone tell.

    A company that a list was to have called was called on that list's day, and on no other; of one that no
    list was to have called it may have been on each.
    """
    named, selected = entries["entity_id"].isin(called).to_numpy(), entries["selected"].to_numpy()
    drawn = entries["entity_id"].isin(set(entries["entity_id"][named & selected])).to_numpy()
    made: NDArray[np.bool_] = named & (selected | ~drawn)
    return made


def _rule(
    entries: pd.DataFrame, lists: Sequence[HandedOutList], as_of: int, settings: Settings
) -> tuple[NDArray[np.float64], str]:
    """Return what the strongest rule ranks compared lists by, NaN where not known, and its name."""
    rule = np.full(len(entries), np.nan)
    whole = compared_lists(lists, as_of)
    cutoffs = np.array(sorted({one.cutoff for one in lists if one.list_id in whole}), dtype=np.int32)
    if not cutoffs.size or not snapshot.exists(settings.artifacts_dir):
        return rule, ""
    source = Source.of(snapshot.latest(settings.artifacts_dir), settings)
    every = source.known.rules(cutoffs)[1]
    name = rule_to_beat(every)
    if name is None:
        return rule, ""
    scores = every[name].reshape(-1, cutoffs.size)
    compared = np.flatnonzero(entries["list_id"].isin(whole).to_numpy())
    names = pd.Index(entries["entity_id"].iloc[compared], dtype=object)
    company = pd.Index(source.ids, dtype=object).get_indexer(names)
    at = np.searchsorted(cutoffs, entries["cutoff"].to_numpy()[compared])
    rule[compared] = np.where(company >= 0, scores[company, at], np.nan)
    return rule, name


def _no_lists() -> NotEnoughDataError:
    return NotEnoughDataError(
        "no list was handed out, so nothing can have come of one",
        hint="hand one out: mlsys score FILE --hand-out",
    )


def _dated(told: Any) -> Any:
    """Write days as dates."""
    if isinstance(told, dict):
        return {name: date_of(value) if name in _DAYS else _dated(value) for name, value in told.items()}
    return [_dated(one) for one in told] if isinstance(told, list | tuple) else told
