"""How a feature reads in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.features.phrasing.spoken_numbers import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.form import Noun


@dataclass(frozen=True)
class Phrase:
    """How a feature reads in words.

    Attributes
    ----------
    statement : str
        What it is about; features of one statement are one reason.
    of_number : callable
        What is said of a number.
    zero : str
        What is said of 0; nothing of its own where empty.
    blank : str
        What is said where its value is not known; by default that of the statement.
    of_text : callable
        What is said of a text.
    """

    statement: str
    of_number: Callable[[float], str]
    zero: str = ""
    blank: str = ""
    of_text: Callable[[str], str] = str

    def say(self, value: float | str | None) -> str:
        """Return the phrase for a value; None and NaN are blanks."""
        if value is None or value != value:
            return self.blank or f"{self.statement} not known"
        if isinstance(value, str):
            return self.of_text(value)
        return self.zero if self.zero and not value else self.of_number(float(value))


def counting(statement: str, noun: Noun, rest: str, zero: str, *, verb: str = "") -> Phrase:
    """Make a phrase of a number, its noun and what comes before and after."""
    return Phrase(statement, lambda value: joined(verb, count(value, noun.one, noun.many), rest), zero)


def joined(*parts: str) -> str:
    """Join the words that there are.

    Examples
    --------
    >>> joined("watched", "84 minutes", "", "in the last 7 days")
    'watched 84 minutes in the last 7 days'
    """
    return " ".join(part for part in parts if part)
