"""Renders the evidence of a version as one self-contained page: no scripts, no external files."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from ml_sys.report.page import Page
from ml_sys.report.sections import companies, fitting, newcomers, origin, past_lists, probabilities, ranking

if TYPE_CHECKING:
    from ml_sys.form import Noun
    from ml_sys.report.evidence import Evidence
    from ml_sys.report.page import Section

_TEMPLATE = "report.html.j2"


def render(evidence: Evidence) -> str:
    """Return the report as HTML, the same for the same evidence."""
    return as_html(
        Page(
            title=f"Model {evidence.version}: report",
            kicker=f"Conversion within {evidence.horizon_days} days",
            heading=f"Model {evidence.version}",
            facts=f"Made {evidence.created_at[:10]} · data through {evidence.data_through} · "
            f"{evidence.status} when made",
            sections=_sections(evidence),
            words=_words(evidence.words.entity),
            origin=f"Made by mlsys from snapshot {evidence.snapshot}.",
        )
    )


def as_html(page: Page) -> str:
    """Return a page as HTML."""
    return _environment().get_template(_TEMPLATE).render(page=page)


def _sections(evidence: Evidence) -> tuple[Section, ...]:
    return (
        ranking.overview(evidence),
        past_lists.campaign(evidence),
        ranking.ranking(evidence),
        *newcomers.sign_ups(evidence),
        probabilities.probabilities(evidence),
        probabilities.promised(evidence),
        past_lists.worth(evidence),
        past_lists.over_time(evidence),
        fitting.seeds(evidence),
        companies.who(evidence),
        companies.why(evidence),
        *companies.stories(evidence),
        fitting.resampling(evidence),
        origin.trust(evidence),
        origin.data(evidence),
        *origin.origin(evidence),
    )


def _words(entity: Noun) -> tuple[tuple[str, str], ...]:
    return (
        ("average precision", "Share of the called that convert, averaged over the places of all converters. "
         "Chance gets the conversion rate, which is tiny; 1 is perfect."),
        ("calibration error", "Mean distance between predicted and observed rates."),
        ("canary", "A check that a model passes if it knows only the past."),
        ("cutoff", "The day a list is made; nothing later counts."),
        ("holdout", "Rows that the model was not trained on, kept to evaluate it."),
                ("interval", "Where the true figure probably lies, given that it could have been "
         f"other {entity.many}."),
        ("lift", "How many times as often as on average."),
        ("precision", f"Share of the called {entity.many} that convert."),
        ("recall", "Share of the converters that are called."),
        ("ROC-AUC", f"How often a converter is ranked above another {entity.one}; 0.5 is chance."),
        ("SHAP", "A feature's fair share in moving a probability."),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ml_sys.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
