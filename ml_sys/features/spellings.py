"""Normalise texts that people typed in, and read ranges of numbers."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING = "missing"

_FACTORS = {None: 1, "k": 1_000, "m": 1_000_000}
# Digits in groups of three by one separator, or at most twelve without; a fraction; thousands or millions.
_NUMBER = re.compile(
    r"""(?P<whole>\d{1,3}(?P<mark>[ ,.'\u2019])\d{3}(?:(?P=mark)\d{3}){0,3}(?!\d)|\d{1,12})"""
    r"""(?P<fraction>[.,]\d{1,6})?(?:\s?(?P<unit>[km])(?!\w))?"""
)
_DASH = re.compile(r"\s*[-~\u2010-\u2015\u2212]\s*")
_PLUS = re.compile(r"\s*\+")


def normalised(text: str | None, synonyms: Mapping[str, str]) -> str:
    """Return a text in one spelling, whatever its case, separators and synonyms, in any script.

    Examples
    --------
    >>> normalised("Computer Software", {"computer_software": "software"}), normalised("--", {})
    ('software', 'missing')
    """
    slug = _slug(_folded(text or ""))
    return synonyms.get(slug, slug) or MISSING


def range_of(text: str | None) -> tuple[float, str | None]:
    """Read a range such as '11 to 25', '1.000 - 5.000' or '10k+'.

    Returns
    -------
    number : float
        Geometric middle of the range; its lower end if it is open; NaN for other text.
    level : str or None
        The range in one spelling, such as ``11_to_25`` or ``10000_or_more``.
    """
    text = _folded(text or "")
    found = list(_NUMBER.finditer(text))
    numbers: list[float] = []
    level, end = "", 0
    for at, match in enumerate(found):
        between, after = text[end : match.start()], found[at + 1] if at + 1 < len(found) else None
        unit = match["unit"]
        if after and not unit and _plain(match) < _plain(after) and _is_dash(text, match, after):
            unit = after["unit"]  # 1-5k begins at a thousand
        numbers.append(_plain(match) * _FACTORS[unit])
        level += (" to " if at and _DASH.fullmatch(between) else between) + f"{numbers[-1]:.15g}"
        end = match.end()
        if plus := _PLUS.match(text, end):
            level, end = level + " or more", plus.end()
    positive = [one for one in numbers if one > 0]
    number = float(np.sqrt(positive[0] * positive[-1])) if positive else float("nan")
    return number, _slug(level + text[end:]) or None


def _plain(match: re.Match[str]) -> float:
    """Return a number without its unit."""
    whole = match["whole"].replace(match["mark"], "") if match["mark"] else match["whole"]
    return float(f"{int(whole)}.{match['fraction'][1:]}") if match["fraction"] else int(whole)


def _is_dash(text: str, match: re.Match[str], after: re.Match[str]) -> bool:
    return _DASH.fullmatch(text, match.end(), after.start()) is not None


def _folded(text: str) -> str:
    """Unify case, width, ways of writing accents, and zero-width characters."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", text.casefold())


def _slug(text: str) -> str:
    """Join the words of a text with underscores; marks, such as Hindi vowel signs, are part of a word."""
    words = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else "_" for c in text)
    return re.sub("_+", "_", "".join(words)).strip("_")
