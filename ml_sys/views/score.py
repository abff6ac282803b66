"""A ranked list, and what calling it should bring in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.scoring.ranking import REASON
from ml_sys.scoring.rule_scorer import BY_A_MODEL, RULE_SCORE
from ml_sys.text import counted, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ml_sys.form import Noun
    from ml_sys.jobs.lists.handing_out import HandedOut
    from ml_sys.jobs.lists.listed import Listed
    from ml_sys.scoring.ranking import CapacityPlan

# Width that reasons need beside the other columns; with less room they are shown below the table.
_LEAST_REASON = 24
# Columns that the terminal shows if the list has them: heading, and how to write a value.
_SHOWN: dict[str, tuple[str, Callable[[Any], str]]] = {
    "rank": ("rank", str),
    "id": ("id", str),
    RULE_SCORE: ("score", "{:,.6g}".format),
    "probability": ("probability", "{:.2%}".format),
    "tier": ("tier", str),
    "will_convert": ("will convert", lambda value: "yes" if value else "no"),
    "since_last_week": ("change", str),
    "listed_on": ("listed on", str),
}


def scored(listed: Listed) -> None:
    """Show the top of a ranked list, and what calling it should bring in."""
    result, shown = listed.scored, listed.shown
    if shown:
        first = result.head(shown)
        by_rule = RULE_SCORE in first
        present = [name for name in _SHOWN if name in first and not (by_rule and name in BY_A_MODEL)]
        columns = [_SHOWN[name][0] for name in present]
        rows = [
            [_SHOWN[name][1](value) for name, value in zip(present, row, strict=True)]
            for row in first[present].itertuples(index=False)
        ]
        told = _reasons(first) if result.reasons else []
        beside = console.fits(columns, rows, _LEAST_REASON)
        if told and beside:
            columns.append("reasons")
            rows = [[*row, one] for row, one in zip(rows, told, strict=True)]
        version, cutoff = first["model_version"].iloc[0], first["cutoff"].iloc[0]
        made_by = version if by_rule else f"model {version}"
        title = f"Top {len(first)} of {counted(len(result), 'prospect')}, {made_by}, as of {cutoff}"
        console.table(title, columns, rows, left=0, texts=("reasons",), whole=("id",))
        if told and not beside:
            for rank, one in zip(first["rank"], told, strict=True):
                for at, text in enumerate(one.splitlines()):
                    console.line(f"{'' if at else rank:>4}  {text}")
    if listed.plan is not None:
        capacity(listed.plan)
    if listed.worth is not None:
        worth, words = listed.worth, result.words
        console.line(
            f"If they convert as promised and pay what {words.customer.many} pay on average: "
            f"{worth.expected:,.0f} {words.value}, {worth.low:,.0f} to {worth.high:,.0f} (an estimate)"
        )
    for text in result.notes:
        console.note(f"note: {visible(text)}")
    for text in result.warnings:
        console.warn(text)
    if listed.kept is not None:
        console.note(f"rejected rows, with their reasons: {listed.kept}")
    if listed.handed_out is not None:
        console.note(handed_out(listed.handed_out, result.words.entity))
        if listed.handed_out.later and listed.handed_out.recorded != "same":
            console.warn(
                f"list {listed.handed_out.later} of a later day is out: who waits or cools down after that "
                "one is not spared by this one"
            )
    if listed.with_controls is not None:
        console.line(f"Written, for the analyst: {listed.with_controls}")
    if listed.out is not None:
        console.line(f"Written: {listed.out} ({counted(len(result), 'row')})")


def _reasons(table: pd.DataFrame) -> list[str]:
    """Return the reasons of each row, one below the other."""
    told = table[[name for name in table if str(name).startswith(REASON)]].to_numpy().tolist()
    return ["\n".join(visible(text) for text in one if text) for one in told]


def handed_out(one: HandedOut, entity: Noun) -> str:
    """Say what happened to a list that was handed out."""
    name, calls = one.listed.list_id, entity.counted(one.called)
    if one.recorded == "same":
        return f"list {name} was already handed out on {one.listed.made_at[:10]} and is unchanged"
    told = f"handed out as list {name}: {calls} to call"
    if one.recorded == "new":
        return told
    return f"{told}, replacing the one before ({one.listed.reason})"


def capacity(plan: CapacityPlan) -> None:
    """Show what the top of a list is expected to bring."""
    console.table(
        f"Calling the first {plan.calls}: {plan.expected:.1f} conversions expected, "
        f"{plan.low} to {plan.high} with {plan.confidence:.0%} confidence if the probabilities hold",
        ("stop after", "expected", "left uncalled"),
        [(stop.calls, f"{stop.expected:.2f}", f"{stop.lost:.2f}") for stop in plan.stops],
        left=0,
        caption=f"that is {plan.share:.0%} of the conversions expected in the whole list",
    )
