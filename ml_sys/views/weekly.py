"""How a week looks in the terminal: what came in, what rings, whom to call, what lists brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.report.impact_sentences import headline as effect_sentence
from ml_sys.report.impact_sentences import last_matured, matured_sentence
from ml_sys.report.monitoring_sentences import headline, sentence
from ml_sys.report.week import (
    calls,
    data_sentence,
    list_sentence,
    retrained_sentence,
    since_sentence,
)
from ml_sys.text import visible

if TYPE_CHECKING:
    from ml_sys.form import Noun
    from ml_sys.report.week import Week, WeeksList


def week(found: Week) -> None:
    """Show what a week brought."""
    console.line(data_sentence(found))
    for text in found.ingested.warnings:
        console.warn(text)
    console.line(headline(found.monitoring))
    for one in found.monitoring.alarms:
        console.line(f"  {sentence(one)}")
    if found.listed is not None:
        _calls(found.listed, found.words.entity)
    elif found.monitoring.alarms:
        console.line("No list was made: an alarm rings, and weekly.stop_on_alarm is set.")
    console.line(list_sentence(found))
    if found.listed is not None and found.monitoring.alarms:
        console.warn("the list is handed out all the same: check the alarms before anyone calls")
    if found.listed is not None:
        console.line(since_sentence(found.listed.since, found.words.entity))
    if found.impact is not None:
        last = last_matured(found.impact)
        if last is not None:
            console.line(matured_sentence(last))
        console.line(effect_sentence(found.impact))
    if found.retrained is not None:
        console.line(retrained_sentence(found.retrained))
    out = None if found.listed is None else found.listed.out
    for path in (out, found.page, found.summary):
        if path is not None:
            console.line(f"Written: {path}")


def _calls(listed: WeeksList, entity: Noun) -> None:
    console.table(
        f"The first {len(listed.first)} of {entity.counted(listed.called)} to call",
        *calls(listed, entity, "\n"),
        texts=("why",),
    )
    for text in listed.notes:
        console.note(f"note: {visible(text)}")
