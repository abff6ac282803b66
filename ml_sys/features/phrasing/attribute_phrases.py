"""What the features of attributes say in words, by kind and from their labels."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ml_sys.features.attributes import missing_name, number_name
from ml_sys.features.phrasing.phrase import Phrase
from ml_sys.features.phrasing.spoken_numbers import count, number, shortened
from ml_sys.features.spellings import MISSING

if TYPE_CHECKING:
    from ml_sys.form import Attribute, Noun

_MOST_DIGITS = 12.0


def attribute_phrases(one: Attribute) -> dict[str, Phrase]:
    """Return the phrase of each feature that an attribute becomes."""
    label, unknown = one.label, _unknown(one)
    if one.kind == "category":
        return {one.feature: Phrase(label, number, of_text=lambda text: _level(label, text, unknown))}
    phrases = {number_name(one): _of_number(one, unknown)}
    if one.none is not None:
        phrases[one.none_feature] = Phrase(label, lambda _: one.none_label, _there_is(one), unknown)
    if one.kind == "range":
        before = one.unit.many or label
        phrases[one.name] = Phrase(label, number, blank=unknown, of_text=lambda text: _range(before, text))
    known = f"number of {one.unit.many} known" if one.unit.many and one.kind == "range" else f"{label} known"
    if one.none is not None:
        known += ", or known to be none"
    phrases[missing_name(one)] = Phrase(label, lambda _: unknown, known, unknown)
    return phrases


def _unknown(one: Attribute) -> str:
    if one.kind == "number":
        return f"no {one.label} known"
    return f"number of {one.unit.many} not known" if one.unit.many else f"{one.label} not known"


def _there_is(one: Attribute) -> str:
    """Say that there is one, from what is said where there is none."""
    return one.none_label.replace(" no ", " a ", 1) if " no " in one.none_label else f"{one.label} known"


def _of_number(one: Attribute, unknown: str) -> Phrase:
    label, unit = one.label, one.unit
    if one.kind == "flag":
        return Phrase(label, lambda value: f"{label}: {'yes' if value else 'no'}", blank=unknown)
    if one.kind == "ordered":
        return Phrase(label, lambda value: f"{label}: {_place(one.levels, value)}", blank=unknown)
    if one.kind == "range":
        if not unit.many:
            return Phrase(label, lambda value: f"{label} about {number(value)}", blank=unknown)
        return Phrase(
            label, lambda value: f"about {count(float(round(value)), unit.one, unit.many)}", blank=unknown
        )
    if one.scale == "log":
        return Phrase(label, lambda value: f"{label} about {_magnitude(value, unit)}", blank=unknown)
    if unit.many:
        return Phrase(label, lambda value: f"{label}: {count(value, unit.one, unit.many)}", blank=unknown)
    return Phrase(label, lambda value: f"{label}: {number(value)}", blank=unknown)


def _magnitude(value: float, unit: Noun) -> str:
    """Return the number of a decimal logarithm with its unit, if it has one."""
    known = 10.0 ** min(max(value, -_MOST_DIGITS), _MOST_DIGITS)
    if known < 1:
        return f"{number(known)} {unit.many}".strip()
    # Two leading digits say enough; a float32 of the logarithm does not hold many more.
    digits = math.floor(math.log10(known)) - 1
    written = f"{round(known, -digits):,.0f}"
    return f"{written} {unit.one if written == '1' else unit.many}".strip()


def _place(levels: tuple[str, ...], value: float) -> str:
    return levels[min(max(round(value), 0), len(levels) - 1)]


def _range(before: str, text: str) -> str:
    spaced = shortened(text).replace("_", " ")
    return f"{before}: {re.sub('[0-9]+', lambda digits: f'{int(digits[0]):,}', spaced)}"


def _level(label: str, text: str, unknown: str) -> str:
    return unknown if text == MISSING else f"{label}: {shortened(text).replace('_', ' ')}"
