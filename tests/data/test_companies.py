"""One row of each company out of two tables: which ids are lost, and why a row stands aside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.companies import (
    CONFLICT,
    CUSTOMER_IN_QUARANTINE,
    CompanyRows,
    free_again,
    reconcile,
)
from ml_sys.data.quarantine import MERGED_CUSTOMER, MERGED_DUPLICATE, Quarantine
from ml_sys.data.schema import CUSTOMERS, NEVER_CLOSED, NONCUSTOMERS
from ml_sys.settings import SchemaSettings

FREE = ("line", "id", "alexa_rank", "employee_range", "industry")
PAID = ("line", "id", "converted_on", "value", "alexa_rank", "employee_range", "industry")


def rows(columns: tuple[str, ...], *said: tuple[Any, ...], bad: tuple[str, ...] = ()) -> CompanyRows:
    table = CUSTOMERS if columns == PAID else NONCUSTOMERS
    return CompanyRows(table, pd.DataFrame(list(said), columns=list(columns)), "t.csv", frozenset(bad))


def found(paid: CompanyRows, free: CompanyRows) -> tuple[dict[str, tuple[Any, ...]], set[str], Quarantine]:
    """Closing day and range of each company by id, the ids that are lost, and what was put aside."""
    quarantine = Quarantine()
    companies, lost = reconcile([paid, free], SchemaSettings().form(), quarantine)
    kept = zip(companies["converted_on"].tolist(), companies["employee_range"].tolist(), strict=True)
    return dict(zip(companies["id"].tolist(), kept, strict=True)), set(lost), quarantine


def test_an_id_is_lost_whose_rows_were_all_rejected_or_contradict_each_other() -> None:
    paid = rows(PAID, (2, "c1", 100, 9.0, 1.0, "1", None), bad=("c1", "c2"))
    free = rows(
        FREE,
        (2, "n1", 5.0, "1", None),
        (3, "n2", 5.0, "1", None),
        (4, "n2", 6.0, "1", None),
        (5, "c2", 5.0, "1", None),
        bad=("n1", "n3"),
    )
    companies, lost, quarantine = found(paid, free)
    assert companies == {"c1": (100, "1"), "n1": (NEVER_CLOSED, "1")}
    assert lost == {"c2", "n2", "n3"}
    assert quarantine.rejected(NONCUSTOMERS) == {CONFLICT: 2, CUSTOMER_IN_QUARANTINE: 1}


def test_rows_that_agree_are_one_and_a_customer_takes_what_its_other_rows_say() -> None:
    paid = rows(PAID, (2, "c1", 100, np.nan, np.nan, None, None), (3, "c1", 100, 7.0, np.nan, None, None))
    free = rows(
        FREE, (2, "c1", np.inf, "2 to 5", None), (3, "n1", 3.0, None, None), (4, "n1", 3.0, "1", None)
    )
    companies, lost, quarantine = found(paid, free)
    assert companies == {"c1": (100, "2 to 5"), "n1": (NEVER_CLOSED, "1")}
    assert lost == set()
    assert quarantine.merged(CUSTOMERS) == {MERGED_DUPLICATE: 1}
    assert quarantine.merged(NONCUSTOMERS) == {MERGED_CUSTOMER: 1, MERGED_DUPLICATE: 1}
    told = {(row["line"], row["raw"]) for row in quarantine.to_table().to_pylist()}
    assert told == {(2, "c1,1970-04-11,,,,"), (2, "c1,16000001,2 to 5,"), (3, "n1,3,,")}


def test_a_customer_takes_nothing_of_which_its_other_rows_contradict_each_other() -> None:
    paid = rows(PAID, (2, "c1", 100, 9.0, np.nan, None, None), (3, "c2", 100, 9.0, 7.0, "1", None))
    free = rows(
        FREE, (2, "c1", 5.0, "1", None), (3, "c1", 5.0, "2 to 5", None), (4, "c2", 8.0, "2 to 5", None)
    )
    companies, _ = reconcile([paid, free], SchemaSettings().form(), Quarantine())
    assert companies["alexa_rank"].tolist() == [5.0, 7.0]
    assert companies["employee_range"].isna().tolist() == [True, False]
    assert companies["employee_range"][1] == "1"


@pytest.mark.parametrize(("as_of", "free"), [(99, [True, True]), (100, [False, True]), (101, [False, False])])
def test_a_company_that_became_a_customer_after_a_day_was_free_on_it(as_of: int, free: list[bool]) -> None:
    companies = pd.DataFrame(
        {"converted_on": np.array([100, 101, NEVER_CLOSED], np.int32), "value": [1.0, 2.0, np.nan]}
    )
    then = free_again(companies, as_of)
    assert (then["converted_on"][:2] == NEVER_CLOSED).tolist() == free
    assert then["value"][:2].isna().tolist() == free
