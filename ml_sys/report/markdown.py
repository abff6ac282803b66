"""A page as Markdown, for mail and chat: sentences and tables, without pictures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_sys.report.page import Page, Section, Table

# What Markdown or HTML would take for markup.
_MARKUP = re.compile(r"[\\`*_\[\]<>|]")


def as_markdown(page: Page) -> str:
    """Return a page as Markdown, the same for the same page.

    Examples
    --------
    >>> from ml_sys.report.page import Page, Section
    >>> print(
    ...     as_markdown(
    ...         Page("t", "k", "A week", "1 list", (Section("a", "In short", ("All well.",)),), (), "")
    ...     )
    ... )
    # A week
    <BLANKLINE>
    1 list
    <BLANKLINE>
    ## In short
    <BLANKLINE>
    All well.
    <BLANKLINE>
    """
    blocks = [f"# {_text(page.heading)}", _text(page.facts)]
    for section in page.sections:
        blocks += _section(section)
    if page.origin:
        blocks.append(_text(page.origin))
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {_text(section.title)}"
    yield from (_text(one) for one in section.sentences)
    for table in section.tables:
        yield f"{_text(table.caption)}:"
        yield _table(table)
    if section.notes:
        yield "\n".join(f"- {_text(one)}" for one in section.notes)


def _table(table: Table) -> str:
    return "\n".join([_row(table.head), _row(["---"] * len(table.head)), *map(_row, table.rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_text(one) for one in cells)} |"


def _text(text: str) -> str:
    """Return a text so that all of it is shown, on one line."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
