"""Write a list as a workbook to work with: frozen header, filters, column widths, percentages.

Every text is written as text, so an id is never run as a formula or opened as a link.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.errors import InputError

if TYPE_CHECKING:
    from ml_sys.engine.places import Place

MOST_ROWS = 1_048_575  # of a sheet, without its header
_MOST_TEXT = 32_767  # characters of a cell
_NARROWEST, _WIDEST = 8, 60
_LOOKED_AT = 200  # rows that determine the width of a column
_PERCENT = frozenset({"probability", "inclusion_probability"})


def write_workbook(table: pd.DataFrame, target: IO[bytes], path: Place) -> None:
    """Write a table as the only sheet of a workbook; the same table gives the same bytes.

    Raises
    ------
    InputError
        If it has more rows than a sheet holds.
    """
    from xlsxwriter import Workbook  # needed only here

    if len(table) > MOST_ROWS:
        raise InputError(
            f"{path}: {len(table):,} rows do not fit on a sheet, which holds {MOST_ROWS:,}",
            hint="choose a .csv or .parquet file",
        )
    made = {"created": pd.Timestamp("2020-01-01").to_pydatetime()}
    with Workbook(target, {"constant_memory": True}) as book:
        book.set_properties(made)
        sheet = book.add_worksheet("list")
        head = book.add_format({"bold": True, "bg_color": "#D9E1F2", "bottom": 1})
        percent = book.add_format({"num_format": "0.00%"})
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        names = [str(name) for name in table.columns]
        for at, name in enumerate(names):
            shape = percent if name in _PERCENT else wrapped if name.startswith("reason") else None
            sheet.set_column(at, at, _width(name, table[name]), shape)
        sheet.freeze_panes(1, names.index("id") + 1 if "id" in names else 0)
        sheet.autofilter(0, 0, len(table), len(names) - 1)
        for at, name in enumerate(names):
            sheet.write_string(0, at, name.replace("_", " "), head)
        for row, values in enumerate(table.itertuples(index=False, name=None), start=1):
            for at, value in enumerate(values):
                _write(sheet, row, at, value)


def _write(sheet: Any, row: int, at: int, value: object) -> None:
    """Write a cell by the type of its value; missing values stay empty."""
    if isinstance(value, bool | np.bool_):
        sheet.write_string(row, at, "yes" if value else "no")
    elif isinstance(value, int | float | np.number):
        if np.isfinite(value):
            sheet.write_number(row, at, float(value))
    elif value is not None and value is not pd.NA and (text := str(value)[:_MOST_TEXT]):
        sheet.write_string(row, at, text)


def _width(name: str, column: pd.Series[Any]) -> int:
    longest = max((len(str(value)) for value in column.head(_LOOKED_AT)), default=0)
    shown = 8 if name in _PERCENT else longest
    return min(max(shown, len(name) + 3, _NARROWEST), _WIDEST)
