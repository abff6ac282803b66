"""What looks known only after paying: by values that show it, else by names, and never by luck."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from ml_sys.data.judging import leaks
from ml_sys.data.judging.parts import Known, gather
from ml_sys.data.judging.shapes import ENOUGH, Shape
from tests.data.judging.rows import entities, purchases, usage

KNOWN = Known(entities=1000, converters=100, first_day=0, used=0)
SHAPE = Shape(filled=1000, converters=100, others=900, filled_converters=100, separation=0.6)
FULL = Shape(filled=40, converters=100, others=900, filled_converters=38, separation=0.6)


@pytest.mark.parametrize(
    ("name", "shape", "sure"),
    {
        "a plain column": ("x", SHAPE, None),
        "nineteen in twenty of the filled": ("x", FULL, True),
        "a few less": ("x", replace(FULL, filled_converters=37), None),
        "too few converters": ("x", replace(FULL, filled=14, filled_converters=14), None),
        "tells almost perfectly": ("x", replace(SHAPE, separation=0.97), True),
        "tells well": ("x", replace(SHAPE, separation=0.969), None),
        "tells well by a name": ("current_plan", replace(SHAPE, separation=0.85), True),
        "tells a little by a name": ("current_plan", replace(SHAPE, separation=0.84), False),
        "follows usage": ("x", replace(SHAPE, usage=0.9), True),
        "follows usage a little": ("x", replace(SHAPE, usage=0.89), None),
        "follows an amount": ("x", replace(SHAPE, amount=0.9), True),
        "follows an amount a little": ("x", replace(SHAPE, amount=0.89), None),
        "follows the last use": ("x", replace(SHAPE, last_use=0.9), True),
        "follows it as a month of sign-up does": ("x", replace(SHAPE, last_use=0.95, since=0.96), None),
        "counts a life, and follows usage": ("total_logins", replace(SHAPE, usage=0.5), True),
        "counts a life": ("total_logins", replace(SHAPE, usage=0.49), False),
        "speaks of paying, and follows usage": ("current_plan", replace(SHAPE, usage=0.5), False),
        "follows the conversion": ("x", replace(SHAPE, day=0.9), True),
        "follows it as sign-ups do": ("x", replace(SHAPE, day=0.93, since=0.92), None),
        "follows it more than sign-ups do": ("x", replace(SHAPE, day=0.93, since=0.9), True),
        "follows the sign-up": ("x", replace(SHAPE, since=0.98), False),
    }.values(),
)
def test_a_column_is_judged_by_its_values_and_then_by_its_name(
    name: str, shape: Shape, sure: bool | None
) -> None:
    reason, found = leaks._judged(name, shape, KNOWN)
    assert (bool(reason), found) == (sure is not None, sure is True)


@pytest.mark.parametrize(
    ("known", "sure"),
    [
        (replace(KNOWN, converters=ENOUGH), True),
        (replace(KNOWN, converters=ENOUGH - 1), False),
        (replace(KNOWN, converters=499), True),
        (replace(KNOWN, converters=500), False),
    ],
)
def test_nothing_is_sure_of_few_converters_or_where_half_convert(known: Known, sure: bool) -> None:
    assert leaks._judged("x", replace(SHAPE, separation=0.99), known)[1] == sure


def people(paid: int, free: int, mine: list[object], theirs: list[object]) -> list[tuple[object, ...]]:
    days = ["2024-02-10"] * paid + [None] * free  # type: ignore[list-item]
    return [
        (f"u{at}", day, None, value)
        for at, (day, value) in enumerate(zip(days, [*mine, *theirs], strict=True))
    ]


@pytest.mark.parametrize(
    ("paid", "blank_paid", "blank_free", "leaks_"),
    [
        (100, 5, 30, True),
        (100, 14, 30, True),
        (100, 15, 30, False),  # half as many
        (100, 0, 0, False),
        (100, 30, 5, False),
        (4, 0, 30, False),  # four in ten thousand would be as many by luck
        (7, 0, 30, True),
    ],
)
def test_blanks_leak_where_converters_have_less_than_half_of_them_and_not_by_luck(
    paid: int, blank_paid: int, blank_free: int, leaks_: bool
) -> None:
    mine, theirs = ([None] * n + ["x"] * (m - n) for n, m in ((blank_paid, paid), (blank_free, 100)))
    part = entities(people(paid, 100, mine, theirs), x="text")
    with duckdb.connect() as connection:
        gather(connection, [part])
        found, told = leaks.blanks_leak(connection, [part], "x")
    assert found == leaks_
    assert told == (
        f"blank for {blank_paid / paid:.1%} of those that converted and {blank_free / 100:.1%} of the others"
    )


def verdicts(rows: list[tuple[object, ...]], **column: str) -> list[str]:
    users = entities([(f"u{at}", "2024-02-10" if at < ENOUGH else None, None) for at in range(100)])
    log = usage(rows, **column)
    with duckdb.connect() as connection:
        known = gather(connection, [users, log])
        return [one.column for one in leaks.all_of(connection, [users, log], known)]


@pytest.mark.parametrize(("shown", "is_leak"), [(ENOUGH, True), (ENOUGH - 1, False)])
def test_a_measure_is_a_leak_that_is_above_zero_for_enough_converters_alone(
    shown: int, is_leak: bool
) -> None:
    rows = [(f"u{at}", "2024-01-01", int(at < shown)) for at in range(100)]
    assert verdicts(rows, measure="fee") == ["fee"] * is_leak


@pytest.mark.parametrize(("others", "is_leak"), [(0, True), (1, False)])
def test_a_table_is_a_leak_that_has_rows_of_converters_alone(others: int, is_leak: bool) -> None:
    rows = [(f"u{at}", "2024-01-01") for at in range(ENOUGH + others)]
    assert verdicts(rows) == [""] * is_leak


@pytest.mark.parametrize(
    ("days", "is_leak"),
    [
        (["2024-02-10"] * ENOUGH, True),
        (["2024-02-07"] * ENOUGH, True),  # three days before
        (["2024-02-06"] * ENOUGH, False),
        (["2024-02-10"] * 8 + ["2024-01-01"] * 7, True),  # half of them
        (["2024-02-10"] * 7 + ["2024-01-01"] * 8, False),
    ],
)
def test_a_kind_of_event_is_a_leak_that_happens_to_converters_shortly_before_or_after(
    days: list[str], is_leak: bool
) -> None:
    rows = [(f"u{at}", "2024-01-01", "view") for at in range(100)]
    rows += [(f"u{at}", day, "receipt") for at, day in enumerate(days)]
    assert verdicts(rows, event="kind") == ["receipt"] * is_leak


def test_shares_are_told_of_all_that_converted_and_of_all_the_others() -> None:
    shape = Shape(filled=21, converters=40, others=200, filled_converters=20, separation=0.5)
    reason, _ = leaks._judged("x", shape, KNOWN)
    assert reason == "filled for 50% of those that converted and 0.5% of the others"


def test_a_table_that_is_a_leak_is_named_once_and_purchases_are_no_usage() -> None:
    users = entities([(f"u{at}", "2024-02-10" if at < ENOUGH else None, None) for at in range(100)])
    bought = purchases([(f"u{at}", "2024-02-10") for at in range(ENOUGH)])
    log = usage([(f"u{at}", "2024-01-01", 5) for at in range(ENOUGH)], measure="fee")
    with duckdb.connect() as connection:
        known = gather(connection, [users, bought, log])
        (found,) = leaks.all_of(connection, [users, bought, log], known)
    assert found.where == "log"
    assert found.reason == "100% of the 15 that it has rows for converted, 15.0% of all did"


def test_columns_of_a_period_each_leak_and_one_alone_is_to_be_looked_at() -> None:
    names = {f"logins_2023_0{at}": "number" for at in (1, 2, 3)} | {
        "webinar_2023_05": "text",
        "size": "number",
    }
    part = entities([("1", None, "2023-01-01", "3", "0", "7", "yes", "4")], **names)
    with duckdb.connect() as connection:
        found = leaks.judge_attributes(connection, [part], gather(connection, [part]))
    assert {one.column: one.sure for one in found} == {
        name: name.startswith("logins") for name in names if name != "size"
    }
