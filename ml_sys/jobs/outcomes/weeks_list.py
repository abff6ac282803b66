"""The list of a week: its first calls, and what changed since the list before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data import snapshot as snapshots
from ml_sys.outcomes import store
from ml_sys.report.week import Call, SinceLast, WeeksList
from ml_sys.scoring.rule_scorer import RULE_SCORE

if TYPE_CHECKING:
    from ml_sys.jobs.lists.listed import Listed
    from ml_sys.settings import Settings


def weeks_list(settings: Settings, listed: Listed) -> WeeksList:
    """Gather a list's first calls, and what changed since the list before, for a summary."""
    handed_out, scored = listed.handed_out, listed.scored
    assert handed_out is not None  # noqa: S101 - the caller has seen to it
    to_call = scored.head(handed_out.called)
    table = to_call.head(settings.score.top)
    score = table[RULE_SCORE].tolist() if RULE_SCORE in table else [None] * len(table)
    columns = (table["id"].tolist(), table["probability"].tolist(), table["tier"].tolist(), score)
    first = tuple(
        Call(
            company,
            probability,
            tier,
            tuple(one.text for one in (scored.reasons[at : at + 1] or ((),))[0]),
            by_rule,
        )
        for at, (company, probability, tier, by_rule) in enumerate(zip(*columns, strict=True))
    )
    return WeeksList(
        handed_out.listed,
        handed_out.recorded,
        handed_out.called,
        float(to_call["probability"].sum(skipna=False)),
        first,
        _since(settings, set(to_call["id"]), handed_out.listed.cutoff),
        scored.notes + scored.warnings,
        listed.out,
    )


def _since(settings: Settings, called: set[str], cutoff: int) -> SinceLast | None:
    with store.opened_store(settings) as opened:
        before = opened.lists(until=cutoff - 1)
        if not before:
            return None
        entries = opened.entries([before[-1].list_id], only_called=True)
    gone = set(entries["entity_id"]) - called
    again = len(entries) - len(gone)
    latest = snapshots.everyone(settings.artifacts_dir)
    closed = latest.days_by_name(gone)
    paid = sum(before[-1].cutoff <= closed.get(name, -1) <= latest.as_of for name in gone)
    return SinceLast(before[-1].list_id, len(called) - again, again, len(gone), paid)
