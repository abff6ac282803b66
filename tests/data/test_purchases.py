"""Conversions out of purchases: which of several days and which money counts."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.purchases import (
    PurchaseRows,
    converted_by,
    first_of_each,
    judged,
    reject_strangers,
    unusable,
)
from ml_sys.data.quarantine import LOST_COMPANY, Quarantine
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.settings.tables import PurchaseTable
from tests.data.tables import companies_of


@pytest.mark.parametrize(
    ("own", "paid", "bought", "converted_on", "value"),
    {
        "no purchase": (100, 5.0, None, 100, 5.0),
        "a purchase before": (100, 5.0, 99, 99, 9.1),
        "a purchase after": (100, 5.0, 101, 100, 5.0),
        "a purchase on the day": (100, 5.0, 100, 100, 5.0),
        "a purchase on the day whose money nobody knew": (100, np.nan, 100, 100, 9.1),
        "a purchase after, where nobody knew the money": (100, np.nan, 101, 100, np.nan),
        "a prospect that bought": (NEVER_CLOSED, np.nan, 100, 100, 9.1),
        "a prospect that did not": (NEVER_CLOSED, np.nan, None, NEVER_CLOSED, np.nan),
    }.values(),
)
def test_the_earlier_day_counts_with_its_money_and_on_one_day_what_the_table_of_customers_says(
    own: int, paid: float, bought: int | None, converted_on: int, value: float
) -> None:
    companies = pd.DataFrame({"id": ["a"], "converted_on": np.array([own], np.int32), "value": [paid]})
    first = pd.DataFrame(
        {"converted_on": np.array([bought or 1], np.int32), "value": [9.1]}, index=["a" if bought else "b"]
    )
    found = converted_by(companies_of(companies), CompanyIndex(["a"], frozenset()), first)
    assert found.converted_on.tolist() == [converted_on]
    np.testing.assert_array_equal(found.value, [value])


def bought(*rows: tuple[str, float, float], **described: object) -> PurchaseRows:
    """Purchases of id, day (or a part of it) and money, numbered from line 2 on."""
    table = PurchaseTable.model_validate({"kind": "purchases", "at": "day", **described})
    frame = pd.DataFrame(list(rows), columns=["id", "at", "value"])
    frame["at"] = (frame["at"] * DAY_MICROSECONDS).astype(np.int64)
    frame = judged(frame.assign(line=range(2, len(rows) + 2)), table)
    return PurchaseRows("bought", frame, "b.csv", frozenset())


def test_of_purchases_at_one_moment_the_dearest_counts_and_one_whose_money_is_known() -> None:
    tables = [bought(("a", 7.5, np.nan), ("a", 7.5, 3), ("b", 7.2, 1)), bought(("a", 7.5, 5), ("b", 7.9, 9))]
    first = first_of_each(tables)
    assert first.loc["a"].tolist() == [7, 5]
    assert first.loc["b"].tolist() == [7, 1]  # the earlier moment of one day, whatever it cost
    unknown = first_of_each([bought(("a", 1, np.nan), ("a", 2, 8))])
    assert unknown["converted_on"].tolist() == [1]
    assert unknown["value"].isna().all()


def test_what_was_given_back_adds_up_to_the_same_in_whichever_order_it_is_read() -> None:
    back = [("a", 2, -3.08), ("a", 3, -2.38), ("a", 4, -5.16), ("a", 5, -3.02)]
    found = [first_of_each([bought(("a", 1, 1.5), *order)]) for order in permutations(back)]
    assert len({told(one)["a"] for one in found}) == 1


def test_purchases_of_nobody_stand_in_quarantine_as_they_were() -> None:
    quarantine = Quarantine()
    table = bought(("a", 1, 2), ("gone", 2.5, np.nan), ("who", 3, 4.5))
    reject_strangers([table], CompanyIndex(["a"], frozenset({"gone"})), quarantine)
    assert {(row["line"], row["reason"], row["raw"]) for row in quarantine.to_table().to_pylist()} == {
        (3, LOST_COMPANY, "gone,1970-01-03,"),
        (4, UNKNOWN_ID, "who,1970-01-04,4.5"),
    }


def told(first: pd.DataFrame) -> dict[str, tuple[int, float]]:
    return {name: (int(day), float(value)) for name, day, value in first.itertuples()}


def test_money_given_back_is_no_conversion_and_comes_off_what_was_paid_before_it() -> None:
    rows = bought(
        *(("a", 1, -9), ("a", 2, 50), ("a", 3, -20), ("a", 4, 30), ("a", 5, -30)),
        *(("b", 1, -50), ("c", 7, 40), ("c", 8, -40)),
    )
    assert told(first_of_each([rows])) == {"a": (2, 30.0), "c": (7, 0.0)}


def test_a_purchase_for_nothing_is_no_conversion_unless_it_is_described_as_one() -> None:
    rows = ("a", 1, 0), ("a", 9, 50), ("b", 1, 0), ("c", 1, np.nan)
    assert told(first_of_each([bought(*rows)]))["a"] == (9, 50.0)
    assert first_of_each([bought(*rows)]).index.tolist() == ["c", "a"]
    assert told(first_of_each([bought(*rows, zero_converts=True)]))["a"] == (1, 0.0)


def test_a_row_that_says_that_it_is_a_refund_is_one_whatever_its_sign() -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "a", "b"],
            "at": [1, 2, 3],
            "value": [50.0, 20.0, np.nan],
            "type": ["sale", " Refund", "REFUND"],
        }
    )
    table = PurchaseTable.model_validate({"kind": "purchases", "at": "day", "type": "type"})
    found = judged(frame, table)
    assert found["converts"].tolist() == [True, False, False]
    assert told(first_of_each([PurchaseRows("p", found.assign(line=0), "p.csv", frozenset())])) == {
        "a": (0, 30.0)
    }


def test_an_amount_below_zero_is_given_back_whatever_type_its_row_has() -> None:
    frame = pd.DataFrame({"id": ["a", "a"], "at": [1, 2], "value": [50.0, -20.0], "type": ["sale", "sale"]})
    table = PurchaseTable.model_validate({"kind": "purchases", "at": "day", "type": "type"})
    found = judged(frame, table)
    assert (found["converts"].tolist(), found["value"].tolist()) == ([True, False], [50.0, -20.0])


def test_who_has_only_a_bad_purchase_and_a_refund_is_not_taken_for_one_that_never_bought() -> None:
    rows = bought(("a", 1, -5), ("b", 1, 5))
    assert unusable([replace(rows, bad_ids=frozenset({"a", "b"}))]) == {"a"}


def test_money_is_given_back_of_the_last_purchase_that_is_not_after_it() -> None:
    rows = bought(
        *(("a", 1, 50), ("a", 1, -5), ("a", 3, 30), ("a", 3, -20), ("a", 4, -10), ("a", 6, 70), ("a", 7, -1)),
        *(("b", 2, 40), ("b", 1.5, -3)),
    )
    assert told(first_of_each([rows])) == {"a": (1, 45.0), "b": (2, 40.0)}


def test_all_that_is_given_back_before_the_next_purchase_comes_off() -> None:
    rows = bought(("a", 1, 50), ("a", 2, -5), ("a", 3, -10), ("a", 4, 20), ("a", 5, -20))
    assert told(first_of_each([rows])) == {"a": (1, 35.0)}


def test_who_never_bought_has_no_money_of_a_purchase() -> None:
    companies = pd.DataFrame({"id": ["a"], "converted_on": np.int32(NEVER_CLOSED), "value": [np.nan]})
    first = pd.DataFrame({"converted_on": np.array([NEVER_CLOSED], np.int32), "value": [9.0]}, index=["a"])
    found = converted_by(companies_of(companies), CompanyIndex(["a"], frozenset()), first)
    assert np.isnan(found.value).all()
