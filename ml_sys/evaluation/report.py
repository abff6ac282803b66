"""Renders the evidence of a version as one self-contained page: no script, nothing from another place."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from ml_sys.evaluation import sections, sections_about, sections_past
from ml_sys.evaluation.passages import seeds_passage

if TYPE_CHECKING:
    from ml_sys.evaluation.evidence import Evidence
    from ml_sys.evaluation.page import Section

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
        sections.overview(evidence),
        sections_past.campaign(evidence),
        sections.ranking(evidence),
        sections_about.probabilities(evidence),
        sections.passage(
            "promise", "Promised and realised", evidence.promise, "no past lists were made again for it"
        ),
        sections.passage(
            "money", "What is it worth?", evidence.money, "no past lists were made again for it"
        ),
        sections_past.over_time(evidence),
        sections.passage(
            "seeds",
            "Does it hang on the seed?",
            seeds_passage(evidence) if evidence.seeds else None,
            "it was not fitted with other seeds (report.seeds is 0)",
        ),
        sections_about.who(evidence),
        sections_about.why(evidence),
        *sections_about.stories(evidence),
        sections.passage(
            "resampling",
            "Did resampling earn its place?",
            evidence.resampling,
            "the comparison was not run (report.resampling is off)",
        ),
        sections_about.trust(evidence),
        sections_about.data(evidence),
        *sections_about.origin(evidence),
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ml_sys.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
