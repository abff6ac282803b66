"""Make names of tables, attributes and measures for a description from names of files and columns."""

from __future__ import annotations

import re
import unicodedata

from ml_sys.form import name_of

_LONGEST = 50

# Pattern of month names in lower case.
MONTHS = (
    "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
    "|dec(ember)?"
)


def table_name(text: str) -> str:
    """Return the name of a table that was looked at; in another alphabet it keeps its letters.

    Examples
    --------
    >>> table_name("Käufe 2024"), table_name("用户 2024")
    ('kaufe_2024', '用户_2024')
    """
    return name_for(text) if is_latin(text) else name_of(text)[:_LONGEST]


def name_for(text: str, other: str = "table") -> str:
    """Turn a text into a name, which begins with ``other`` if it would not begin with a letter.

    Of another alphabet each letter is its number, so that two names stay two.

    Examples
    --------
    >>> name_for("Käufe 2024"), name_for("2024", "table"), name_for("用户")
    ('kaufe_2024', 'table_2024', 'table_7528_6237')
    """
    letters = _letters(text)
    plain = "".join(one for one in letters if one.isascii())
    if not is_latin(text):
        plain = "".join(one if one.isascii() else f"_{ord(one):x}" for one in letters)
    name = name_of(plain)[:_LONGEST].strip("_") if plain.strip() else ""
    name = "" if name == "unnamed" else name
    return name if re.match(r"[a-z]", name) else f"{other}_{name}".rstrip("_")


def _letters(text: str) -> list[str]:
    """Return the characters of a text in lower case, without accents."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return [one for one in folded if not unicodedata.combining(one)]


def is_latin(text: str) -> bool:
    """Return whether at least half of the letters and digits of a text are plain ones."""
    letters = [one for one in _letters(text) if one.isalnum()]
    return 2 * sum(map(str.isascii, letters)) >= len(letters)
