"""What was made of files, what was left out and why, and what to run next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.settings.loading import DEFAULT_FILE
from ml_sys.views import data
from ml_sys.views.frame.cells import percent

if TYPE_CHECKING:
    from ml_sys.data.judging.checking import Checked
    from ml_sys.jobs.data.init import Initiated


def described(made: Initiated) -> None:
    """Show the description that is proposed."""
    rows = [(one.name, one.kind, one.location, one.why) for one in made.tables]
    console.table("What the files are", ("table", "kind", "file", "why"), rows, left=4)
    if made.left_out:
        left = [(one.where, one.reason) for one in made.left_out]
        console.table("Left out", ("column or table", "reason"), left, left=2)
    for text in made.notes:
        console.note(f"note: {text}")
    console.line(
        f"{made.converters:,} of {made.entities:,} converted, {made.first_day:,} of them on their first day. "
        f"Attributes: {', '.join(made.attributes) or 'none'}."
    )
    console.line(f"Written: {made.out}. Read it: every choice has its reason beside it.")


def ingested(made: Initiated) -> None:
    """Show what an ingest by the description took, and the two commands that come next."""
    if made.ingested:
        data.ingested(made.ingested)
    config = "" if made.out == DEFAULT_FILE else f" --config {made.out}"
    console.line("Next:")
    console.line(f"  mlsys train{config}")
    console.line(f"  mlsys score{config}")


def checked(found: Checked) -> None:
    """Show what was found about a description."""
    rows = [
        (
            one.name,
            one.kind,
            f"{one.first_day} to {one.last_day}" if one.first_day else None,
            f"{one.rows:,}",
            None if one.known is None else percent(one.known),
        )
        for one in found.tables
    ]
    console.table("Tables", ("table", "kind", "dates", "rows", "ids known"), rows, left=3)
    months = [(one.month, f"{one.free:,}", one.conversions, percent(one.rate)) for one in found.months]
    known = found.known
    console.table(
        "Conversion by month",
        ("month", "free", "conversions", "rate"),
        months,
        caption=f"{known.converters:,} of {known.entities:,} converted; {known.first_day:,} on their first "
        "day, which are set aside and not counted here",
    )
    if found.verdicts:
        verdicts = [(one.where, "leak" if one.sure else "look at it", one.reason) for one in found.verdicts]
        console.table("Looks known only after paying", ("column or table", "", "why"), verdicts, left=3)
    for text in found.problems:
        console.warn(text)
    for text in found.thin:
        console.note(f"thin: {text}")
    if found.has_leak:
        console.warn("a model would learn what is known only after paying: take it out of the description")
    elif not found.problems:
        console.line("Nothing in the description leaks, as far as its values show.")
