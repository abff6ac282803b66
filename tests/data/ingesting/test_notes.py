"""What ingest notes: money of zero, usage that ends early, beginnings, and blanks that may leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.ingest_report import BlankRates, TableRead
from ml_sys.data.ingesting.notes import notes_on
from ml_sys.data.ingesting.usage_seen import UsageSeen
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot_id import Content
from ml_sys.data.usage import UNFINISHED
from ml_sys.form import Attribute, Form, Noun, Words
from tests.data.tables import companies_of

AS_OF = 18_300  # 8 February 2020


def content(*, form: Form | None = None, **columns: list[float]) -> Content:
    n = len(next(iter(columns.values()), [0]))
    told = {"converted_on": [NEVER_CLOSED] * n, "value": [np.nan] * n, "since": [NEVER_BEGAN] * n} | columns
    return Content(companies_of(pd.DataFrame(told)), Quarantine().to_table(), AS_OF, form or Form())


def noted(
    said: Content,
    blanks: tuple[BlankRates, ...] = (),
    tables: tuple[TableRead, ...] = (),
    usage_end: int | None = AS_OF,
    *,
    last: int | None = AS_OF,
    **rejected: int,
) -> list[str]:
    reasons = {UNFINISHED: rejected["unfinished"]} if rejected else {}
    usage = UsageSeen(int(last is not None), None if last is None else (last, last), np.zeros(0, np.int32))
    return notes_on(said, usage, blanks, tables, reasons, usage_end)


def test_money_of_zero_or_less_is_kept_and_said_and_a_blank_is_neither() -> None:
    assert noted(content(value=[0.0, -3.0, 0.5, np.nan])) == [
        "2 customers with a value of zero or less are kept; value is not a feature"
    ]
    assert noted(content(value=[0.0])) == [
        "1 customer with a value of zero or less is kept; value is not a feature"
    ]
    assert noted(content(value=[0.5, np.nan])) == []


@pytest.mark.parametrize(
    ("last", "usage_end", "said"),
    [
        (AS_OF - 14, AS_OF - 14, False),
        (AS_OF - 15, AS_OF - 15, True),
        (AS_OF - 15, AS_OF, False),  # a row of a month that ends with the export
        (AS_OF + 15, AS_OF - 7, False),
        (None, None, False),
    ],
)
def test_usage_that_ends_more_than_two_weeks_before_the_export_is_noted(
    last: int | None, usage_end: int | None, said: bool
) -> None:
    found = noted(content(), usage_end=usage_end, last=last)
    assert found == ["usage ends on 2020-01-24, 15 days before the day of the snapshot"] * said


def test_rows_of_a_period_that_is_not_over_are_noted() -> None:
    end = "in quarantine, as the period was not complete by 2020-02-08"
    assert noted(content(), unfinished=2) == [f"2 usage rows are {end}"]
    assert noted(content(), unfinished=0) == []


def test_conversions_on_and_before_the_first_day_and_unknown_beginnings_are_told_apart() -> None:
    dated = content(
        form=Form(has_since=True),
        converted_on=[5, 5, 6, 7, 8, NEVER_CLOSED, NEVER_CLOSED],
        since=[5, 5, 7, 6, NEVER_BEGAN, 4, NEVER_BEGAN],
    )
    assert noted(dated) == [
        "2 customers converted on the first day: set aside, as there is nothing before it to learn from",
        "1 customer converted before the first day: set aside, as one of the two dates is wrong",
        "2 companies have no first day: counted from the start of the data",
    ]
    assert noted(replace(dated, form=Form())) == []


def test_blanks_that_may_leak_are_noted_of_all_but_categories_that_have_a_level_for_them() -> None:
    kinds = {
        "age": Attribute("age", "number", "age", "age"),
        "trade": Attribute("trade", "category", "trade", "trade"),
        "owner": Attribute("owner", "category", "owner", "owner", blank_leaks=True),
        "size": Attribute("size", "range", "size", "size"),
    }
    blanks = (
        *(BlankRates(name, 0.1, 0.5, 100) for name in ("age", "trade", "owner")),
        BlankRates("size", 0.1, 0.11, 100),
    )
    found = noted(content(form=Form(attributes=tuple(kinds.values()))), blanks)
    assert [note.split()[0] for note in found] == ["age", "owner"]
    assert found[0].startswith("age is blank for 10.0% of customers and 50.0% of the others")


def test_columns_that_are_ignored_and_those_that_lack_are_named_by_table() -> None:
    tables = (
        TableRead("paid", "p.csv", "converted", 1, ("note", "x")),
        TableRead("free", "f.csv", "free", 1, (), ("size",)),
    )
    assert noted(content(), tables=tables) == [
        "paid: ignored 'note', 'x'",
        "free: has no column for size, which stays blank unless another table has it",
    ]


def test_rows_of_purchases_that_are_none_are_noted_by_table() -> None:
    tables = (
        TableRead("bought", "b.csv", "purchases", 9, no_purchases=2),
        TableRead("orders", "o.csv", "purchases", 9, no_purchases=1),
        TableRead("seen", "s.csv", "usage", 9),
    )
    end = "not count as a conversion: a refund, or nothing was paid"
    assert noted(content(), tables=tables) == [f"bought: 2 rows do {end}", f"orders: 1 row does {end}"]


def test_notes_speak_of_money_and_entities_as_the_description_does() -> None:
    words = Words(Noun("team", "teams"), value="annual fee", customer=Noun("buyer", "buyers"))
    said = content(form=Form(words=words, has_since=True), value=[0.0], converted_on=[3], since=[3])
    assert noted(said) == [
        "1 buyer with an annual fee of zero or less is kept; annual fee is not a feature",
        "1 buyer converted on the first day: set aside, as there is nothing before it to learn from",
    ]
    lately = content(form=Form(words=words, has_since=True), converted_on=[9], since=[NEVER_BEGAN])
    assert noted(lately) == ["1 team has no first day: counted from the start of the data"]


def test_the_day_by_which_a_period_is_not_complete_is_that_of_the_export() -> None:
    (note,) = noted(content(), last=AS_OF - 3, unfinished=1)
    assert note == "1 usage row is in quarantine, as the period was not complete by 2020-02-08"
