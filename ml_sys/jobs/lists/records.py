"""Look up handed-out lists: which there are, what they said, and what came of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ml_sys.data import snapshot
from ml_sys.days import day_number
from ml_sys.errors import InputError, NotEnoughDataError, nearest
from ml_sys.form import PLAIN_WORDS
from ml_sys.outcomes.database.revisions import exists
from ml_sys.outcomes.lists import HandedOutList, ListEntry, what_came
from ml_sys.scoring.remembered import FOLDER
from ml_sys.text import date_of, is_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ml_sys.form import Words
    from ml_sys.outcomes.lists import Came
    from ml_sys.outcomes.store import Store
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class KnownConversions:
    """What the latest snapshot knows of conversions.

    Attributes
    ----------
    closed : dict of str to int
        Day on which each company became a customer; of others, asked for by name, one far in the future.
    as_of : int
        Last day that it covers; without a snapshot, a day before all lists.
    """

    closed: dict[str, int]
    as_of: int

    def came(self, listed: HandedOutList, entity_id: str) -> Came:
        """Return the outcome of a company on a list."""
        return what_came(self.closed.get(entity_id), listed, self.as_of)


@dataclass(frozen=True)
class Overview:
    """A summary of a list.

    Attributes
    ----------
    listed : HandedOutList
    called : int
        Companies that were to be called.
    mature : bool
        Whether all its outcomes are known.
    converted : int
        How many of the companies to call paid within the horizon, as far as is known.
    """

    listed: HandedOutList
    called: int
    mature: bool
    converted: int


@dataclass(frozen=True)
class Company:
    """A company on a list, its outcome, and when it became a customer."""

    entry: ListEntry
    came: Came
    paid_on: int | None


@dataclass(frozen=True)
class Shown:
    """A list, and all or one of the companies on it.

    Attributes
    ----------
    overview : Overview
    companies : tuple of Company
        The companies that were to be called; or the one asked for, whether it was to be called or not.
    """

    overview: Overview
    companies: tuple[Company, ...]
    words: Words = PLAIN_WORDS

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return plain_overview(self.overview) | {
            "list": [
                {
                    "id": one.entry.entity_id,
                    "rank": one.entry.rank,
                    "probability": None if is_rule(self.overview.listed.version) else one.entry.probability,
                    "tier": one.entry.tier,
                    "selected": one.entry.selected,
                    "inclusion_probability": one.entry.inclusion_probability,
                    "group": one.entry.group,
                    "reasons": one.entry.reasons,
                    "outcome": one.came,
                    "paid_on": None if one.paid_on is None else date_of(one.paid_on),
                }
                for one in self.companies
            ]
        }


@dataclass(frozen=True)
class Overviews:
    """The lists that were handed out, the earliest first."""

    lists: tuple[Overview, ...]
    words: Words = PLAIN_WORDS

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"lists": [plain_overview(one) for one in self.lists]}


class NoSuchListError(InputError):
    """No list fits the given id or day."""


def handed_out_lists(settings: Settings, *, replaced: bool = False) -> Overviews:
    """Return the handed-out lists, including replaced ones if asked for."""
    words = settings.schema_.words.words()
    with opened_if_there(settings) as opened:
        if opened is None:
            return Overviews((), words)
        known = what_is_known(settings)
        return Overviews(tuple(_overviews(opened, opened.lists(replaced=replaced), known)), words)


def show_list(settings: Settings, named: str, company: str | None = None) -> Shown:
    """Return a list with the outcomes of its companies.

    Parameters
    ----------
    settings : Settings
    named : str
        An id or the beginning of one; or a day, which means the last list up to that day.
    company : str, optional
        Return only this company; by default all that were to be called.

    Raises
    ------
    NoSuchListError
        If there is no such list, or the company is not recorded on it.
    """
    words = settings.schema_.words.words()
    with opened_if_there(settings) as opened:
        if opened is None:
            raise NotEnoughDataError(
                "no list was handed out yet", hint="hand one out with mlsys score FILE --hand-out"
            )
        listed = _meant(opened, named)
        if company is None:
            frame = opened.entries([listed.list_id], only_called=True)
            names = frame["entity_id"].tolist()
        else:
            names = [company]
        known = what_is_known(settings, names)
        (overview,) = _overviews(opened, [listed], known)
        found = [opened.company(listed.list_id, name) for name in names]
    companies = [_came(one, listed, known) for one in found if one is not None]
    if company is not None and not companies:
        raise NoSuchListError(
            f"{company!r} is not recorded on list {listed.list_id}",
            hint=f"{listed.recorded:,} of its {listed.prospects:,} {words.entity.many} are recorded",
        )
    return Shown(overview, tuple(companies), words)


def what_is_known(settings: Settings, names: Iterable[str] = ()) -> KnownConversions:
    """Return what the latest snapshot knows of customers and of companies by name; nothing without one."""
    if not snapshot.exists(settings.artifacts_dir):
        return KnownConversions({}, -1)
    latest = snapshot.everyone(settings.artifacts_dir)
    return KnownConversions(latest.days_by_name([*latest.named(latest.customers), *names]), latest.as_of)


def plain_overview(one: Overview) -> dict[str, Any]:
    """Return the summary of a list as plain data."""
    listed = one.listed
    return {
        "list_id": listed.list_id,
        "cutoff": date_of(listed.cutoff),
        "version": listed.version,
        "made_at": listed.made_at,
        "design": listed.design,
        "capacity": listed.capacity,
        "prospects": listed.prospects,
        "recorded": listed.recorded,
        "selected": one.called,
        "matures_on": date_of(listed.cutoff + listed.horizon_days),
        "mature": one.mature,
        "converted": one.converted,
        "replaced_by": listed.replaced_by,
        "reason": listed.reason,
    }


@contextmanager
def opened_if_there(settings: Settings) -> Iterator[Store | None]:
    """Open the store; None, without creating one, if nothing was ever handed out."""
    if not (exists(settings) or (settings.artifacts_dir / FOLDER).is_dir()):
        yield None
        return
    from ml_sys.outcomes.store import opened_store  # with SQLAlchemy, which few lists need

    with opened_store(settings) as opened:
        yield opened


def _overviews(opened: Store, lists: list[HandedOutList], known: KnownConversions) -> Iterator[Overview]:
    frame = opened.entries([one.list_id for one in lists], only_called=True)
    called = {name: group["entity_id"].tolist() for name, group in frame.groupby("list_id")}
    for listed in lists:
        names = called.get(listed.list_id, [])
        converted = sum(known.came(listed, name) == "paid" for name in names)
        yield Overview(listed, len(names), listed.is_mature(known.as_of), converted)


def _came(entry: ListEntry, listed: HandedOutList, known: KnownConversions) -> Company:
    came = known.came(listed, entry.entity_id)
    return Company(entry, came, known.closed[entry.entity_id] if came == "paid" else None)


def _meant(opened: Store, named: str) -> HandedOutList:
    """Return the list with an id or the beginning of one, or the list of a day."""
    every = opened.lists(replaced=True)
    standing = [one for one in every if one.replaced_by is None]
    try:
        day = day_number(date.fromisoformat(named))
    except ValueError:
        found = [one for one in every if one.list_id.startswith(named)]
        if len(found) == 1:
            return found[0]
        what = "no list" if not found else "more than one list"
        near = nearest(named, [one.list_id for one in every])
        raise NoSuchListError(
            f"{named}: {what} has an id that begins like this",
            hint=f"did you mean {near}? See mlsys lists" if near else "see mlsys lists",
        ) from None
    before = [one for one in standing if one.cutoff <= day]
    if not before:
        first = f"the first is of {date_of(standing[0].cutoff)}" if standing else "none was handed out yet"
        raise NoSuchListError(f"{named}: there is no list of that day or before", hint=first)
    return before[-1]
