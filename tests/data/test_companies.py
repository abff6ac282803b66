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
    by_id,
    reconcile,
)
from ml_sys.data.quarantine import MERGED_CUSTOMER, MERGED_DUPLICATE, Quarantine
from ml_sys.data.schema import CUSTOMERS, NEVER_BEGAN, NEVER_CLOSED, NONCUSTOMERS
from ml_sys.form import Attribute, Form
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


@pytest.mark.parametrize("backwards", [False, True])
def test_which_of_rows_that_agree_stands_aside_depends_on_no_order_however_many_attributes_there_are(
    backwards: bool,
) -> None:
    names = [f"seats_{at}" for at in range(80)]
    form = Form(attributes=tuple(Attribute(name, "number", name, name) for name in names))
    said = [{"id": "n1", **dict.fromkeys(names, np.nan), filled: 7.0} for filled in ("seats_70", "seats_71")]
    frame = pd.DataFrame(said[::-1] if backwards else said).assign(line=[2, 3])
    quarantine = Quarantine()
    companies, _ = reconcile([CompanyRows(NONCUSTOMERS, frame, "t.csv", frozenset())], form, quarantine)
    assert companies.loc[0, ["seats_70", "seats_71"]].tolist() == [7.0, 7.0]
    assert [row["raw"].index("7") for row in quarantine.to_table().to_pylist()] == [len("n1,") + 70]


def test_a_customer_takes_nothing_of_which_its_other_rows_contradict_each_other() -> None:
    paid = rows(PAID, (2, "c1", 100, 9.0, np.nan, None, None), (3, "c2", 100, 9.0, 7.0, "1", None))
    free = rows(
        FREE, (2, "c1", 5.0, "1", None), (3, "c1", 5.0, "2 to 5", None), (4, "c2", 8.0, "2 to 5", None)
    )
    companies, _ = reconcile([paid, free], SchemaSettings().form(), Quarantine())
    assert companies["alexa_rank"].tolist() == [5.0, 7.0]
    assert companies["employee_range"].isna().tolist() == [True, False]
    assert companies["employee_range"][1] == "1"


def test_who_is_said_to_have_paid_in_a_way_that_cannot_be_used_is_no_prospect() -> None:
    paid = rows(PAID, (2, "c1", 100, 9.0, 1.0, "1", None), (3, "c1", 101, 9.0, 1.0, "1", None), bad=("c2",))
    free = rows(FREE, *((at, name, 5.0, "1", None) for at, name in enumerate(("c1", "c2", "c3", "n1"), 2)))
    quarantine = Quarantine()
    companies, lost = reconcile([paid, free], SchemaSettings().form(), quarantine, unusable=frozenset({"c3"}))
    assert companies["id"].tolist() == ["n1"]
    assert lost == {"c1", "c2", "c3"}
    assert quarantine.rejected(CUSTOMERS) == {CONFLICT: 2}
    assert quarantine.rejected(NONCUSTOMERS) == {CUSTOMER_IN_QUARANTINE: 3}
    assert quarantine.merged(NONCUSTOMERS) == {}


def test_a_bad_row_of_a_table_that_says_nothing_of_paying_costs_nobody_the_good_one() -> None:
    free = rows(FREE, (2, "n1", 5.0, "1", None), bad=("n1", "n2"))
    companies, lost, _ = found(rows(PAID, (2, "c1", 100, 9.0, 1.0, "1", None)), free)
    assert companies == {"c1": (100, "1"), "n1": (NEVER_CLOSED, "1")}
    assert lost == {"n2"}


def test_who_has_not_converted_has_no_money_whatever_a_table_says() -> None:
    table = rows(PAID, (2, "a", NEVER_CLOSED, 9.0, 1.0, None, None), (3, "b", 100, 7.0, 1.0, None, None))
    companies, _ = reconcile([table], SchemaSettings().form(), Quarantine())
    np.testing.assert_array_equal(companies["value"], [np.nan, 7])


