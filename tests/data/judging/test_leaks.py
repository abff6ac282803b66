"""What looks known only after paying: by values that show it, else by names, and never by luck."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from ml_sys.data.judging import leaks
from ml_sys.data.judging.parts import JudgedTables, gather
from ml_sys.data.judging.paying_words import says_lifetime, says_paying
from ml_sys.data.judging.shapes import ENOUGH, Shape
from tests.data.judging.rows import entities, purchases, usage

KNOWN = JudgedTables(entities=1000, converters=100, first_day=0, used=0)
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
def test_nothing_is_sure_of_few_converters_or_where_half_convert(known: JudgedTables, sure: bool) -> None:
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


def test_a_column_of_a_year_with_usage_is_to_be_looked_at_and_one_of_an_earlier_year_is_not() -> None:
    names = dict.fromkeys(("staff_2022", "staff_2023", "ects_ws2324", "size_2022_2024"), "number")
    part = entities([("1", None, "2023-01-01", "3", "4", "5", "6")], **names)
    used = [usage([("1", "2023-03-01")])]
    with duckdb.connect() as connection:
        found = leaks.judge_attributes(connection, [part], gather(connection, [part, *used]))
    assert {one.column: one.sure for one in found} == dict.fromkeys(set(names) - {"staff_2022"}, False)
    assert found[0].reason == (
        "of 2023, so it is not known at cutoffs in that year or before (usage begins in 2023)"
    )


PAYING, LIFETIME = says_paying("current_plan"), says_lifetime("total_logins")
LIFE = "over the whole life (correlation {}), which includes the conversion and everything after it"


@pytest.mark.parametrize(
    ("name", "shape", "reason", "sure"),
    [
        ("x", FULL, "filled for 38% of those that converted and 0.2% of the others", True),
        (
            "x",
            Shape(20, 100, 0, 20, 0.6),
            "filled for 20% of those that converted and 0.0% of the others",
            True,
        ),
        (
            "x",
            replace(SHAPE, separation=0.981),
            "separates converters from the others almost perfectly (ROC-AUC 0.98)",
            True,
        ),
        (
            "x",
            replace(SHAPE, usage=0.91, amount=0.95),
            "follows the number of usage rows " + LIFE.format("0.91"),
            True,
        ),
        (
            "x",
            replace(SHAPE, usage=0.8, amount=0.95),
            "follows the total of what is used " + LIFE.format("0.95"),
            True,
        ),
        (
            "x",
            replace(SHAPE, last_use=0.96, since=0.95),
            "follows the day of the last use " + LIFE.format("0.96"),
            True,
        ),
        ("x", replace(SHAPE, last_use=0.96, since=0.96), "", False),
        (
            "total_logins",
            replace(SHAPE, amount=0.5),
            "follows the total of what is used " + LIFE.format("0.50"),
            True,
        ),
        (
            "total_logins",
            replace(SHAPE, last_use=0.5, since=0.4),
            "follows the day of the last use " + LIFE.format("0.50"),
            True,
        ),
        ("x", replace(SHAPE, day=0.93, since=0.9), "follows the day of conversion (correlation 0.93)", True),
        ("x", replace(SHAPE, day=0.93, since=0.915), "", False),
        (
            "current_plan",
            replace(SHAPE, separation=0.85),
            f"{PAYING}, and shows who converted (ROC-AUC 0.85)",
            True,
        ),
        (
            "total_logins",
            replace(SHAPE, separation=0.86),
            f"{LIFETIME}, and shows who converted (ROC-AUC 0.86)",
            True,
        ),
        (
            "current_plan",
            replace(SHAPE, since=0.98),
            "follows the first day of each, which is known at every cutoff anyway",
            False,
        ),
        ("current_plan", replace(SHAPE, since=0.979), PAYING, False),
        ("total_logins", SHAPE, LIFETIME, False),
        ("x", SHAPE, "", False),
    ],
)
def test_what_is_wrong_with_a_column_is_told_whole(name: str, shape: Shape, reason: str, sure: bool) -> None:
    assert leaks._judged(name, shape, KNOWN) == (reason, sure)


@pytest.mark.parametrize("known", [replace(KNOWN, converters=ENOUGH - 1), replace(KNOWN, converters=500)])
def test_of_few_converters_or_where_half_convert_only_what_a_column_follows_is_sure(
    known: JudgedTables,
) -> None:
    assert leaks._judged("x", FULL, known) == ("", False)
    assert leaks._judged("current_plan", replace(SHAPE, separation=0.9), known) == (PAYING, False)
    assert leaks._judged("x", replace(SHAPE, usage=0.9), known)[1]
    with duckdb.connect() as connection:
        log = usage([("a", "2024-01-01", "5", "receipt")], measure="fee", event="kind")
        assert leaks.judge_usage(connection, log, known) == leaks.paying_kinds(connection, log, known) == []
        assert leaks._only_converters(connection, known, number=True) == ""


def judged(values: list[object], paid: int, kind: str) -> list[tuple[str, str, str, bool]]:
    """Judge a column of a table of which so many first rows converted."""
    rows = people(paid, len(values) - paid, values[:paid], values[paid:])
    part = entities(rows, "accounts", x=kind)
    with duckdb.connect() as connection:
        known = gather(connection, [part])
        found = leaks.judge_attributes(connection, [part], known)
    return [(one.where, one.column, one.reason, one.sure) for one in found]


def test_a_value_that_converters_have_alone_is_a_leak_and_told_with_its_rows() -> None:
    mine = ["gold"] * 15 + ["lead"] * 16 + ["tin"] * 20
    theirs = ["tin"] * 100 + [None] * 49
    assert judged([*mine, *theirs], 51, "text") == [
        ("accounts.x", "x", "100% of the 16 that it is 'lead' for converted, 25.5% of all did", True)
    ]
    assert judged(["gold"] * 14 + ["tin"] * 37 + theirs, 51, "text") == []
    # Nineteen of twenty are as good as all, and eighteen of nineteen are not.
    both = ["b"] * 19 + ["a"] * 19 + ["tin"] * 13, ["b", "a", *["tin"] * 147]
    assert judged([*both[0], *both[1]], 51, "text") == [
        ("accounts.x", "x", "95% of the 20 that it is 'a' for converted, 25.5% of all did", True)
    ]
    few = ["b"] * 18 + ["tin"] * 33, ["b", *["tin"] * 148]
    assert judged([*few[0], *few[1]], 51, "text") == []


def test_a_number_above_the_one_that_most_have_is_a_leak_where_converters_have_it_alone() -> None:
    mine = [str(7 + at) for at in range(15)] + ["3"] * 36
    theirs = ["3"] * 100 + ["2"] * 29 + [None] * 20
    assert judged([*mine, *theirs], 51, "number") == [
        ("accounts.x", "x", "100% of the 15 that it is above 3 for converted, 25.5% of all did", True)
    ]
    assert judged([*mine[1:], "3", *theirs], 51, "number") == []
    assert judged([*["1"] * 15, *mine[15:], *theirs], 51, "number") == []  # below it says nothing


def test_kinds_of_event_are_told_whole_the_most_frequent_first_and_twelve_at_most() -> None:
    users = entities([(f"u{at}", "2024-02-10" if at < 40 else None, None) for at in range(100)])
    rows = [(f"u{at}", "2024-01-01", "view") for at in range(100)]
    rows += [
        (f"u{at}", "2024-02-09", f"kind {number:02}")
        for number in range(13)
        for at in range(15 + number // 12)
    ]
    rows += [("u0", "2024-02-20", "kind 00"), *((f"u{at}", "2024-02-01", "early") for at in range(15))]
    rows += [(f"u{at}", "2024-02-11", "early") for at in range(15)]  # the first one counts
    rows += [("u99", "2024-02-09", "kind 12"), *((f"u{at}", "2024-03-01", None) for at in range(15))]
    rows += [("nobody", "2024-02-09", "kind 00")]
    log = usage(rows, event="kind")
    with duckdb.connect() as connection:
        known = gather(connection, [users, log])
        found = leaks.paying_kinds(connection, log, known)
    assert found == [
        leaks.Leak("log", f"kind {at:02}", "100% of the 15 that it happens to converted", True)
        for at in range(12)
    ]


def test_measures_are_told_whole_by_their_values_and_by_their_names() -> None:
    users = entities([(f"u{at}", "2024-02-10" if at < 30 else None, None) for at in range(100)])
    rows = [(f"u{at}", "2024-01-01", "5" if at < 20 else "0") for at in range(100)]
    late = [("u50", "2024-01-02", "1")]
    told = {}
    for name, more in (("fee", []), ("current_plan", []), ("paid", late), ("paid", [*late, *late])):
        log = usage([*rows, *more], measure=name)
        with duckdb.connect() as connection:
            known = gather(connection, [users, log])
            told[name] = leaks.judge_usage(connection, log, known)
    only = "100% of the 20 that it is above zero for converted, 30.0% of all did"
    assert told["fee"] == [leaks.Leak("log", "fee", only, True)]
    assert told["current_plan"] == [leaks.Leak("log", "current_plan", only, True)]
    nearly = "95% of the 21 that it is above zero for converted, 30.0% of all did"
    assert told["paid"] == [leaks.Leak("log", "paid", nearly, True)]


def test_blanks_that_leak_are_told_of_the_table_that_holds_the_column() -> None:
    free = [(f"u{at}", None, None, "x" if at < 140 else None) for at in range(100, 200)]
    part = entities([(f"u{at}", "2024-02-10", None, "x") for at in range(100)] + free, "accounts", x="text")
    other = entities([], "others", y="text")
    with duckdb.connect() as connection:
        parts = [usage([("u1", "2024-01-01", "1")], measure="x"), other, part]
        gather(connection, parts)
        found = leaks.judge_blanks(connection, parts, ["x", "y"])
    told = "blank for 0.0% of those that converted and 60.0% of the others: set blank_leaks = true for it"
    assert found == [leaks.Leak("accounts", "x", told, True)]
    assert leaks.Leak("log", "", "", True).where == "log"
