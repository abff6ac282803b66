"""Conversions out of tables of purchases: the first purchase of an entity is its conversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.data.checking.values import day_text
from ml_sys.data.fields import AT, CONVERTED_ON, ID, VALUE
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.usage import LOST_COMPANY, UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.data.quarantine import Quarantine


@dataclass(frozen=True)
class PurchaseRows:
    """The good rows of one table of purchases.

    Attributes
    ----------
    table : str
        Its name in the description.
    frame : pandas.DataFrame
        Columns line, id, at (microseconds) and value, which is NaN where it is not known.
    where : str
        File or table.
    bad_ids : frozenset of str
        Ids of rows that were rejected.
    """

    table: str
    frame: pd.DataFrame
    where: str
    bad_ids: frozenset[str]


def first_of_each(tables: Sequence[PurchaseRows]) -> pd.DataFrame:
    """Return day and money of the first purchase of each id; of several at one moment the dearest.

    Returns
    -------
    DataFrame
        By id; columns converted_on (int32 days) and value.
    """
    rows = pd.concat([one.frame[[ID, AT, VALUE]] for one in tables], ignore_index=True)
    first = rows.sort_values([AT, VALUE], ascending=[True, False], na_position="last").drop_duplicates(ID)
    day = (first[AT] // DAY_MICROSECONDS).astype(np.int32)
    return pd.DataFrame({CONVERTED_ON: day, VALUE: first[VALUE]}).set_axis(first[ID])


def unusable(tables: Sequence[PurchaseRows]) -> frozenset[str]:
    """Return the ids that bought something, but nobody knows when."""
    bad = frozenset().union(*(one.bad_ids for one in tables))
    return bad.difference(*(set(one.frame[ID]) for one in tables)) if bad else bad


def converted_by(companies: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """Return companies that converted with their first purchase, unless they had done so before it."""
    day = first[CONVERTED_ON].reindex(companies[ID]).fillna(NEVER_CLOSED).to_numpy(np.int32)
    money = first[VALUE].reindex(companies[ID]).to_numpy(np.float64)
    own, paid = companies[CONVERTED_ON].to_numpy(), companies[VALUE].to_numpy(np.float64)
    takes_value = (day < own) | ((day == own) & np.isnan(paid) & (day != NEVER_CLOSED))
    changed = {CONVERTED_ON: np.minimum(day, own), VALUE: np.where(takes_value, money, paid)}
    return companies.assign(**changed)


def reject_strangers(
    tables: Sequence[PurchaseRows], known: pd.Series, lost: frozenset[str], quarantine: Quarantine
) -> None:
    """Put purchases of ids that are not known into quarantine."""
    for table in tables:
        strange = table.frame[~table.frame[ID].isin(known)]
        bad = [
            BadRow(
                line,
                LOST_COMPANY if name in lost else UNKNOWN_ID,
                f"{name},{day_text(at // DAY_MICROSECONDS)},{'' if np.isnan(value) else value}",
            )
            for line, name, at, value in zip(
                *(strange[column].tolist() for column in ("line", ID, AT, VALUE)), strict=True
            )
        ]
        quarantine.add(table.table, table.where, bad)
