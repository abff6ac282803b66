"""What a week brought, and its summary: one page that can be mailed, as Markdown or HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.report.impact_sentences import headline as effect_sentence
from ml_sys.report.impact_sentences import last_matured, matured_sentence
from ml_sys.report.monitoring_sentences import headline as alarms_headline
from ml_sys.report.monitoring_sentences import sentence
from ml_sys.report.page import Page, Section, Table
from ml_sys.text import counted, is_rule, named, visible

if TYPE_CHECKING:
    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.engine.places import Place
    from ml_sys.form import Noun, Words
    from ml_sys.outcomes.impact import Impact
    from ml_sys.outcomes.lists import HandedOutList
    from ml_sys.outcomes.monitoring import Monitoring


@dataclass(frozen=True)
class Call:
    """A company to call, and why; ``score`` is what a rule ranks by in the place of a probability."""

    company: str
    probability: float
    tier: str
    reasons: tuple[str, ...]
    score: float | None = None


@dataclass(frozen=True)
class SinceLast:
    """How the calls differ from those of the list before.

    Attributes
    ----------
    list_id : str
        The list before.
    new, again : int
        Calls that were not on it, and those that were.
    gone : int
        Calls of the list before that are not made again.
    paid : int
        Companies of the list before that have paid since.
    """

    list_id: str
    new: int
    again: int
    gone: int
    paid: int


@dataclass(frozen=True)
class WeeksList:
    """The list of a week.

    Attributes
    ----------
    record : HandedOutList
    recorded : {"new", "same", "replaced"}
    called : int
        Companies to call.
    expected : float
        Conversions expected among them.
    first : tuple of Call
        The first of them.
    since : SinceLast or None
        None of the first list.
    notes : tuple of str
    out : Path, Address or None
        File of the whole list.
    """

    record: HandedOutList
    recorded: str
    called: int
    expected: float
    first: tuple[Call, ...]
    since: SinceLast | None
    notes: tuple[str, ...] = ()
    out: Place | None = None


@dataclass(frozen=True)
class Retrained:
    """A version that was trained on the week's snapshot, and what the gate said."""

    version: str
    promoted: bool
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True)
class Week:
    """What a week brought.

    Attributes
    ----------
    listed : WeeksList or None
        None where an alarm stopped it, or nobody was left to rank.
    impact : Impact or None
        None as long as no list was handed out.
    retrained : Retrained or None
        None where it was not asked for.
    page, summary : Path, Address or None
        Files of the page of what lists brought, and of the summary.
    """

    ingested: IngestReport
    monitoring: Monitoring
    listed: WeeksList | None
    impact: Impact | None
    retrained: Retrained | None = None
    page: Place | None = None
    summary: Place | None = None

    @property
    def words(self) -> Words:
        """What entities are called."""
        return self.ingested.words

    @property
    def refused(self) -> bool:
        """Whether the gate kept a version out."""
        return self.retrained is not None and not self.retrained.promoted

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        ingested, effect = self.ingested, None if self.impact is None else self.impact.effect
        return {
            "cutoff": self.monitoring.cutoff,
            "snapshot": {
                "id": ingested.id,
                "is_new": ingested.is_new,
                "as_of": ingested.as_of,
                "companies": ingested.companies,
                "customers": ingested.customers,
                "usage_rows": ingested.usage_rows,
                "warnings": ingested.warnings,
            },
            "version": self.monitoring.version,
            "alarms": self.monitoring.alarms,
            "list": self.listed,
            "last_matured": None if self.impact is None else last_matured(self.impact),
            "effect": None if effect is None else {"extra": effect.extra, "money": effect.money},
            "sentence": None if self.impact is None else effect_sentence(self.impact),
            "retrained": self.retrained,
            "page": self.page,
            "summary": self.summary,
        }


def list_sentence(week: Week) -> str:
    """Say what happened to the week's list."""
    listed = week.listed
    if listed is None:
        return "No list was handed out."
    record, calls = listed.record, week.words.entity.counted(listed.called)
    if listed.recorded == "same":
        said = f"List {record.list_id} was already handed out on {record.made_at[:10]} and is unchanged: "
    elif listed.recorded == "replaced":
        said = f"List {record.list_id} replaces the one before ({record.reason}): "
    else:
        said = f"List {record.list_id} is handed out: "
    promise = (
        "nothing is promised" if is_rule(record.version) else f"{listed.expected:.1f} conversions expected"
    )
    return f"{said}{calls} to call, {promise} by {named(record.version)}."


