"""Report what handed-out lists have brought: the edge around :mod:`ml_sys.outcomes.impact`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data import snapshot
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.parts.buckets import buckets_of, part_of
from ml_sys.days import today
from ml_sys.engine.mapping import Engine
from ml_sys.engine.places import replacing_at
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.rules import rule_names, rule_scores, rule_to_beat
from ml_sys.jobs.lists.records import opened_if_there
from ml_sys.jobs.outcomes.known import Conversions, calls_made, of_customers, of_snapshot
from ml_sys.jobs.outcomes.served import served_promises
from ml_sys.model.train import spec_from
from ml_sys.outcomes.being_called import Reading
from ml_sys.outcomes.impact import Impact, compared_lists, impact
from ml_sys.settings.description import local_time
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from ml_sys.engine.places import Place
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.form import Words
    from ml_sys.jobs.outcomes.known import CallsMade
    from ml_sys.outcomes.lists import HandedOutList
    from ml_sys.outcomes.store import Store
    from ml_sys.settings import Settings

# What is read of the companies on lists.
_COLUMNS = (
    "entity_id", "probability", "rank", "tier", "selected", "inclusion_probability", "group",
)  # fmt: skip
_UNDATED = (
    "ids without days (called_on), so each company counts as called on the day of the list "
    "that was to call it"
)
_DAYS = frozenset({"cutoff", "matures_on", "as_of"})


@dataclass(frozen=True)
class ImpactRequest:
    """A request for the impact of lists.

    Attributes
    ----------
    since : int or None
        Day of the first list to count.
    customers : Path, Address or None
        A file of customers to take conversions from, instead of the latest snapshot.
    as_of : int or None
        Day up to which that file is complete.
    called : Path, Address or None
        A file of the companies that were really called.
    page : Path, Address or None
        File to write the page to.
    """

    since: int | None = None
    customers: Place | None = None
    as_of: int | None = None
    called: Place | None = None
    page: Place | None = None


@dataclass(frozen=True)
class Brought:
    """What lists have brought, and how many of their companies are in the data.

    Attributes
    ----------
    impact : Impact
    companies, strangers : int
        Companies that could have been called, and how many of them are not in the data.
    page : Path, Address or None
    notes : tuple of str
        How the given files were read.
    """

    impact: Impact
    companies: int
    strangers: int
    page: Place | None = None
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
    settings: Settings, asked: ImpactRequest, on_step: Callable[[str], None] = lambda _: None
) -> Brought:
    """Report what lists have brought, and write the page if asked for.

    Parameters
    ----------
    settings : Settings
    asked : ImpactRequest
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
    on_step("reading outcomes")
    known = (
        of_snapshot(settings)
        if asked.customers is None
        else of_customers(asked.customers, settings, asked.as_of)
    )
    made = None if asked.called is None else calls_made(asked.called, settings)
    on_step("reading predictions of the service")
    served, unread = served_promises(settings, known, asked.since)
    on_step("reading lists")
    with opened_if_there(settings) as opened:
        lists = [] if opened is None else opened.lists(since=asked.since)
        if opened is None or not (lists or served):
            raise _no_lists()
        entries = _entries(opened, lists, known)
    outside = 0
    entries["rule"], rule = _rule(entries, lists, known.as_of, settings)
    if made is not None:
        entries["made"], outside = _made(entries, made, lists, settings)
    on_step("comparing")
    reading = Reading(known.as_of, settings.impact.grace_days, settings.bootstrap.confidence, settings.seed)
    found = replace(
        impact(lists, entries, reading, made=made is not None),
        rule=rule,
        served=served,
        words=settings.schema_.words.words(),
    )
    if asked.page is not None:
        on_step("writing the page")
        from ml_sys.report.impact_page import impact_page  # what draws pictures takes a second to import

        with replacing_at(asked.page) as sink:
            sink.write(impact_page(found).encode())
    companies = entries.loc[entries["inclusion_probability"] > 0, "entity_id"].unique()
    told: Iterable[str] = () if made is None else _about_calls(made, outside, settings.schema_.words.words())
    notes = tuple(f"{asked.called}: {one}" for one in told)
    return Brought(found, len(companies), known.strangers(companies), asked.page, (*notes, *unread))


def _entries(opened: Store, lists: Sequence[HandedOutList], known: Conversions) -> pd.DataFrame:
    """Read companies: all of them for the compared lists, and the pool of the others."""
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


