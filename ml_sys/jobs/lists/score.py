"""From a prospects file to a ranked list on disk: the edge around :mod:`ml_sys.scoring`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data import snapshot
from ml_sys.data.coverage import Coverage
from ml_sys.data.snapshot_writing import keep_quarantine
from ml_sys.days import today
from ml_sys.engine.mapping import Engine
from ml_sys.engine.places import place_of
from ml_sys.errors import SnapshotError, StorageError, UnreadableFileError, UsageError
from ml_sys.jobs.lists.comparing import with_history
from ml_sys.jobs.lists.handing_out import (
    Handing,
    called_lately,
    hand_out,
    reach,
    waiting,
    whom_to_call,
    with_controls,
)
from ml_sys.jobs.lists.listed import Listed, ListRequest
from ml_sys.jobs.lists.paid_since import NOBODY, Payers, payers, with_warning
from ml_sys.metrics.money import Worth, worth_of
from ml_sys.registry.loading import load_scorer
from ml_sys.scoring.batch import score_companies, score_ready
from ml_sys.scoring.cooldown import WEEK_DAYS
from ml_sys.scoring.excluded import read_excluded
from ml_sys.scoring.from_snapshot.by_part import score_free
from ml_sys.scoring.from_snapshot.free import all_free, covered_by, free_day, usage_of
from ml_sys.scoring.prospects import NO_CLOCK, ProspectTable, Ready, read_prospects
from ml_sys.scoring.ranking import plan_capacity, write_pages
from ml_sys.scoring.reasons import check_reasons
from ml_sys.scoring.scored_list import ListOptions
from ml_sys.settings.description import local_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_sys.jobs.lists.handing_out import HandedOut
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scored_list import ScoredList
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import Settings


def score_prospects(
    registry: Registry,
    version: str | None,
    settings: Settings,
    asked: ListRequest,
    *,
    on_step: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
) -> Listed:
    """Score prospects, write the list, and hand it out if the settings say so.

    See :func:`score_file` for arguments and errors; a StorageError means that the list cannot be written. By
    default the version is the one in production, or else the latest.

    Raises
    ------
    OtherListError
        If another list of the same day was handed out, and this one may not replace it.
    """
    calls = settings.threshold.capacity if asked.capacity is None else asked.capacity
    version = registry.resolve(version)
    scored = score_file(registry, version, settings, asked, capacity=calls, on_step=on_step, now=now)
    scored = with_history(settings, scored)
    handed_out: HandedOut | None = None
    unrecorded = None
    if settings.score.hand_out and len(scored):
        horizon = int(registry.open(version).manifest["horizon_days"])
        handing = Handing(scored, version, horizon, calls, asked.replace_other, asked.reason)
        on_step("recording the list")
        try:
            handed_out = hand_out(settings, handing, now or datetime.now(UTC))
        except StorageError as error:  # the list is there and is shown first
            unrecorded = StorageError(f"the list is not recorded: {error.message}", hint=error.hint)
    if settings.score.cooldown_weeks and not settings.score.hand_out:
        unknown = "later lists will not know of this one unless you hand it out with --hand-out"
        scored = replace(scored, notes=(*scored.notes, unknown))
    if asked.out is not None or asked.with_controls is not None:
        on_step("writing the list")
    everyone = scored.probability
    if handed_out is not None:
        if asked.with_controls is not None:
            write_pages(partial(with_controls, scored, handed_out.drawn), asked.with_controls)
        if settings.experiment.design != "none":
            everyone = everyone[np.argsort(~handed_out.drawn.selected, kind="stable")]
            scored = whom_to_call(scored, handed_out.drawn)
    plan = worth = None
    if asked.capacity is not None:
        probability, confidence = everyone, settings.bootstrap.confidence
        plan = plan_capacity(probability, asked.capacity, confidence)
        worth = worth_of_top(scored, asked.capacity, settings)
    if asked.out is not None:
        write_pages(lambda: scored.pages(keep_order=asked.keep_order), asked.out)
    kept, unkept = keep_rejects(scored, settings.artifacts_dir)
    return Listed(
        scored,
        settings.score.top,
        plan,
        worth,
        asked.out,
        with_controls=asked.with_controls,
        kept=kept,
        unkept=unkept,
        handed_out=handed_out,
        unrecorded=unrecorded,
    )


def score_file(
    registry: Registry,
    version: str,
    settings: Settings,
    asked: ListRequest,
    *,
    capacity: int,
    on_step: Callable[[str], None],
    now: datetime | None = None,
) -> ScoredList:
    """Score a file of prospects with a version.

    Parameters
    ----------
    capacity : int
        Number of companies to call; as many get reasons, unless the settings say otherwise.
    on_step : callable
        Called with the name of each step as it begins.
    now : datetime, optional
        Time-zone aware. Usage dated later does not move the cutoff.

    Raises
    ------
    InputError
        If a file cannot be used.
    SnapshotError
        If there is neither a usage file nor a snapshot.
    """
    on_step("loading the model")
    scorer = load_scorer(registry, version)
    if settings.score.reasons:
        check_reasons(scorer)
    return score_by(scorer, version, settings, asked, capacity=capacity, on_step=on_step, now=now)


def score_by(
    scorer: Scorer,
    version: str,
    settings: Settings,
    asked: ListRequest,
    *,
    capacity: int,
    on_step: Callable[[str], None],
    now: datetime | None = None,
) -> ScoredList:
    """Score prospects with a loaded scorer; see :func:`score_file`."""
    prospects, usage, as_of, chosen = asked.prospects, asked.usage, asked.as_of, settings.score
    on_step("reading prospects")
    known = _latest(settings.artifacts_dir)
    calls = capacity or settings.threshold.capacity

    def who_paid(cutoff: int) -> Payers:
        is_latest = known is not None and cutoff >= (covered_by(known, scorer.spec) or cutoff)
        at = now or datetime.now(UTC)
        return payers(settings, known if is_latest else None, cutoff, at, anew=asked.replace_other)

    read: ProspectTable | Ready
    if prospects is None:
        everyone = snapshot.everyone(settings.artifacts_dir) if known is None else known
        day = free_day(everyone, scorer.spec, as_of)
        if usage is None:
            on_step("scoring")
            cutoff = _cutoff(covered_by(everyone, scorer.spec) if as_of is None else as_of, asked, settings)
            paid = who_paid(cutoff)
            wanted = _asked(settings, version, cutoff, capacity, paid)
            engine = Engine.of(settings.engine, partial(_own_code, settings)).for_parts(len(everyone.parts))
            sent = replace(everyone, parts=everyone.parts.shared(engine.storage))
            each = None if engine.is_here else engine.each
            return with_warning(score_free(scorer, sent, wanted, day, each), paid, reach(settings, calls))
        read = all_free(everyone, day)
    else:
        read = read_prospects(prospects, settings.schema_, scorer.spec)
    if isinstance(read, Ready):
        end = as_of if as_of is not None or known is None else covered_by(known, scorer.spec)
        if end is None and (chosen.cooldown_weeks or chosen.hand_out):
            raise UsageError(
                "there is no usage to take the list's day from, under which it is recorded",
                hint="give the day with --as-of DATE",
            )
        day, paid = (0, NOBODY) if end is None else (end, who_paid(end))
        ranked = score_ready(scorer, read, _asked(settings, version, day, capacity, paid))
        return with_warning(ranked, paid, reach(settings, calls))
    on_step("reading usage")
    ids = read.rows.ids
    if usage is not None:
        from ml_sys.scoring.usage_file import read_usage  # with what ingests tables, for few lists

        coverage = Coverage(scorer.spec.period, settings.ingest.min_coverage)
        schema = settings.schema_
        not_after = NO_CLOCK if now is None else today(local_time(now, schema.time_zone))
        rows = read_usage(usage, schema, ids, coverage, not_after=not_after, wanted=scorer.spec.form)
    elif known is not None:
        rows = usage_of(known, ids, scorer.spec)
    else:
        raise SnapshotError(
            f"{settings.artifacts_dir}: there is no snapshot to take usage from",
            hint="run `mlsys ingest` first, or give a usage file with --usage FILE",
        )
    cutoff = _cutoff(rows.covered_until if as_of is None else as_of, asked, settings)
    customers = {} if known is None else _customers(known)
    on_step("scoring")
    paid = who_paid(cutoff)
    wanted = _asked(settings, version, cutoff, capacity, paid)
    ranked = score_companies(scorer, read, rows, wanted, customers=customers)
    return with_warning(ranked, paid, reach(settings, calls))


def worth_of_top(scored: ScoredList, capacity: int, settings: Settings) -> Worth | None:
    """Estimate what the first companies of a list are worth a month; None if no money is known."""
    known = _latest(settings.artifacts_dir)
    if known is None:
        return None
    paid = known.value[known.customers]
    if np.isnan(paid).all():
        return None
    return worth_of(
        scored.probability[:capacity],
        paid[~np.isnan(paid)],
        resamples=settings.bootstrap.resamples,
        confidence=settings.bootstrap.confidence,
        seed=settings.seed,
    )


def keep_rejects(scored: ScoredList, artifacts_dir: Path) -> tuple[Path | None, str]:
    """Write the rejected rows; return their file, None without any, and why it could not be written."""
    if not scored.quarantine.num_rows:
        return None, ""
    try:
        return keep_quarantine(scored.quarantine, artifacts_dir), ""
    except SnapshotError as error:
        return None, error.message


def _asked(settings: Settings, version: str, cutoff: int, capacity: int, paid: Payers) -> ListOptions:
    chosen = settings.score
    listed = None
    if chosen.cooldown_weeks:
        since = cutoff - WEEK_DAYS * chosen.cooldown_weeks
        listed = called_lately(settings, after=since, before=cutoff)
    return ListOptions(
        version,
        cutoff,
        chosen.stale_days,
        chosen.reasons,
        chosen.reasons_top or reach(settings, capacity),
        listed,
        chosen.cooldown_weeks,
        waiting(settings, cutoff),
        read_excluded(place_of(chosen.exclude), settings.schema_) if chosen.exclude else (),
        paid.out,
    )


def _cutoff(day: int | None, asked: ListRequest, settings: Settings) -> int:
    """Return the day of a list, from the request or the usage."""
    if day is not None:
        return day
    place = asked.prospects if asked.usage is None or isinstance(asked.usage, Mapping) else asked.usage
    raise UnreadableFileError(
        str(place or settings.artifacts_dir), "no usage row to take a cutoff from", hint="give --as-of DATE"
    )


def _own_code(settings: Settings) -> dict[str, str]:
    from ml_sys.experiments.cache import own_code  # only a cluster asks for it

    return own_code(settings)


def _latest(artifacts_dir: Path) -> snapshot.Everyone | None:
    return snapshot.everyone(artifacts_dir) if snapshot.exists(artifacts_dir) else None


def _customers(known: snapshot.Everyone) -> dict[str, int]:
    paid = np.flatnonzero(known.customers)
    return dict(zip(known.named(paid), known.closed[paid].tolist(), strict=True))
