"""Renders the evidence of a version as one self-contained page: no script, nothing from another place."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from ml_sys.report import sections_background, sections_past_lists, sections_ranking
from ml_sys.report.passages import seeds_passage

if TYPE_CHECKING:
    from ml_sys.report.evidence import Evidence
    from ml_sys.report.page import Section

_TEMPLATE = "report.html.j2"
_WORDS = (
    ("average precision", "Share of the called that convert, averaged over the places of all converters. "
     "Chance gets the conversion rate, which is tiny; 1 is perfect."),
    ("calibration error", "Mean distance between what was predicted and what came."),
    ("canary", "A small experiment that a model which knows the past alone comes through."),
    ("cutoff", "A past day on which the list is made; nothing later is known to it."),
    ("holdout", "Rows that the model has not learnt from, kept for judging it."),
    ("interval", "Where a figure may well lie, given that other companies might have been there."),
    ("lift", "How many times as often as on average."),
    ("precision", "Share of the called companies that convert."),
    ("recall", "Share of the converters that are called."),
    ("ROC-AUC", "How often a converter stands above another company; 0.5 is chance."),
    ("SHAP", "A fair share of a feature in moving a probability."),
)  # fmt: skip


def render(evidence: Evidence) -> str:
    """Return the report as HTML, the same for the same evidence."""
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            evidence=evidence,
            sections=_sections(evidence),
            words=_WORDS,
        )
    )


def _sections(evidence: Evidence) -> tuple[Section, ...]:
    return (
        sections_ranking.overview(evidence),
        sections_past_lists.campaign(evidence),
        sections_ranking.ranking(evidence),
        sections_background.probabilities(evidence),
        sections_ranking.passage(
            "promise", "Promised and realised", evidence.promise, "no past lists were made again for it"
        ),
        sections_ranking.passage(
            "money", "What is it worth?", evidence.money, "no past lists were made again for it"
        ),
        sections_past_lists.over_time(evidence),
        sections_ranking.passage(
            "seeds",
            "Does it hang on the seed?",
            seeds_passage(evidence) if evidence.seeds else None,
            "it was not fitted with other seeds (report.seeds is 0)",
        ),
        sections_background.who(evidence),
        sections_background.why(evidence),
        *sections_background.stories(evidence),
        sections_ranking.passage(
            "resampling",
            "Did resampling earn its place?",
            evidence.resampling,
            "the comparison was not run (report.resampling is off)",
        ),
        sections_background.trust(evidence),
        sections_background.data(evidence),
        *sections_background.origin(evidence),
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ml_sys.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
