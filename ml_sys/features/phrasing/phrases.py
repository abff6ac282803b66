"""A phrase for every feature, in words that sales people use: those of the form.

Features that tell the same of an entity, such as the sums and maxima of all windows, share a statement. A
feature that is registered elsewhere is a statement of its own, under its own name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ml_sys.features.phrasing.attribute_phrases import attribute_phrases
from ml_sys.features.phrasing.family_phrases import (
    action_phrases,
    amount_phrases,
    breadth_phrases,
    history_phrases,
    presence_phrases,
    user_phrases,
)
from ml_sys.features.phrasing.phrase import Phrase
from ml_sys.features.phrasing.spoken_numbers import number, shortened
from ml_sys.features.phrasing.window_phrases import window_phrases

if TYPE_CHECKING:
    from ml_sys.features.compute import FeatureSpec


@lru_cache(maxsize=4096)
def phrase_of(feature: str, spec: FeatureSpec) -> Phrase:
    """Return the phrase of a feature; of one that this package does not know, its name and value."""
    return phrases_of(spec).get(feature) or Phrase(
        feature,
        lambda value: f"{feature} is {number(value)}",
        blank=f"{feature} is not known",
        of_text=lambda text: f"{feature} is {shortened(text)}",
    )


@lru_cache(maxsize=8)
def phrases_of(spec: FeatureSpec) -> dict[str, Phrase]:
    """Return the phrases of all features that this package makes of a form."""
    form, spans, row_days = spec.form, spec.spans, spec.period.longest_days()
    found = presence_phrases(spans, row_days)
    for days in {*spec.windows_days, *spans.windows}:
        found |= window_phrases(days, form, spans)
    if form.of_role("actions"):
        found |= action_phrases(form, spans)
    if form.of_role("users"):
        found |= user_phrases(form, spans)
    if len(form.objects) > 1:
        found |= breadth_phrases(form, spans)
    for at in form.of_role("amount"):
        found |= amount_phrases(form.measures[at], spans)
    found |= history_phrases(form, spans, row_days)
    for attribute in form.attributes:
        found |= attribute_phrases(attribute)
    return found