@pytest.mark.parametrize("turned", [1, -1])
def test_since_is_the_earliest_day_that_any_row_of_any_table_knows(turned: int) -> None:
    tables = [
        CompanyRows(name, pd.DataFrame(said[::turned], columns=["line", "id", "since"]), "t", frozenset())
        for name, said in (
            ("one", [(2, "a", 7), (3, "b", NEVER_BEGAN), (4, "c", NEVER_BEGAN)]),
            ("two", [(2, "a", 5), (3, "a", 9), (4, "b", 8)]),
        )
    ]
    companies, _ = reconcile(tables[::turned], Form(has_since=True), Quarantine())
    assert companies["since"].tolist() == [5, 8, NEVER_BEGAN]
    assert companies["since"].dtype == np.int32


def test_a_row_put_aside_is_written_as_the_table_had_it() -> None:
    beds = Attribute("beds", "number", "beds", "beds", none=0.0)
    names = ["line", "id", "converted_on", "since", "value", "beds"]
    said = [
        (2, "a", 100, 3, 1.5, np.inf),
        (3, "a", 101, NEVER_BEGAN, np.nan, 2.0),
        (4, "b", NEVER_CLOSED, 4, np.nan, 1.0),
        (5, "b", NEVER_CLOSED, 4, np.nan, 2.0),
    ]
    table = CompanyRows("all", pd.DataFrame(said, columns=names), "t", frozenset())
    quarantine = Quarantine()
    reconcile([table], Form(attributes=(beds,), has_since=True), quarantine)
    told = {row["line"]: row["raw"] for row in quarantine.to_table().to_pylist()}
    assert told == {
        2: "a,1970-04-11,1970-01-04,1.5,0",
        3: "a,1970-04-12,,,2",
        4: "b,,1970-01-05,,1",
        5: "b,,1970-01-05,,2",
    }


def aside(*tables: CompanyRows) -> list[tuple[str, int]]:
    """File and line of each row that is put aside."""
    quarantine = Quarantine()
    reconcile(tables, SchemaSettings().form(), quarantine)
    return [(row["file"], row["line"]) for row in quarantine.to_table().to_pylist()]


def test_of_rows_that_agree_the_fullest_is_kept_and_of_equal_ones_the_first_of_the_first_table() -> None:
    fuller = rows(FREE, (2, "n1", np.nan, "1", None), (4, "n1", 5.0, "1", None), (3, "n1", 5.0, None, None))
    assert sorted(aside(fuller)) == [("t.csv", 2), ("t.csv", 3)]
    equal = rows(FREE, (7, "n1", 5.0, "1", None), (3, "n1", 5.0, "1", None))
    assert aside(equal) == [("t.csv", 7)]
    first, second = (
        CompanyRows(name, rows(FREE, (line, "n1", 5.0, "1", None)).frame, f"{name}.csv", frozenset())
        for name, line in (("one", 9), ("two", 2))
    )
    assert aside(first, second) == [("two.csv", 2)]


@pytest.mark.parametrize("turned", [1, -1])
def test_which_of_rows_that_differ_in_their_first_day_alone_stands_aside_depends_on_no_order(
    turned: int,
) -> None:
    days = [20, 10, NEVER_BEGAN][::turned]
    frame = pd.DataFrame({"line": [2, 3, 4], "id": "n1", "since": days, "industry": "media"})
    quarantine = Quarantine()
    form = Form((), (), (Attribute("industry", "category", "industry", "industry"),))
    reconcile([CompanyRows(NONCUSTOMERS, frame, "t.csv", frozenset())], form, quarantine)
    assert quarantine.to_table()["raw"].to_pylist() == ["n1,1970-01-11,media", "n1,1970-01-21,media"]


def test_of_rows_that_say_as_much_the_one_that_fills_the_later_columns_is_kept() -> None:
    assert aside(rows(FREE, (2, "n1", 5.0, None, None), (3, "n1", np.nan, None, "x"))) == [("t.csv", 2)]
    assert aside(rows(FREE, (2, "n1", np.nan, None, "x"), (3, "n1", 5.0, None, None))) == [("t.csv", 3)]


def test_companies_are_sorted_by_the_bytes_of_their_ids_and_keep_what_is_theirs() -> None:
    frame = pd.DataFrame({"id": ["é", "b", "B", "a10", "a9", "Z", ""], "value": np.arange(7.0)})
    ordered = by_id(frame)
    assert ordered["id"].tolist() == sorted(frame["id"], key=str.encode)
    assert ordered["value"].tolist() == [6.0, 2.0, 5.0, 3.0, 4.0, 1.0, 0.0]
    assert ordered.index.tolist() == list(range(7))
