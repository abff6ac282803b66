"""What a proposal starts from and leaves behind: answers, questions, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_QUESTIONS = 3


@dataclass(frozen=True)
class Answers:
    """What the user said ahead; each is a column, or a table and a column such as ``users.created``.

    Attributes
    ----------
    id : str
        Column that identifies an entity, in every table that has it.
    at : str
        Moment of usage.
    converted : str
        Column of the day of conversion, or table of purchases.
    entity : str
        Table that has one row for each entity.
    since : str
        Column of the day on which an entity began to exist.
    dates : str
        ``DD/MM/YYYY`` or ``MM/DD/YYYY``, where the files do not tell.
    """

    id: str = ""
    at: str = ""
    converted: str = ""
    entity: str = ""
    since: str = ""
    dates: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A column or table that the description does without, and why."""

    table: str
    column: str
    reason: str

    @property
    def where(self) -> str:
        """Table and column as users name them."""
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass
class Asker:
    """Asks what files cannot tell: a person where there is one, else nobody.

    Attributes
    ----------
    ask : callable or None
        Takes a question and the possible answers, and returns one of them.
    """

    ask: Callable[[str, list[str]], str] | None = None
    asked: int = 0

    def choose(self, question: str, among: list[str], flag: str) -> str:
        """Return the answer to a question.

        Raises
        ------
        InputError
            Where there is nobody to ask, or enough was asked.
        """
        if self.ask is None or self.asked >= MOST_QUESTIONS:
            raise InputError(question, hint=f"answer with {flag} {'|'.join(among)}")
        self.asked += 1
        return self.ask(question, among)


def matches(answer: str, table: str, column: str) -> bool:
    """Tell whether an answer, a column or table.column, names a column."""
    before, _, name = answer.rpartition(".")
    return name.casefold() == column.casefold() and (not before or before.casefold() == table.casefold())
