"""How values lie among converters and the others: as statistics has it, ties and blanks included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml_sys.data.judging.parts import JudgedTable, gather
from ml_sys.data.judging.shapes import ENOUGH, Shape, order_tells, shape_of
from tests.data.judging.rows import entities, usage

FEW = settings(max_examples=5, deadline=None)


def shape(parts: Sequence[JudgedTable], name: str, number: bool) -> Shape:
    with duckdb.connect() as connection:
        gather(connection, parts)
        return shape_of(
            connection, [one for one in parts if name in one.columns and one.kind == "entities"], name, number
        )


def people(
    values: Sequence[object], paid: Sequence[bool], kind: str = "number", born: str = "2024-01-01"
) -> JudgedTable:
    rows = [
        (f"u{at:03}", f"2024-02-{1 + at % 28:02}" if pays else None, born, value)
        for at, (value, pays) in enumerate(zip(values, paid, strict=True))
    ]
    return entities(rows, x=kind)


def area(values: np.ndarray, paid: np.ndarray) -> float:
    """ROC-AUC, half of a pair that ties."""
    mine, theirs = values[paid][:, None], values[~paid][None]
    return float(((mine > theirs) + 0.5 * (mine == theirs)).mean())


@FEW
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 6), extra=st.integers(0, 3))
def test_numbers_separate_as_the_roc_auc_says_in_whichever_direction(
    seed: int, levels: int, extra: int
) -> None:
    rng = np.random.default_rng(seed)
    paid = np.arange(2 * ENOUGH + extra) < ENOUGH
    values = rng.integers(0, levels, paid.size) + levels // 2 * paid * rng.choice([-1, 1])
    found = shape([people(values.tolist(), paid.tolist())], "x", number=True)
    assert found.separation == pytest.approx(max(area(values, paid), 1 - area(values, paid)))
    assert (found.filled, found.converters, found.others) == (paid.size, ENOUGH, ENOUGH + extra)


def test_blank_numbers_are_left_out_and_with_too_few_of_either_nothing_separates() -> None:
    paid = [True] * (ENOUGH + 1) + [False] * ENOUGH
    values: list[object] = [*range(100, 100 + ENOUGH), None, *range(ENOUGH)]
    found = shape([people(values, paid)], "x", number=True)
    assert (found.separation, found.filled, found.filled_converters) == (1, 2 * ENOUGH, ENOUGH)
    values[0] = None
    assert shape([people(values, paid)], "x", number=True).separation == 0.5


def test_levels_separate_by_their_rates_and_blanks_and_rare_ones_are_a_level_each() -> None:
    texts: list[object] = [*["a"] * 20, *["b"] * 20, *[None] * 20, *"cdefghij"]
    paid = [*[True] * 15, *[False] * 5, *[True] * 2, *[False] * 18, *[True] * 8, *[False] * 12, *[False] * 8]
    rates = {"a": 15 / 20, "b": 2 / 20, None: 8 / 20}
    ranks = np.array([rates.get(one, 0.0) for one in texts])  # type: ignore[call-overload]
    found = shape([people(texts, paid, "text")], "x", number=False)
    assert found.separation == pytest.approx(area(ranks, np.array(paid)))
    assert (found.filled, found.converters, found.filled_converters) == (48, 25, 17)


@FEW
@given(seed=st.integers(0, 10**6), sign=st.sampled_from([1, -1]))
def test_a_number_follows_usage_as_spearman_says_whatever_its_sign(seed: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    n = ENOUGH + 5
    used = np.append(np.arange(1, 5), rng.integers(1, 5, n - 4))
    values = sign * (used + rng.integers(0, 3, n)) + 10
    rows = [(f"u{at:03}", "2024-01-03") for at, times in enumerate(used.tolist()) for _ in range(times)]
    found = shape([people(values.tolist(), [True] * n), usage(rows)], "x", number=True)
    assert found.usage == pytest.approx(abs(stats.spearmanr(values, used).statistic))
    assert found.last_use == found.since == 0  # all on one day


@pytest.mark.parametrize(
    ("n", "levels", "follows"), [(ENOUGH, 3, True), (ENOUGH - 1, 3, False), (ENOUGH, 2, False)]
)
def test_what_follows_takes_enough_entities_and_three_values(n: int, levels: int, follows: bool) -> None:
    values = [at % levels for at in range(n)]
    rows = [(f"u{at:03}", "2024-01-03") for at, one in enumerate(values) for _ in range(one + 1)]
    found = shape([people(values, [True] * n), usage(rows)], "x", number=True)
    assert found.usage == pytest.approx(1.0 if follows else 0.0)


@pytest.mark.parametrize(("turned", "tells"), [(False, 1.0), (True, 1.0)])
def test_the_order_of_ids_tells_where_converters_have_the_lowest_or_the_highest(
    turned: bool, tells: float
) -> None:
    ids = list(range(9, 9 + 2 * ENOUGH))  # of one and of two digits
    rows = [(one, "2024-02-01" if (at < ENOUGH) != turned else None, None) for at, one in enumerate(ids)]
    with duckdb.connect() as connection:
        gather(connection, [entities(rows)])
        assert order_tells(connection) == tells
        gather(connection, [entities([(f"u{one}", *more) for one, *more in rows])])
        assert order_tells(connection) == 0.5


def test_only_those_with_usage_and_only_those_that_paid_are_ranked_by_it() -> None:
    n = ENOUGH + 6
    paid = [True] * n + [False] * n
    # Values of those that paid follow day and usage; the others, with neither, lie below them.
    values = [*range(100, 100 + n), *[3] * n]
    part = people(values, paid)
    rows = [(f"u{at:03}", "2024-01-03") for at in range(n) for _ in range(at + 1)]
    found = shape([part, usage(rows)], "x", number=True)
    assert found.usage == pytest.approx(1.0)
    assert found.day == pytest.approx(1.0)


def test_a_number_follows_the_amount_that_it_is_made_of_and_no_other() -> None:
    totals = {f"u{at}": (at * 7) % 31 for at in range(31)}
    those = entities([(one, None, None, total // 5) for one, total in totals.items()], decile="number")
    log = replace(
        usage(
            [(one, "2024-01-01", part) for one, total in totals.items() for part in (total, 1)], measure="n"
        ),
        numbers=frozenset({"n"}),
    )
    assert shape([those, log], "decile", number=True).amount > 0.95
    assert shape([those, replace(log, numbers=frozenset())], "decile", number=True).amount == 0.0


@pytest.mark.parametrize("paid", [0, 1, 25])
def test_levels_of_converters_alone_or_of_nobody_do_not_separate(paid: int) -> None:
    texts: list[object] = [*["a"] * 20, *["b"] * 5]
    found = shape([people(texts, [True] * paid + [False] * (25 - paid), "text")], "x", number=False)
    theirs = area(np.array([0.05] * 20 + [0.0] * 5), np.arange(25) < paid) if paid == 1 else 0.5
    assert found == Shape(25, paid, 25 - paid, paid, pytest.approx(theirs))


def test_a_level_is_one_of_its_own_from_twenty_rows_on() -> None:
    for rows, expected in ((20, 1.0), (19, 0.5)):
        texts: list[object] = [*["a"] * rows, *["b"] * rows]
        found = shape([people(texts, [True] * rows + [False] * rows, "text")], "x", number=False)
        assert found.separation == expected
    # Rare ones and blanks are none of each other.
    mixed: list[object] = [*["a"] * 10, *["b"] * 10, *[None] * 20]
    assert shape([people(mixed, [True] * 20 + [False] * 20, "text")], "x", number=False).separation == 1.0


def test_of_few_of_either_the_order_of_ids_tells_nothing() -> None:
    for mine, theirs, tells in ((ENOUGH, ENOUGH - 1, 0.5), (ENOUGH - 1, ENOUGH, 0.5), (0, 0, 0.5)):
        rows = [(at, "2024-02-01" if at < mine else None, None) for at in range(mine + theirs)]
        with duckdb.connect() as connection:
            gather(connection, [entities(rows)])
            assert order_tells(connection) == tells


def test_the_greatest_of_several_values_of_an_entity_counts_and_what_is_no_number_is_blank() -> None:
    rows = [(f"u{at}", "2024-02-01" if at < ENOUGH else None, None, at % 3) for at in range(2 * ENOUGH)]
    more = [
        ("u0", None, None, 10),
        ("u1", None, None, "x"),
        ("u2", None, None, None),
        ("u3", None, None, "9"),
    ]
    every = [entities(rows, x="number"), entities(more, "others", x="number")]
    values = [float(at % 3) for at in range(2 * ENOUGH)]
    values[0], values[3] = 10.0, 9.0
    paid = np.arange(2 * ENOUGH) < ENOUGH
    one = area(np.array(values), paid)
    assert shape(every, "x", number=True).separation == pytest.approx(max(one, 1 - one))
    nothing = shape([entities([("a", None, None, "x")], x="number")], "x", number=True)
    assert (nothing.filled, nothing.separation) == (0, 0.5)
