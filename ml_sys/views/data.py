"""What a sample holds, and what an ingest took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.settings.loading import DEFAULT_FILE
from ml_sys.views.frame.cells import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.data.judging.checking import DescriptionCheck
    from ml_sys.jobs.data.forget import Forgotten
    from ml_sys.jobs.data.init import Initiated
    from ml_sys.sample.generator import SampleReport
    from ml_sys.sample.product.generator import ProductReport


def sampled(report: SampleReport | ProductReport) -> None:
    """Show what was generated."""
    faults = [f"{count} {kind}" for kind, count in report.anomalies.items() if count]
    console.table(
        f"Sample in {report.folder}",
        ("file", "rows"),
        [(file, f"{rows:,}") for file, rows in report.rows.items()],
        caption=f"{report.monthly_rate:.2%} of free {report.entities} pay within 30 days; faults added: "
        + (", ".join(faults) or "none"),
    )


def ingested(report: IngestReport) -> None:
    """Show what an ingest accepted and what it quarantined."""
    rows: list[Sequence[object]] = []
    for name, one in report.tables.items():
        days = f"{one.first_day} to {one.last_day}" if one.first_day else None
        merged, rejected = sum(one.merged.values()), sum(one.rejected.values())
        rows.append((name, days, f"{one.read:,}", f"{one.accepted:,}", f"{merged:,}", f"{rejected:,}"))
    known = "new" if report.is_new else "recognised: the same content was ingested before"
    columns = ("table", "dates", "read", "accepted", "merged", "rejected")
    console.table(f"Snapshot {report.id} ({known}), as of {report.as_of}", columns, rows, left=2)
    reasons = [
        (name, reason, f"{count:,}")
        for name, one in report.tables.items()
        for reason, count in [*one.rejected.items(), *one.merged.items()]
    ]
    if reasons:
        console.table(
            "Rejected or merged, by reason; all in quarantine", ("table", "reason", "rows"), reasons, left=2
        )
    months: list[Sequence[object]] = [
        (
            m.month,
            f"{m.free:,}",
            m.conversions,
            percent(m.rate),
            f"{m.active:,}",
            m.active_conversions,
            percent(m.active_rate),
        )
        for m in report.conversion
    ]
    free = f"free {report.words.entity.many}"
    heads = ("month", free, "conversions", "rate", "seen in usage", "conversions", "rate")
    console.table("Conversion by month", heads, months)
    for text in report.notes:
        console.note(f"note: {text}")
    for text in report.warnings:
        console.warn(text)
    console.line(f"Written: {report.path}" if report.is_new else f"Kept: {report.path}")


def described(made: Initiated) -> None:
    """Show a proposed description."""
    rows = [(one.name, one.kind, one.location, one.why) for one in made.tables]
    console.table("What is in the files", ("table", "kind", "file", "why"), rows, left=4)
    if made.left_out:
        left = [(one.where, one.reason) for one in made.left_out]
        console.table("Left out", ("column or table", "reason"), left, left=2)
    for text in made.notes:
        console.note(f"note: {text}")
    console.line(
        f"{made.converters:,} of {made.entities:,} converted, {made.first_day:,} of them on their first day. "
        f"Attributes: {', '.join(made.attributes) or 'none'}."
    )
    console.line(f"Written: {made.out}. Read it: the reason for every choice is beside it.")


def initiated(made: Initiated) -> None:
    """Show what an ingest by the description took, and the two commands that come next."""
    if made.ingested:
        ingested(made.ingested)
    config = "" if made.out == DEFAULT_FILE else f" --config {made.out}"
    console.line("Next:")
    console.line(f"  mlsys train{config}")
    console.line(f"  mlsys score{config}")


def checked(found: DescriptionCheck) -> None:
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
    for text in found.notes:
        console.note(text)
    for text in found.thin:
        console.note(f"thin: {text}")
    if found.has_leak:
        console.warn("a model would learn what is known only after paying: take it out of the description")
    elif not found.problems:
        console.line("Nothing in the description leaks, as far as the values show.")


def forgotten(done: Forgotten) -> None:
    """Show where a company was removed, where it must stay, and how to carry on without it."""
    from ml_sys.jobs.data.forget import (  # with the server, which the other views need not
        LOG,
        SNAPSHOT,
        VERSION,
    )

    if done.removed:
        title = "Would be removed" if done.dry_run else "Removed"
        rows = [(place.kind, place.path, place.found) for place in done.removed]
        console.table(f"{title}: {done.company!r}", ("from", "file", "rows"), rows, left=2)
    else:
        console.line(f"Nothing that can be changed contains {done.company!r}.")
    if done.kept:
        rows = [(place.kind, place.path, place.found) for place in done.kept]
        console.table("Never changed, but contains it", ("", "where", "rows"), rows, left=2)
        kinds = {place.kind for place in done.kept}
        if kinds & {SNAPSHOT, VERSION}:
            console.line(
                "To carry on without it, remove it from the tables, then run: mlsys ingest, mlsys train, "
                "mlsys promote VERSION. Then delete these folders by hand; mlsys verify will miss a version."
            )
        if LOG in kinds:
            console.line("Your own prediction log has no method forget(company): remove it there yourself.")
    for place in done.failed:
        console.warn(f"{place.kind} {place.path}: could not be read or changed: {place.problem}")
    if done.failed:
        console.note("fix what is named, and run the same command again")
    console.note("files written elsewhere, for example with --out, are yours to change")
