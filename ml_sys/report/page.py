"""The parts of a page: sections of sentences, charts and tables, without any markup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_sys.scoring.reasons import Reason


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the rows.

    Attributes
    ----------
    rows : tuple of tuple of str
        As wide as ``head``.
    marked : int or None
        Row that stands out.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: int | None = None


@dataclass(frozen=True)
class Figure:
    """A chart, what it shows, and the table behind it.

    Attributes
    ----------
    title, text : str
        What it is, and how it is read; screen readers say both in place of the picture.
    svg : str
        Markup of the picture, made by us.
    """

    title: str
    text: str
    svg: str
    table: Table


@dataclass(frozen=True)
class Story:
    """One company of the holdout, told with the reasons of its probability."""

    title: str
    text: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Tile:
    """A single number, shown large."""

    value: str
    label: str
    note: str


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    sentences : tuple of str
        Read first.
    tiles, figures, tables, stories : tuple
        Shown in this order.
    notes : tuple of str
        Small print.
    folded : tuple of Table
        Shown when they are asked for.
    """

    anchor: str
    title: str
    sentences: tuple[str, ...] = ()
    tiles: tuple[Tile, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    stories: tuple[Story, ...] = ()
    notes: tuple[str, ...] = ()
    folded: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes
    ----------
    title, kicker, heading, facts : str
        Of the window; the line above the heading, the heading, and the line below it.
    sections : tuple of Section
    words : tuple of tuple of str
        Words that the page uses, and what they mean.
    origin : str
        What it was made from.
    """

    title: str
    kicker: str
    heading: str
    facts: str
    sections: tuple[Section, ...]
    words: tuple[tuple[str, str], ...]
    origin: str


def missing_section(anchor: str, title: str, why: str) -> Section:
    """Return an empty section that says why it is empty."""
    return Section(anchor, title, (f"Not in this report: {why}.",))
