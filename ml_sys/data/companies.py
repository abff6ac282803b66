"""Merge two tables that may repeat, contradict and overlap each other into one row per company.

Invariant: which rows are kept depends on what they say, never on their order.

Rows of one id that agree wherever both say something are merged field by field, so that no value is lost.
If they contradict each other none is kept: nobody can say which is right, and a wrong CLOSEDATE is a wrong
label; its usage goes to quarantine with it. An id in both tables is a customer, its blanks filled with what
its noncustomer rows say; if its customer row cannot be used it is no noncustomer either, because it did pay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from ml_sys.data.checking.values import day_text
from ml_sys.data.quarantine import MERGED_CUSTOMER, MERGED_DUPLICATE, Quarantine
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import CUSTOMERS, FIELDS, FIRMOGRAPHICS, NEVER_CLOSED, NONCUSTOMERS
from ml_sys.data.snapshot_id import arrow_texts

if TYPE_CHECKING:
    from collections.abc import Hashable

CONFLICT = "conflicting company rows"
CUSTOMER_IN_QUARANTINE = "its customer row is in quarantine"

_SAID = ("closedate", "mrr", *FIRMOGRAPHICS)


@dataclass(frozen=True)
class CompanyRows:
    """The good rows of one company table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns line and the table's fields.
    where : str
        File or table.
    bad_ids : frozenset of str
        Ids of rows that were rejected.
    """

    frame: pd.DataFrame
    where: str
    bad_ids: frozenset[str]


def reconcile(
    customers: CompanyRows, noncustomers: CompanyRows, quarantine: Quarantine, *, unranked: float
) -> tuple[pd.DataFrame, frozenset[str]]:
    """Keep one row per company and put the others into quarantine.

    Parameters
    ----------
    quarantine : Quarantine
        Is added to.
    unranked : float
        The rank that means unranked, to show rows as they were written.

    Returns
    -------
    companies : pandas.DataFrame
        Sorted by id; columns id, closedate (int32 days, `NEVER_CLOSED` for none), mrr, alexa_rank,
        employee_range, industry.
    lost : frozenset of str
        Ids that were read but are not among them.
    """

    def reject(table: str, rows: pd.DataFrame, reason: str) -> None:
        where = customers.where if table == CUSTOMERS else noncustomers.where
        said = rows[list(FIELDS[table])].to_dict("records")
        raws = [",".join(_text(field, value, unranked) for field, value in row.items()) for row in said]
        bad = [BadRow(line, reason, raw) for line, raw in zip(rows["line"].tolist(), raws, strict=True)]
        quarantine.add(table, where, bad)

    paying, contradicted, repeated = _one_each(customers.frame)
    reject(CUSTOMERS, contradicted, CONFLICT)
    reject(CUSTOMERS, repeated, MERGED_DUPLICATE)

    others = noncustomers.frame
    is_customer = others["id"].isin(paying["id"])
    reject(NONCUSTOMERS, others[is_customer], MERGED_CUSTOMER)
    unusable = (customers.bad_ids | set(contradicted["id"])) - set(paying["id"])
    paying = _filled(paying, others[is_customer])
    did_pay = ~is_customer & others["id"].isin(unusable)
    reject(NONCUSTOMERS, others[did_pay], CUSTOMER_IN_QUARANTINE)

    free, contradicted, repeated = _one_each(others[~is_customer & ~did_pay])
    reject(NONCUSTOMERS, contradicted, CONFLICT)
    reject(NONCUSTOMERS, repeated, MERGED_DUPLICATE)

    free = free.assign(closedate=np.int32(NEVER_CLOSED), mrr=np.nan)
    columns = ["id", *_SAID]
    companies = pd.concat([paying[columns], free[columns]], ignore_index=True)
    companies["closedate"] = companies["closedate"].astype(np.int32)
    order = pc.sort_indices(arrow_texts(companies["id"])).to_numpy()
    companies = companies.iloc[order].reset_index(drop=True)
    lost = unusable | set(contradicted["id"]) | noncustomers.bad_ids
    return companies, frozenset(lost.difference(companies["id"][companies["id"].isin(lost)]))


def free_again(companies: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Return companies as they stood on a day: those that became customers after it are prospects."""
    closed = companies["closedate"]
    later = (closed > as_of) & (closed != NEVER_CLOSED)
    if not later.any():
        return companies
    return companies.assign(
        closedate=closed.mask(later, np.int32(NEVER_CLOSED)), mrr=companies["mrr"].mask(later)
    )


def _one_each(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split rows into one per id, those that contradict others of their id, and those that repeat one."""
    several = rows["id"].duplicated(keep=False)
    if not several.any():
        return rows, rows[:0], rows[:0]
    said = [field for field in _SAID if field in rows]
    group = rows[several]
    differ = group.groupby("id")[said].nunique().gt(1).any(axis=1)
    contradicted = group["id"].isin(differ.index[differ])
    agreeing = group[~contradicted]
    merged = agreeing.groupby("id", as_index=False)[said].first()
    filled = agreeing[said].notna()
    which = filled.to_numpy() @ 2 ** np.arange(len(said))
    ranked = agreeing.assign(n_filled=-filled.sum(axis=1), which=-which)
    ranked = ranked.sort_values(["id", "n_filled", "which", "line"])
    repeats = ranked["id"].duplicated()
    lines = ranked.loc[~repeats, ["id", "line"]]
    kept = pd.concat([rows[~several], merged.merge(lines, on="id")[rows.columns]])
    return kept, group[contradicted], ranked.loc[repeats, rows.columns]


def _filled(paying: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Fill blanks of customers with what noncustomer rows of the same ids say, unless these contradict."""
    if others.empty:
        return paying
    by_id = others.groupby("id")[list(FIRMOGRAPHICS)]
    n_said = by_id.nunique()
    said = by_id.first().mask(n_said > 1)
    found = said.reindex(paying["id"]).set_index(paying.index)
    own = paying[list(FIRMOGRAPHICS)]
    return paying.assign(**{name: own[name].where(own[name].notna(), found[name]) for name in FIRMOGRAPHICS})


def _text(field: Hashable, value: Any, unranked: float) -> str:
    if pd.isna(value):
        return ""
    if field == "closedate":
        return day_text(value)
    if isinstance(value, float):
        return f"{unranked if np.isinf(value) else value:.15g}"
    return str(value)
