"""Companies in columns take few bytes, and come back as they were read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.ingesting.company_columns import Companies, Texts, joined, narrow
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.settings.description import default_form
from tests.data.tables import companies_of

LEAST, MOST = np.iinfo(np.int32).min, np.iinfo(np.int32).max


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, np.nan, np.inf, -0.0, 16_000_001], np.float32),
        ([0.1], np.float64),
        ([16_777_217], np.float64),
        ([1e300, np.nan], np.float64),
        ([], np.float32),
    ],
)
def test_numbers_take_four_bytes_where_these_hold_each_of_them(values: list[float], kind: type) -> None:
    column = np.array(values, np.float64)
    held = narrow(column)
    assert held.dtype == kind
    assert held.astype(np.float64).tobytes() == column.tobytes()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        *((MOST, np.int32), (MOST + 1, np.int64), (-MOST, np.int32), (LEAST - 1, np.int64)),
        (np.iinfo(np.int64).min, np.int64),
    ],
)
def test_lines_take_four_bytes_where_these_hold_each_of_them(line: int, kind: type) -> None:
    held = narrow(np.array([1, line]))
    assert (held.tolist(), held.dtype) == ([1, line], kind)


@pytest.mark.parametrize(("n", "kind"), [(1, np.int8), (127, np.int8), (128, np.int16), (40_000, np.int32)])
def test_texts_are_codes_of_as_few_bytes_as_their_number_needs(n: int, kind: type) -> None:
    texts = [None, *(f"text {at % n}" for at in range(n + 5)), "", None]
    coded = Texts.of(pa.array(texts, pa.string()))
    assert coded.codes.dtype == (kind if n + 1 <= np.iinfo(kind).max else np.int16)
    assert coded.plain().to_pylist() == texts
    assert coded.take(np.array([len(texts) - 1, 1])).plain().to_pylist() == [None, "text 0"]


def test_texts_of_several_batches_and_blanks_of_a_table_without_them_are_one_column() -> None:
    batches = [["b", None, "a"], [], ["c", "a", None], [None], [f"text {at}" for at in range(200)]]
    pieces = [Texts.of(pa.array(one, pa.string())) for one in batches]
    together = joined([pieces[0], Texts.blank(2), *pieces[1:]])
    assert isinstance(together, Texts)
    assert together.plain().to_pylist() == [
        *batches[0],
        None,
        None,
        *(text for one in batches[1:] for text in one),
    ]
    assert len(together.distinct) == 203
    assert len(together) == 3 + 2 + 3 + 1 + 200


def test_numbers_of_several_batches_are_as_wide_as_the_widest_that_has_rows() -> None:
    half, whole, none = np.float32([1]), np.array([0.1]), np.zeros(0)
    assert joined([half, none]).dtype == np.float32
    together = joined([half, whole])
    assert (together.tolist(), together.dtype) == ([1.0, 0.1], np.float64)
    assert len(joined([none, none])) == 0


@pytest.mark.parametrize(("as_of", "free"), [(99, [True, True]), (100, [False, True]), (101, [False, False])])
def test_a_company_that_became_a_customer_after_a_day_was_free_on_it(as_of: int, free: list[bool]) -> None:
    days = np.array([100, 101, NEVER_CLOSED], np.int32)
    then = companies_of(pd.DataFrame({"converted_on": days, "value": [1.0, 2.0, np.nan]})).free_again(as_of)
    assert (then.converted_on[:2] == NEVER_CLOSED).tolist() == free
    assert np.isnan(then.value[:2]).tolist() == free
    assert np.isnan(then.value[2])


def test_of_entities_without_a_table_only_the_ids_are_known() -> None:
    form = default_form()
    found = Companies.without_tables(pa.array(["a", "b"]), form).part(np.arange(2))
    assert list(found) == ["id", "converted_on", "value", *(one.name for one in form.attributes)]
    assert found["id"].to_pylist() == ["a", "b"]
    assert (found["converted_on"].tolist(), found["converted_on"].dtype) == ([NEVER_CLOSED] * 2, np.int32)
    assert all(np.isnan(found[name]).all() for name in list(found)[2:])


def test_some_companies_are_stored_in_the_order_and_the_types_of_the_form() -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "converted_on": np.int32([5, NEVER_CLOSED, 7]),
            "value": [1.5, np.nan, 2.5],
            "since": np.int32([1, 2, 3]),
            "rank": [np.nan, np.inf, 3],
            "trade": ["x", None, "y"],
        }
    )
    companies = companies_of(frame)
    found = companies.part(np.array([0, 2]))
    assert list(found) == list(frame)
    assert [found[name].tolist() for name in ("converted_on", "since")] == [[5, 7], [1, 3]]
    assert [str(found[name].dtype) for name in ("value", "since", "rank")] == ["float64", "int32", "float64"]
    assert (found["value"].tolist(), found["trade"].to_pylist()) == ([1.5, 2.5], ["x", "y"])
    assert companies.is_blank("trade").tolist() == [False, True, False]
    assert companies.is_blank("rank").tolist() == [True, False, False]
    assert len(companies) == 3
