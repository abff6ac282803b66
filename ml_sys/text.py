"""Words and dates that depend on a number, and what may be shown of a text that strangers wrote."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING

from ml_sys.days import EPOCH

if TYPE_CHECKING:
    from typing import SupportsInt


# Control characters, which move a cursor or begin an escape sequence; marks of direction, which show a text
# in another order than it has; what is not seen at all; separators of lines; halves of surrogate pairs.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)

# Begins what stands in the place of a version where a simple rule ranks.
_RULE = "rule: "


def visible(text: str, keep: str = "") -> str:
    r"""Return a text with control and invisible characters written out, so that a terminal only shows it.

    Parameters
    ----------
    keep : str, optional
        Characters that stay as they are, such as the end of a line.

    Examples
    --------
    >>> visible("\x1b[2J a\u202eb"), visible("one\ntwo", keep="\n")
    ('\\x1b[2J a\\u202eb', 'one\ntwo')
    """
    return _UNSHOWN.sub(lambda found: found[0] if found[0] in keep else _written_out(found[0]), text)


def visible_json(text: str) -> str:
    """Do the same to a JSON document, in JSON's own form: a parser reads what was there."""
    return _UNSHOWN.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


# Also the last word of a longer one, such as Privatkunde.
PLURALS = {
    "person": "people",
    "child": "children",
    "kunde": "kunden",
    "mitglied": "mitglieder",
    "firma": "firmen",
    "konto": "konten",
    "schule": "schulen",
    "gerät": "geräte",
    "verein": "vereine",
    "betrieb": "betriebe",
    "haushalt": "haushalte",
    "klant": "klanten",
    "utente": "utenti",
    **{
        word: word
        for word in (
            "nutzer",
            "benutzer",
            "anwender",
            "teilnehmer",
            "spieler",
            "schüler",
            "lehrer",
            "händler",
        )
    },
    **{word: word for word in ("unternehmen", "studierende", "lernende", "abonnenten", "interessenten")},
}


def with_article(noun: str) -> str:
    """Return a noun after "a" or "an", as its first sound has it; capitals are spelt out.

    Examples
    --------
    >>> with_article("value"), with_article("SMS"), with_article("amount")
    ('a value', 'an SMS', 'an amount')
    """
    vowels = "AEFHILMNORSX" if noun[:2].isupper() else "AEIOUaeio"
    first = unicodedata.normalize("NFD", noun[:1])[:1]  # an Übung, an élève
    return f"an {noun}" if first and first in vowels else f"a {noun}"


def plural(word: str) -> str:
    """Return several of a word.

    Examples
    --------
    >>> plural("company"), plural("student"), plural("person"), plural("class")
    ('companies', 'students', 'people', 'classes')
    """
    if unicodedata.category(word[-1:] or "s") == "Lo":  # a letter of an alphabet without capitals, such as 户
        return word
    folded = word.casefold()
    known = next((one for one in PLURALS if folded.endswith(one)), "")
    if known:
        begins = word[: len(word) - len(known)]
        return begins + word[len(begins) : len(begins) + 1] + PLURALS[known][1:]
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as ``1 row`` or ``1,024 rows``.

    Parameters
    ----------
    one : str
        What is said of a single one: "row", or with a verb "row is left out".
    many : str, optional
        What is said of any other number; by default ``one`` with an s.

    Examples
    --------
    >>> counted(1, "row"), counted(0, "row"), counted(2000, "company", "companies")
    ('1 row', '0 rows', '2,000 companies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rule_version(rule: str) -> str:
    """Return what stands in the place of a version where a simple rule ranks.

    Examples
    --------
    >>> rule_version("newest"), is_rule(rule_version("newest")), is_rule("1.0.0")
    ('rule: newest', True, False)
    """
    return f"{_RULE}{rule}"


def is_rule(version: str | None) -> bool:
    """Return whether a simple rule stands in the place of a version."""
    return version is not None and version.startswith(_RULE)


def named(version: str) -> str:
    """Return how a version, or the rule in its place, is called in a sentence.

    Examples
    --------
    >>> named("1.0.0"), named("rule: newest")
    ('version 1.0.0', 'the rule "newest"')
    """
    return f'the rule "{version.removeprefix(_RULE)}"' if is_rule(version) else f"version {version}"


def signed(value: float, digits: int = 1, *, plus: bool = False) -> str:
    """Return a number for people to read, with a minus sign that is one; zero has no sign.

    Parameters
    ----------
    value : float
    digits : int
        Decimals.
    plus : bool
        Whether a number above 0 has its sign, too.

    Examples
    --------
    >>> signed(-0.31), signed(4.6), signed(-0.01), signed(-1169.2, 0), signed(0.5, 2, plus=True)
    ('−0.3', '4.6', '0.0', '−1,169', '+0.50')
    """
    size = f"{abs(value):,.{digits}f}"
    if not any(one in size for one in "123456789"):
        return size
    return f"{'−' if value < 0 else '+' if plus else ''}{size}"


def with_minus(number: str) -> str:
    """Return a number that is written already with a minus sign in place of a leading hyphen.

    Examples
    --------
    >>> with_minus("-2e-05"), with_minus("3")
    ('−2e-05', '3')
    """
    return f"−{number[1:]}" if number.startswith("-") else number


def between(low: float, high: float) -> str:
    """Return the ends of an interval to two digits.

    Examples
    --------
    >>> between(-2.31, 0.0007)
    '−2.3 to 0.0007'
    """
    return f"{with_minus(f'{low:.2g}')} to {with_minus(f'{high:.2g}')}"


def date_of(day: SupportsInt) -> str:
    """Return a day, counted from 1970-01-01, as YYYY-MM-DD.

    Examples
    --------
    >>> date_of(18_262)
    '2020-01-01'
    """
    return (EPOCH + timedelta(days=int(day))).isoformat()


def likely(probability: float) -> str:
    """Return an estimated probability in whole percent, which never claims to be certain.

    Examples
    --------
    >>> likely(0.004), likely(0.5), likely(1.0), likely(float("nan"))
    ('under 1%', '50%', 'over 99%', '–')
    """
    if isnan(probability):
        return "–"
    least, most = 0.01, 0.99
    if not least <= probability <= most:
        return "under 1%" if probability < least else "over 99%"
    return f"{probability:.0%}"
