"""The page of a monitoring: what rings, every check, promises, challengers and the features that moved."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from ml_sys.form import PLAIN_WORDS
from ml_sys.report.monitoring_sentences import amount, headline, sentence
from ml_sys.report.page import Page, Section, Table, Tile, missing_section
from ml_sys.report.rendering import as_html
from ml_sys.text import likely

if TYPE_CHECKING:
    from ml_sys.form import Words
    from ml_sys.outcomes.monitoring import Challenger, Check, Matured, Monitoring

_TITLES = {
    "arrival": "Have the data arrived?",
    "inputs": "Do companies look as they used to?",
    "scores": "Do they rank as they used to?",
    "outcomes": "Did as many convert as promised?",
    "age": "How old is the version?",
}
_FEATURES = 40
_WORDS = (
    ("challenger", "Another version that scores the same companies, and is not in production."),
    ("effect", "How far what is seen lies from the reference; the larger, the further."),
    ("p", "How often chance alone would do as much, adjusted for all checks of its kind."),
    ("reference", "The last list that the version was judged on, and what was usual before."),
    ("stability index", "How far a distribution has moved: 0 is nowhere, 0.25 and more is far."),
)


def monitoring_page(found: Monitoring, words: Words = PLAIN_WORDS) -> str:
    """Return a monitoring as HTML, the same for the same findings; of entities it speaks in these words."""
    return as_html(
        Page(
            title=f"Version {found.version}, watched on {found.day}",
            kicker="Monitoring",
            heading=f"Version {found.version} on {found.day}",
            facts=f"{found.prospects:,} prospects at {found.cutoff} · compared with {found.reference}",
            sections=(
                _summary(found),
                *(_group(found, group, words.spoken(title)) for group, title in _TITLES.items()),
                _matured(found),
                _challengers(found),
                _features(found),
            ),
            words=tuple((term, words.spoken(text)) for term, text in _WORDS),
            origin=f"Made by mlsys from snapshot {found.snapshot}.",
        )
    )


def _summary(found: Monitoring) -> Section:
    alarms = found.alarms
    tiles = (
        Tile(str(len(alarms)), "alarms", f"of {len(found.checks)} checks"),
        Tile(f"{found.prospects:,}", "prospects", f"at {found.cutoff}"),
    )
    told = (headline(found), *(sentence(one) for one in alarms))
    return Section("summary", "In short", told, tiles=tiles, notes=found.notes)


def _group(found: Monitoring, group: str, title: str) -> Section:
    checks = [one for one in found.checks if one.group == group]
    if not checks:
        return missing_section(group, title, "there is nothing to look at yet")
    head = ("what", "now", "reference", "effect", "rings above", "p", "alarm")
    return Section(group, title, tables=(Table(title, head, tuple(_row(one) for one in checks)),))


def _row(one: Check) -> tuple[str, ...]:
    return (
        one.name,
        amount(one.now, one.unit),
        amount(one.reference, one.unit),
        amount(one.effect, "value"),
        amount(one.limit, "value"),
        "–" if one.p is None else f"{one.p:.4f}",
        "rings" if one.alarm else "",
    )


def _matured(found: Monitoring) -> Section:
    title = "Lists that have matured"
    kinds = (
        ("Past lists, made again by this version", found.matured),
        ("Lists as this version handed them out", found.handed_out),
    )
    if not any(lists for _, lists in kinds):
        return missing_section("matured", title, "no list has matured that the version was not trained on")
    head = ("list", "prospects", "promised", "in 95 of 100 cases", "came")
    return Section(
        "matured",
        title,
        tables=tuple(
            Table(name, head, tuple(_list_row(one) for one in lists)) for name, lists in kinds if lists
        ),
    )


def _list_row(one: Matured) -> tuple[str, ...]:
    return one.cutoff, f"{one.prospects:,}", f"{one.expected:.1f}", f"{one.low} to {one.high}", str(one.came)


def _challengers(found: Monitoring) -> Section:
    title = "Challengers in the shadow"
    if not found.challengers:
        return missing_section("challengers", title, "there is no candidate beside the version in production")
    head = ("version", "same calls today", "matured lists", "average precision", "production", "better")
    rows = tuple(_challenger(one) for one in found.challengers)
    return Section("challengers", title, tables=(Table(title, head, rows),))


def _challenger(one: Challenger) -> tuple[str, ...]:
    if one.problem:
        return one.version, one.problem, "–", "–", "–", "–"
    judged = not isnan(one.probability_better)
    return (
        one.version,
        f"{one.shared} of {one.capacity}",
        str(one.lists),
        f"{one.average_precision:.3f}" if judged else "–",
        f"{one.production:.3f}" if judged else "–",
        likely(one.probability_better),
    )


def _features(found: Monitoring) -> Section:
    title = "Features that moved most"
    head = ("feature", "stability index")
    rows = tuple((one.feature, f"{one.stability_index:.3f}") for one in found.features[:_FEATURES])
    text = "Features never ring: they are computed from the inputs, and vary with the season."
    return Section("features", title, (text,), folded=(Table(title, head, rows),))
