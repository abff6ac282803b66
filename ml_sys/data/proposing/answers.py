"""Answers and questions of a proposal, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_QUESTIONS = 3


@dataclass(frozen=True)
class Answers:
    """The user's answers given by flags: columns, or a table and a column such as ``users.created``.

    Attributes
    ----------
    id : str
        Column that identifies an entity, in every table that has it.
    at : str
        Column of the moment of usage.
    converted : str
        Column of the conversion day, or table of purchases.
    entity : str
        Table with one row for each entity.
    since : str
        Column of the first day of an entity.
    dates : str
        ``DD/MM/YYYY`` or ``MM/DD/YYYY``, if the files do not show it.
    """

    id: str = ""
    at: str = ""
    converted: str = ""
    entity: str = ""
    since: str = ""
    dates: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A column or table that is left out of the description, and why."""

    table: str
    column: str
    reason: str

    @property
    def where(self) -> str:
        """The table and column in the user's notation."""
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass
class Asker:
    """Ask the user what the files do not show, if there is one to ask.

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
            If there is nobody to ask, or enough was asked already.
        """
        if self.ask is None or self.asked >= MOST_QUESTIONS:
            raise InputError(question, hint=f"answer with {flag} {'|'.join(among)}")
        self.asked += 1
        return self.ask(question, among)


def matches(answer: str, table: str, column: str) -> bool:
    """Return whether an answer, a column or table.column, names this column."""
    before, _, name = answer.rpartition(".")
    return name.casefold() == column.casefold() and (not before or before.casefold() == table.casefold())
