"""Conversions out of tables of purchases: the first purchase of an entity is its conversion.

Money that is given back, and purchases for nothing, are no conversions. What is given back before the next
purchase comes off the money of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.data.checking.values import day_text
from ml_sys.data.fields import AT, CONVERTED_ON, ID, TYPE, VALUE
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.settings.tables import type_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.data.quarantine import Quarantine
    from ml_sys.settings.tables import PurchaseTable

CONVERTS = "converts"


@dataclass(frozen=True)
class PurchaseRows:
    """The good rows of one table of purchases.

    Attributes
    ----------
    table : str
        Its name in the description.
    frame : pandas.DataFrame
        Columns line, id, at (microseconds), value, which is NaN where it is not known and below zero where it
        was given back, and converts, whether the row may be the conversion.
    where : str
        File or table.
    bad_ids : frozenset of str
        Ids of rows that were rejected.
    """

    table: str
    frame: pd.DataFrame
    where: str
    bad_ids: frozenset[str]


def judged(frame: pd.DataFrame, table: PurchaseTable) -> pd.DataFrame:
    """Return rows of purchases with whether each may be the conversion, money given back below zero."""
    if VALUE not in frame:
        frame[VALUE] = np.nan
    refund = frame[VALUE].lt(0)
    if TYPE in frame:
        named = {type_key(one) for one in table.refunds}
        refund |= frame[TYPE].fillna("").map(type_key).isin(named)
    free = frame[VALUE].eq(0) & (not table.zero_converts)
    value = frame[VALUE].where(~refund, -frame[VALUE].abs())
    return frame.assign(**{VALUE: value, CONVERTS: ~(refund | free)})


def first_of_each(tables: Sequence[PurchaseRows]) -> pd.DataFrame:
    """Return day and money of the first purchase of each id; of several at one moment the dearest.

    Returns
    -------
    DataFrame
        By id; columns converted_on (int32 days) and value, without what was given back before the next
        purchase.
    """
    rows = pd.concat([one.frame[[ID, AT, VALUE, CONVERTS]] for one in tables], ignore_index=True)
    bought = rows[rows[CONVERTS]].sort_values([AT, VALUE], ascending=[True, False], na_position="last")
    first = bought.drop_duplicates(ID).set_index(ID)
    again = bought[bought[AT].to_numpy() > _of_each(first[AT], bought[ID])]
    later = again.drop_duplicates(ID).set_index(ID)[AT]
    at, name = rows[AT].to_numpy(), rows[ID]
    back = (rows[VALUE].to_numpy() < 0) & (at >= _of_each(first[AT], name)) & ~(at >= _of_each(later, name))
    returned = rows[back].groupby(ID)[VALUE].sum().reindex(first.index).fillna(0.0)
    day = (first[AT] // DAY_MICROSECONDS).astype(np.int32)
    return pd.DataFrame({CONVERTED_ON: day, VALUE: first[VALUE] + returned})


def _of_each(moments: pd.Series, ids: pd.Series) -> NDArray[np.float64]:
    """Return the moment of each id, NaN where it has none."""
    return moments.reindex(ids).to_numpy(np.float64)


def unusable(tables: Sequence[PurchaseRows]) -> frozenset[str]:
    """Return the ids that bought something, but nobody knows when."""
    bad = frozenset().union(*(one.bad_ids for one in tables))
    return bad.difference(*(set(one.frame[ID][one.frame[CONVERTS]]) for one in tables)) if bad else bad


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
