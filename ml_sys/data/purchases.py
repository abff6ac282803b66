"""Find conversions in tables of purchases: an entity's first purchase is its conversion.

Refunds, and purchases for which nothing was paid, are not conversions. Refunds before the second purchase are
subtracted from the money of the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.data.checking.values import day_text
from ml_sys.data.fields import AT, CONVERTED_ON, ID, TYPE, VALUE
from ml_sys.data.ingesting.company_columns import narrow
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.rows import BadRow, Where
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot_id import arrow_texts
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.settings.tables import type_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.data.company_index import CompanyIndex
    from ml_sys.data.ingesting.company_columns import Companies
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
        Columns line, id, at (microseconds), value (NaN if unknown, below zero for a refund) and converts
        (whether the row may be the conversion).
    where : str or FileLines
        File or table.
    bad_ids : frozenset of str
        Ids of rows that were rejected.
    """

    table: str
    frame: pd.DataFrame
    where: Where
    bad_ids: frozenset[str]


def judged(frame: pd.DataFrame, table: PurchaseTable) -> pd.DataFrame:
    """Add to rows of purchases whether each may be the conversion, and make refunds negative."""
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
    """Return day and money of each id's first purchase; of several at one moment, the largest.

    Returns
    -------
    DataFrame
        By id; columns converted_on (int32 days) and value, less refunds before the next purchase.
    """
    rows = pd.concat([one.frame[[ID, AT, VALUE, CONVERTS]] for one in tables], ignore_index=True)
    bought = rows[rows[CONVERTS]].sort_values([AT, VALUE], ascending=[True, False], na_position="last")
    first = bought.drop_duplicates(ID).set_index(ID)
    again = bought[bought[AT].to_numpy() > _of_each(first[AT], bought[ID])]
    later = again.drop_duplicates(ID).set_index(ID)[AT]
    at, name = rows[AT].to_numpy(), rows[ID]
    back = (rows[VALUE].to_numpy() < 0) & (at >= _of_each(first[AT], name)) & ~(at >= _of_each(later, name))
    given_back = rows[back].sort_values(VALUE)  # a sum of fractions depends on their order
    returned = given_back.groupby(ID)[VALUE].sum().reindex(first.index).fillna(0.0)
    day = (first[AT] // DAY_MICROSECONDS).astype(np.int32)
    return pd.DataFrame({CONVERTED_ON: day, VALUE: first[VALUE] + returned})


def _of_each(moments: pd.Series, ids: pd.Series) -> NDArray[np.float64]:
    """Return the moment of each id, NaN if it has none."""
    return moments.reindex(ids).to_numpy(np.float64)


def unusable(tables: Sequence[PurchaseRows]) -> frozenset[str]:
    """Return the ids that bought something on an unknown day."""
    bad = frozenset().union(*(one.bad_ids for one in tables))
    return bad.difference(*(set(one.frame[ID][one.frame[CONVERTS]]) for one in tables)) if bad else bad


def converted_by(companies: Companies, index: CompanyIndex, first: pd.DataFrame) -> Companies:
    """Let companies convert with their first purchase, unless they had converted before it.

    Parameters
    ----------
    index : CompanyIndex
        Of the companies.
    first : DataFrame
        As :func:`first_of_each` returns it.
    """
    at = index.positions(arrow_texts(first.index.to_series()))
    day, money = first[CONVERTED_ON].to_numpy()[at >= 0], first[VALUE].to_numpy(np.float64)[at >= 0]
    at = at[at >= 0]
    own, paid = companies.converted_on[at], companies.value[at]
    takes_value = (day < own) | ((day == own) & np.isnan(paid) & (day != NEVER_CLOSED))
    closed, value = companies.converted_on.copy(), companies.value.astype(np.float64)
    closed[at], value[at[takes_value]] = np.minimum(day, own), money[takes_value]
    return replace(companies, converted_on=closed, value=narrow(value))


def reject_strangers(tables: Sequence[PurchaseRows], index: CompanyIndex, quarantine: Quarantine) -> None:
    """Put purchases of unknown ids into quarantine."""
    for table in tables:
        strange = table.frame[index.positions(arrow_texts(table.frame[ID])) < 0]
        bad = [
            BadRow(
                line,
                LOST_COMPANY if name in index.lost else UNKNOWN_ID,
                f"{name},{day_text(at // DAY_MICROSECONDS)},{'' if np.isnan(value) else value}",
            )
            for line, name, at, value in zip(
                *(strange[column].tolist() for column in ("line", ID, AT, VALUE)), strict=True
            )
        ]
        quarantine.add(table.table, table.where, bad)
