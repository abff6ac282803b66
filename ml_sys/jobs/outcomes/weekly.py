"""Do the week in one go: ingest, monitor, score and hand out, report impact, and retrain if asked to.

Progress is not recorded, because every step can be repeated: a snapshot is known by its content, a list by
its id and a version by the snapshot it was trained on. A week that was killed at any instant is completed by
running it again.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ml_sys.data import snapshot as snapshots
from ml_sys.days import parse_day, today
from ml_sys.durable import make_folder, storage_errors
from ml_sys.engine.mapping import Engine
from ml_sys.engine.places import replacing_at
from ml_sys.errors import BusyError, NotEnoughDataError
from ml_sys.jobs.data.ingest import ingest_tables
from ml_sys.jobs.lists.by_rule import rank, standing_rule
from ml_sys.jobs.lists.listed import ListRequest
from ml_sys.jobs.models.promote import promote
from ml_sys.jobs.models.train import train_version
from ml_sys.jobs.outcomes import impact as impacts
from ml_sys.jobs.outcomes.monitor import monitor
from ml_sys.jobs.outcomes.weeks_list import weeks_list
from ml_sys.outcomes import store
from ml_sys.outcomes.monitoring import Monitoring
from ml_sys.report.markdown import as_markdown
from ml_sys.report.week import Retrained, Week, summary_page
from ml_sys.scoring.from_snapshot.free import covered_by
from ml_sys.settings.tree import effective
from ml_sys.text import date_of, is_rule, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ml_sys.engine.places import Place
    from ml_sys.outcomes.impact import Impact
    from ml_sys.registry.store import Registry
    from ml_sys.report.week import WeeksList
    from ml_sys.settings import Settings
    from ml_sys.settings.loading import Configuration

LOCK = "weekly.lock"
MESSAGE = "trained by mlsys weekly"
_HTML = frozenset({".html", ".htm"})
# Reasons per company if the settings ask for none, as sales cannot call from a list without reasons.
_REASONS = 3


@dataclass(frozen=True)
class WeeklyRequest:
    """A request for a week.

    Attributes
    ----------
    prospects : Path, Address or None
        File of the companies to rank; by default the free companies of the week's snapshot.
    capacity : int or None
        Number of calls; by default the settings'.
    out, with_controls : Path, Address or None
        Files for the companies to call, and for everyone (for the analyst).
    page : Path, Address or None
        File for the page of what lists brought.
    summary : Path, Address or None
        File for the summary: HTML if its name ends so, else Markdown.
    retrain : bool
        Whether to train a version on the week's snapshot, and promote it if it passes the gate.
    replace_other : bool
        Whether the list may replace another one of the same day.
    reason : str
        Why it replaces another one.
    """

    prospects: Place | None = None
    capacity: int | None = None
    out: Place | None = None
    with_controls: Place | None = None
    page: Place | None = None
    summary: Place | None = None
    retrain: bool = False
    replace_other: bool = False
    reason: str = ""


def weekly(
    registry: Registry,
    configuration: Configuration,
    asked: WeeklyRequest,
    *,
    now: datetime,
    on_step: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Week:
    """Do everything that is done once a week; repeating the same week changes nothing.

    Parameters
    ----------
    configuration : Configuration
        ``ingest.as_of`` is taken as today as well, to play a past week.
    now : datetime
        Aware.
    on_step : callable
        Called with the name of each step as it begins.
    on_wait : callable
        Called with a sentence if another process is already doing the week.

    Raises
    ------
    BusyError
        If another process takes longer than ``weekly.wait_seconds``.
    OtherListError
        If another list of the week was handed out, and this one may not replace it.
    MlsysError
        Errors of the steps; earlier steps stay done.
    """
    settings = configuration.settings
    with _alone(settings, on_wait), Engine.of(settings.engine).held():
        ingested = ingest_tables(settings, now=now, on_step=on_step)
        day = parse_day(settings.ingest.as_of or None, "ingest.as_of")
        found = _monitored(registry, settings, asked, today(now) if day is None else day, on_step)
        stopped = settings.weekly.stop_on_alarm and bool(found.alarms)
        listed = None if stopped else _handed_out(registry, settings, asked, found, now, on_step)
        brought = _impact(settings, asked, on_step)
        retrained = None
        if asked.retrain and not stopped:
            retrained = _retrained(registry, configuration, now, on_step)
        week = Week(
            ingested,
            found,
            listed,
            brought,
            retrained,
            page=asked.page if brought is not None else None,
            summary=asked.summary,
        )
        if asked.summary is not None:
            on_step("writing the summary")
            write_summary(week, asked.summary)
    return week


def write_summary(week: Week, path: Place) -> None:
    """Write a summary, replacing the whole file: HTML if its name ends so, else Markdown."""
    page = summary_page(week)
    if path.suffix.lower() in _HTML:
        from ml_sys.report.rendering import as_html  # templates take time to import

        text = as_html(page)
    else:
        text = as_markdown(page)
    with replacing_at(path) as sink:
        sink.write(text.encode(errors="backslashreplace"))


@contextmanager
def _alone(settings: Settings, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the week; say so before waiting for it."""
    root, seconds = settings.artifacts_dir, settings.weekly.wait_seconds
    with storage_errors(root):
        make_folder(root)
        lock = FileLock(root / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait(f"{root}: another `mlsys weekly` is running; waiting for it, {seconds:g} s at most")
            try:
                lock.acquire(timeout=seconds)
            except Timeout as error:
                raise BusyError(
                    f"{root}: another `mlsys weekly` was still running after {seconds:g} s",
                    hint="wait for it, or raise weekly.wait_seconds",
                ) from error
    try:
        yield
    finally:
        lock.release()


def _monitored(
    registry: Registry, settings: Settings, asked: WeeklyRequest, day: int, on_step: Callable[[str], None]
) -> Monitoring:
    """Monitor the version in production; for a rule there is nothing to compare with."""
    rule = registry.read().production
    if rule is None or not is_rule(rule):
        return monitor(registry, settings, day=day, prospects=asked.prospects, on_step=on_step)
    latest = snapshots.everyone(settings.artifacts_dir)
    covered = covered_by(latest, standing_rule(settings, rule).spec)
    cutoff = date_of(latest.as_of if covered is None else covered)
    free = int((~latest.customers).sum())
    return Monitoring(rule, latest.id, date_of(day), cutoff, cutoff, free, ())


def _handed_out(
    registry: Registry,
    settings: Settings,
    asked: WeeklyRequest,
    found: Monitoring,
    now: datetime,
    on_step: Callable[[str], None],
) -> WeeksList | None:
    """Rank and hand out; if the week's list was handed out before, make it again with its own version."""
    version = (None if asked.replace_other else _version_of(settings, found.cutoff)) or found.version
    reasons = settings.score.reasons
    if not reasons and not is_rule(version) and registry.open(version).manifest["compiled"]:
        reasons = _REASONS
    score = settings.score.model_copy(update={"hand_out": True, "reasons": reasons})
    request = ListRequest(
        asked.prospects,
        capacity=asked.capacity or settings.threshold.capacity,
        out=asked.out,
        with_controls=asked.with_controls,
        replace_other=asked.replace_other,
        reason=asked.reason,
    )
    scoring = settings.model_copy(update={"score": score})
    listed = rank(registry, version, scoring, request, on_step=on_step, now=now)
    if listed.unrecorded is not None:
        raise listed.unrecorded
    if listed.handed_out is None:
        return None
    made = weeks_list(settings, listed)
    if version == found.version:
        return made
    told = (
        f"{named(version)} made it, but {named(found.version)} is in production: to make it again, give "
        '--replace --reason "…"'
    )
    return replace(made, notes=(*made.notes, told))


def _version_of(settings: Settings, day: str) -> str | None:
    """Return the version that made the list of a day; None if there is no list."""
    if not store.exists(settings):
        return None
    cutoff = parse_day(day, "cutoff")
    with store.opened_store(settings) as opened:
        there = opened.lists(since=cutoff, until=cutoff)
    return there[0].version or None if there else None


def _impact(settings: Settings, asked: WeeklyRequest, on_step: Callable[[str], None]) -> Impact | None:
    """Report what lists brought, and write the page; None while there is no list."""
    try:
        return impacts.impact_of_lists(settings, impacts.ImpactRequest(page=asked.page), on_step).impact
    except NotEnoughDataError:
        return None


def _retrained(
    registry: Registry, configuration: Configuration, now: datetime, on_step: Callable[[str], None]
) -> Retrained:
    """Train on the week's snapshot, unless that is done, and ask the gate."""
    settings = configuration.settings
    latest = snapshots.opened_latest(settings.artifacts_dir)
    registry.recover()  # registers a version whose writer was killed before it could
    version = _trained_on(registry, settings, latest.id)
    if version is None:
        made = train_version(registry, latest, settings, now=now, message=MESSAGE, on_step=on_step)
        version = made.entry.version
    promotion = promote(registry, version, configuration, reason=MESSAGE, on_step=on_step)
    verdict = None if promotion.verdict is None else promotion.verdict.to_plain()
    unmet = () if verdict is None else tuple(
        f"{one['name']}: {one['found']}, asked {one['asked']}"
        for one in verdict["criteria"]
        if not one["passed"] and one.get("blocking", True)
    )  # fmt: skip
    return Retrained(version, promotion.promoted, unmet)


def _trained_on(registry: Registry, settings: Settings, snapshot: str) -> str | None:
    """Return the version that was trained on a snapshot in a week with the same settings."""
    wanted = json.loads(json.dumps(effective(settings) | {"snapshot": snapshot}))
    for version, entry in reversed(registry.read().versions.items()):
        if entry.snapshot == snapshot and entry.message == MESSAGE:
            manifest = registry.open(version).manifest
            if manifest["settings"] == wanted:
                return version
    return None