def _made(
    entries: pd.DataFrame, calls: CallsMade, lists: Sequence[HandedOutList], settings: Settings
) -> tuple[NDArray[np.bool_], int]:
    """Return which companies were called for which list, and how many dated calls belong to no list.

    A dated call belongs to the company's lists that were handed out by then and whose window was still open.
    For an undated call only the id is known: a company that a list was to have called counts as called on
    that list's day only; one that no list was to have called may have been called for each.
    """
    named, selected = entries["entity_id"].isin(calls.undated).to_numpy(), entries["selected"].to_numpy()
    drawn = entries["entity_id"].isin(set(entries["entity_id"][named & selected])).to_numpy()
    made: NDArray[np.bool_] = named & (selected | ~drawn)
    open_days = pd.DataFrame(
        [(one.list_id, _out_on(one, settings), one.cutoff + one.horizon_days) for one in lists],
        columns=["list_id", "from", "until"],
    )
    pairs = entries[["list_id", "entity_id"]].reset_index(names="row")
    pairs = pairs.merge(calls.dated.reset_index(names="call"), on="entity_id").merge(open_days, on="list_id")
    pairs = pairs[(pairs["day"] >= pairs["from"]) & (pairs["day"] < pairs["until"])]
    made[pairs["row"].to_numpy()] = True
    return made, len(calls.dated) - pairs["call"].nunique()


def _out_on(listed: HandedOutList, settings: Settings) -> int:
    """Return the day on which a list was handed out; for a list made up later, its cutoff."""
    if not listed.made_at:
        return listed.cutoff
    day = today(local_time(datetime.fromisoformat(listed.made_at), settings.schema_.time_zone))
    return day if listed.cutoff <= day < listed.cutoff + listed.horizon_days else listed.cutoff


def _about_calls(calls: CallsMade, outside: int, words: Words) -> Iterable[str]:
    """Say how calls are read."""
    if calls.undated:
        yield words.spoken(_UNDATED)
    if outside:
        yield (
            f"{outside:,} of {counted(len(calls.dated), 'call')} with a day not counted: the "
            f"{words.entity.one} was on no current list that day"
        )


def _rule(
    entries: pd.DataFrame, lists: Sequence[HandedOutList], as_of: int, settings: Settings
) -> tuple[NDArray[np.float64], str]:
    """Return the scores by which the strongest rule ranks compared lists, NaN if unknown, and its name."""
    rule = np.full(len(entries), np.nan)
    whole = compared_lists(lists, as_of)
    cutoffs = np.array(sorted({one.cutoff for one in lists if one.list_id in whole}), dtype=np.int32)
    if not cutoffs.size or not snapshot.exists(settings.artifacts_dir):
        return rule, ""
    known = snapshot.parts(snapshot.latest_path(settings.artifacts_dir))
    spec = spec_from(settings, known.form)
    name = rule_to_beat(rule_names(spec.form, spec.period))
    if name is None:
        return rule, ""
    compared = np.flatnonzero(entries["list_id"].isin(whole).to_numpy())
    which, names = pd.factorize(entries["entity_id"].to_numpy(dtype=object)[compared])
    ids = pa.array(names, pa.string())
    part = part_of(buckets_of(ids), len(known))
    where = [(number, np.flatnonzero(part == number)) for number in np.unique(part).tolist()]
    engine = Engine.of(settings.engine).for_parts(len(where))
    sent = known.shared(engine.storage)
    score = partial(_rule_scores, parts=sent, spec=spec, cutoffs=cutoffs, rule=name)
    scores = np.full((len(names), cutoffs.size), np.nan, dtype=np.float32)
    asked = [(number, ids.take(mine)) for number, mine in where]
    for (_, mine), found in zip(where, engine.map(score, asked), strict=True):
        scores[mine] = found
    at = np.searchsorted(cutoffs, entries["cutoff"].to_numpy()[compared])
    rule[compared] = scores[which, at]
    return rule, name


def _rule_scores(
    asked: tuple[int, Any], *, parts: snapshot.Parts, spec: FeatureSpec, cutoffs: NDArray[np.int32], rule: str
) -> NDArray[np.float32]:
    """Return a rule's scores of companies in one part at each cutoff; NaN for companies that are not there.

    Parameters
    ----------
    asked : tuple of (int, pyarrow.StringArray)
        Number of the part, and ids of n companies.

    Returns
    -------
    ndarray of shape (n, n_cutoffs), float32
    """
    number, ids = asked
    part = parts.part(number)
    place = CompanyIndex(pa.array(part.companies["id"], pa.string()), frozenset()).positions(ids)
    there = place >= 0
    scores = np.full((len(place), cutoffs.size), np.nan, dtype=np.float32)
    if there.any():
        inputs = FeatureInputs.from_snapshot(part, spec).take(place[there])
        scores[there] = rule_scores(inputs, cutoffs)[1][rule].reshape(-1, cutoffs.size)
    return scores


def _no_lists() -> NotEnoughDataError:
    return NotEnoughDataError(
        "no list was handed out yet, so there is no impact to report",
        hint="hand one out with mlsys score FILE --hand-out",
    )


def _dated(told: Any) -> Any:
    """Write days as dates."""
    if isinstance(told, dict):
        return {name: date_of(value) if name in _DAYS else _dated(value) for name, value in told.items()}
    return [_dated(one) for one in told] if isinstance(told, list | tuple) else told