def data_sentence(week: Week) -> str:
    """Say what was ingested."""
    one = week.ingested
    known = "new" if one.is_new else "known already"
    rejected = sum(sum(table.rejected.values()) for table in one.tables.values())
    return (
        f"Snapshot {one.id} ({known}), as of {one.as_of}: {week.words.entity.counted(one.companies)}, "
        f"{one.customers:,} of them {week.words.customer.many}, {counted(one.usage_rows, 'usage row')}; "
        f"{counted(rejected, 'row')} rejected."
    )


def since_sentence(since: SinceLast | None, entity: Noun) -> str:
    """Say how the calls differ from those of the list before."""
    if since is None:
        return "This is the first list."
    calls, again = entity.counted(since.new + since.again), since.again or "None"
    told = (
        f"{again} of the {calls} to call appeared on the previous call list ({since.list_id})."
        if since.new
        else f"All of the {calls} to call appeared on the previous call list ({since.list_id}) as well."
    )
    if not since.gone:
        return told
    gone = entity.counted(since.gone)
    return f"{told} Not called again: {gone}, of which {since.paid or 'none'} paid since."


def retrained_sentence(one: Retrained) -> str:
    """Say what happened to the version that was trained."""
    if one.promoted:
        return f"Version {one.version} was trained on this week's data and is in production from now on."
    why = f": {'; '.join(one.unmet)}" if one.unmet else ""
    return f"Version {one.version} was trained on this week's data, and the gate refused it{why}."


def summary_page(week: Week) -> Page:
    """Return the summary of a week as a page, the same for the same week."""
    listed, cutoff, entity = week.listed, week.monitoring.cutoff, week.words.entity
    ranked_by = named(week.monitoring.version)
    return Page(
        title=f"The week of {cutoff}",
        kicker="Every week",
        heading=f"The week of {cutoff}",
        facts=f"{ranked_by[:1].upper()}{ranked_by[1:]} · data up to {week.ingested.as_of}",
        sections=(
            Section("summary", "In short", _in_short(week)),
            Section("calls", "Whom to call", tables=_calls(listed, entity), notes=_notes(listed)),
            Section(
                "since",
                "What changed since last week",
                ("There is no list.",) if listed is None else (since_sentence(listed.since, entity),),
            ),
            Section("brought", "What the lists brought", _brought(week)),
            Section("alarms", "Alarms", _alarms(week), notes=week.monitoring.notes),
            Section("data", "Data", (data_sentence(week),), notes=week.ingested.warnings),
        ),
        words=(
            ("alarm", "Something in the data, the scores or the outcomes has changed."),
            ("list", f"The {entity.many} to call in a week, and the record of them."),
            ("promised", "Sum of the probabilities on a list, given without regard to any call."),
        ),
        origin=f"Made by mlsys from snapshot {week.ingested.id}.",
    )


def _in_short(week: Week) -> tuple[str, ...]:
    said = [list_sentence(week)]
    alarms = len(week.monitoring.alarms)
    if alarms:
        said.append(f"{counted(alarms, 'alarm rings', 'alarms ring')}: check before anyone calls.")
    if week.impact is not None:
        said.append(effect_sentence(week.impact))
    if week.retrained is not None:
        said.append(retrained_sentence(week.retrained))
    return tuple(said)


def _brought(week: Week) -> tuple[str, ...]:
    if week.impact is None:
        return ("No list was handed out yet.",)
    last = last_matured(week.impact)
    said = "No list is mature yet." if last is None else matured_sentence(last)
    return (said, effect_sentence(week.impact))


def _alarms(week: Week) -> tuple[str, ...]:
    return (alarms_headline(week.monitoring), *(sentence(one) for one in week.monitoring.alarms))


def _calls(listed: WeeksList | None, entity: Noun) -> tuple[Table, ...]:
    if listed is None:
        return ()
    caption = f"The first {len(listed.first)} of {entity.counted(listed.called)} to call"
    return (Table(caption, *calls(listed, entity, "; ")),)


def calls(listed: WeeksList, entity: Noun, joint: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the head and the rows of the first calls; a list by a rule has only scores."""
    if is_rule(listed.record.version):
        return (entity.one, "score"), tuple(
            (visible(one.company), f"{one.score:,.6g}") for one in listed.first
        )
    rows = tuple(
        (
            visible(one.company),
            f"{one.probability:.2%}",
            one.tier,
            joint.join(visible(reason) for reason in one.reasons) or "–",
        )
        for one in listed.first
    )
    return (entity.one, "probability", "tier", "why"), rows


def _notes(listed: WeeksList | None) -> tuple[str, ...]:
    if listed is None:
        return ("No list was handed out.",)
    return tuple(visible(one) for one in listed.notes)
