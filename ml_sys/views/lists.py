"""The lists that were handed out, and one of them with what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.text import date_of, is_rule, named

if TYPE_CHECKING:
    from ml_sys.jobs.lists.records import Company, Overview, Overviews, Shown


def lists(found: Overviews) -> None:
    """Show which lists were handed out."""
    if not found.lists:
        console.line("No list was handed out yet.")
        console.note("hand one out with mlsys score FILE --hand-out")
        return
    rows = [
        (
            one.listed.list_id,
            one.listed.version,
            one.listed.made_at[:10],
            f"{one.listed.prospects:,}",
            one.called,
            date_of(one.listed.cutoff + one.listed.horizon_days),
            "replaced" if one.listed.replaced_by else "yes" if one.mature else "no",
            _converted(one),
        )
        for one in found.lists
    ]
    columns = (
        "list", "version", "handed out", found.words.entity.many, "to call", "matures on", "mature",
        "converted",
    )  # fmt: skip
    console.table("Lists that were handed out", columns, rows, left=3, texts=("matures on", "mature"))
    if not all(one.mature for one in found.lists):
        console.note("for a list that is not mature, conversions are those known so far")


def shown(one: Shown) -> None:
    """Show a list and what came of the companies on it."""
    listed = one.overview.listed
    by_rule = is_rule(listed.version)
    rows: list[tuple[object, ...]] = [
        (company.entry.rank, company.entry.entity_id,
         *(() if by_rule else (f"{company.entry.probability:.2%}", company.entry.tier)),
         _role(company), _came(company), _reasons(company))
        for company in one.companies
    ]  # fmt: skip
    title = (
        f"List {listed.list_id}: {named(listed.version)}, as of {date_of(listed.cutoff)}, "
        f"{one.words.entity.counted(one.overview.called)} to call"
    )
    columns = ["rank", "id", *([] if by_rule else ["probability", "tier"]), "", "outcome", "reasons"]
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    console.table(title, columns, rows, left=0, texts=("", "outcome", "reasons"))
    if listed.replaced_by:
        console.warn(f"it no longer counts: {listed.replaced_by} replaced it")
    if listed.reason:
        console.note(f"it replaced another list for the same day: {listed.reason}")
    if not one.overview.mature:
        console.note(f"its outcome will be known on {date_of(listed.cutoff + listed.horizon_days)}")


def _converted(one: Overview) -> str:
    return f"{one.converted}" if one.mature else f"{one.converted} so far"


def _role(company: Company) -> str:
    return "to call" if company.entry.selected else company.entry.group or "not to call"


def _came(company: Company) -> str:
    return company.came if company.paid_on is None else f"paid on {date_of(company.paid_on)}"


def _reasons(company: Company) -> str:
    return "\n".join(f"{one['direction']}: {one['text']}" for one in company.entry.reasons)
