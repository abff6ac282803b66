"""The sections about where a version comes from: canaries, data, settings and lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.names import label, named
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.numbers import NONE, percent, spread, text
from ml_sys.report.page import Section, Table
from ml_sys.report.sentences import of_sample
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.report.evidence import Evidence


_COMPARED = ("average_precision", "roc_auc", "precision_at_10", "recall_at_50", "calibration_error", "brier")


def trust(evidence: Evidence) -> Section:
    """Show the leak canaries."""
    table = Table(
        "Leak canaries",
        ("canary", "outcome", "what was found"),
        tuple((one.name, one.status, one.sentence()) for one in evidence.canaries),
    )
    failed = sum(one.status == "failed" for one in evidence.canaries)
    warned = sum(one.status == "warned" for one in evidence.canaries)
    told = (
        f"{counted(failed, 'canary', 'canaries')} failed: "
        "the model knows what it could not know on the day it is used."
        if failed
        else "No canary failed"
        + (
            f"; {counted(warned, 'canary warns', 'canaries warn')}."
            if warned
            else ": nothing was found that looks ahead."
        )
    )
    return Section("canaries", "Does it look ahead?", (told,), tables=(table,))


def data(evidence: Evidence) -> Section:
    """Show what the snapshot is made of."""
    title, found = "What is it made of?", evidence.quality
    if found is None:
        return Section("data", title, ("Not in this report: the snapshot is not available.",))
    rows = []
    for name, reasons in found.quarantined.items():
        out, read = sum(reasons.values()), found.read.get(name)
        said = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items()) or "none"
        rows.append(
            (
                name,
                NONE if read is None else f"{read:,}",
                NONE if read is None else f"{read - out:,}",
                f"{out:,}",
                said,
            )
        )
    words = evidence.words
    blanks = tuple((name, percent(paid), percent(others)) for name, paid, others in found.blanks)
    return Section(
        "data",
        title,
        (
            f"{words.entity.counted(found.companies)}, {words.customer.counted(found.customers)} "
            f"among them, and {counted(found.usage_rows, 'usage row')}; "
            f"usage through {evidence.data_through}.",
        ),
        tables=(
            Table("Rows that came in", ("table", "read", "accepted", "set aside", "why"), tuple(rows)),
            Table("Share of blanks", ("column", words.customer.many, "the others"), blanks),
        ),
    )


def origin(evidence: Evidence) -> tuple[Section, Section, Section]:
    """Show what changed since the last version, the settings and the lineage."""
    changed = tuple(
        (key, text(value), text(default)) for key, (value, default) in evidence.set_otherwise.items()
    )
    tables = (Table("Settings that differ from the default", ("setting", "here", "default"), changed),)
    every = Table(
        "Every setting", ("setting", "value"), tuple((k, text(v)) for k, v in evidence.settings.items())
    )
    said = f"The author says: {evidence.message}" if evidence.message else "The author left no message."
    fit = evidence.fit
    return (
        _since(evidence),
        Section(
            "settings",
            "How was it configured?",
            () if changed else ("Every setting has its default value.",),
            tables=tables if changed else (),
            folded=(every,),
        ),
        Section(
            "lineage",
            "Where does it come from?",
            (
                said,
                f"Trained on {counted(fit['rows'], 'row')} with {counted(fit['positives'], 'conversion')} "
                f"of {evidence.words.entity.counted(fit['companies'])}, cutoffs {fit['cutoffs'][0]} to "
                f"{fit['cutoffs'][-1]}; judged on {', '.join(evidence.holdout['cutoffs'])}.",
                *filter(None, [of_sample(fit, evidence.words.entity)]),
                "The same snapshot, settings and packages give the same model, byte for byte.",
            ),
            tables=(Table("Lineage", ("what", "which"), _lineage(evidence.lineage)),),
        ),
    )


def _since(evidence: Evidence) -> Section:
    title, parent = "What changed since the last version?", evidence.parent
    if parent is None:
        return Section("changes", title, ("This is the first version, or its parent is not available.",))
    ours, theirs = evidence.evaluation[ALL][MODEL], parent.evaluation[ALL][MODEL]
    rows = tuple(
        (label(key), *(spread(one.get(key), named(key).digits) for one in (theirs, ours)))
        for key in _COMPARED
    )
    same = (
        "Both were evaluated on the same rows, so the figures can be compared."
        if parent.same_holdout
        else "They were evaluated on different rows, so differences may come from the days."
    )
    return Section(
        "changes",
        title,
        (f"Since version {parent.version}: {evidence.changes}.", same),
        tables=(Table("Compared with its parent", ("metric", parent.version, evidence.version), rows),),
    )


def _lineage(made: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    schema, git = made["feature_schema"], made["git"]
    commit = f"{git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git else "not known"
    return (
        ("follows version", made["parent"] or "none, it is the first"),
        ("snapshot", made["snapshot"]),
        ("feature schema", f"{schema['hash'][:16]}, {schema['features']} features"),
        ("seed", str(made["seed"])),
        ("code", commit),
        ("Python", made["python"]),
        ("platform", made["platform"]),
        ("processor", made["cpu"] or "not known"),
        ("packages", ", ".join(f"{name} {version}" for name, version in made["packages"].items())),
    )
