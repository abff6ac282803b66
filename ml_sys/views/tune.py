"""What a search found, and how much of its gain comes only from picking the best trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.settings.writing import literal
from ml_sys.text import counted, date_of, signed
from ml_sys.views.frame.cells import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.experiments.selection import Gain
    from ml_sys.jobs.past.tune import Search

_SHOWN_TRIALS = 5
_DIGITS = 4


def tuned(search: Search) -> None:
    """Show the best trials beside the current settings, the gain, what mattered, and what to do next."""
    result, written = search.tuned, search.written
    first, last = date_of(result.cutoffs[0]), date_of(result.cutoffs[-1])
    in_force = next(one for one in result.trials if one.number == 0)
    best = [one for one in result.trials if one.number != 0][:_SHOWN_TRIALS]
    rows = [
        (
            one.number,
            number(one.value, _DIGITS),
            signed(one.value - in_force.value, _DIGITS, plus=True) if one.number else None,
            f"{min(one.values):.{_DIGITS}f} to {max(one.values):.{_DIGITS}f}",
            _changed(one.changed) if one.number else "the current settings",
        )
        for one in (in_force, *best)
    ]
    console.table(
        "The best trials",
        ("trial", "mean average precision", "gain", "over the cutoffs", "changes"),
        rows,
        texts=("changes",),
        caption=f"{counted(len(result.cutoffs), 'cutoff')} from {first} to {last}, all before the holdout; "
        f"{counted(len(result.trials), 'trial')} judged on all of them, {result.pruned} stopped early",
    )
    console.line(said_of(result.gain))
    if result.importance:
        console.table(
            "What mattered",
            ("setting", "share of the spread"),
            [(name, f"{share:.1%}") for name, share in result.importance.items()],
            caption="among the better trials (PED-ANOVA); small differences mean nothing",
        )
    else:
        console.note("what mattered: too few trials to say")
    if written is not None:
        console.line(f"Written: {written}; train with it: mlsys --config {written} train")


def said_of(gain: Gain) -> str:
    """Say how much of the gain held up on cutoffs that played no part in choosing."""
    found, held = gain.best - gain.in_force, gain.nested - gain.in_force
    if found <= 0:
        return "No trial was better than the current settings."
    start = f"The best trial gains {found:.{_DIGITS}f} over the current settings; "
    if held <= 0:
        return start + (
            f"chosen without the cutoff that judges it, none of that is left "
            f"({signed(held, _DIGITS, plus=True)}): "
            "the gain comes from choosing alone."
        )
    return start + (
        f"chosen without the cutoff that judges it, {held:.{_DIGITS}f} is left, "
        f"so that {gain.selection:.{_DIGITS}f} comes only from choosing."
    )


def _changed(changed: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{key.rpartition('.')[2]} left out"
        if value is None
        else f"{key.rpartition('.')[2]} {literal(value)}"
        for key, value in changed.items()
    )
