"""How a result looks in a notebook: a title and a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 20


def titled(title: str, table: pd.DataFrame) -> str:
    """Return a title and the first rows of a table as HTML.

    Parameters
    ----------
    title : str
        Plain text.
    table : DataFrame
        Texts in it are escaped.
    """
    more = f"<p>{len(table) - _ROWS:,} more rows in <code>.table</code></p>" if len(table) > _ROWS else ""
    return f"<p><b>{escape(title)}</b></p>{table.head(_ROWS).to_html(na_rep='', border=0)}{more}"


def framed(page: str) -> str:
    """Return a whole page as HTML that stands in a frame of its own: its styles reach nothing outside."""
    return f'<iframe srcdoc="{escape(page)}" width="100%" height="600" style="border:0"></iframe>'
