from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.scoring.streaming.lines import csv_lines, hold_any

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6)
SMALL = st.floats(1e-7, 2e-4) | st.integers(1, 2000).map(lambda n: n / 10**7)
EDGES = [edge for one in (1e-4, 1e-5, 1e-6) for edge in (np.nextafter(one, 0), one, np.nextafter(one, 1))]
KNOWN = st.sampled_from([0.0, -0.0, 1.0, 9.999e-5, 1e16, 1e-300, *map(float, EDGES)])
NUMBERS = st.floats() | st.floats(0, 1) | SMALL | KNOWN
ROWS = st.lists(st.tuples(TEXTS, NUMBERS, st.booleans(), st.integers(-5, 2**62)), min_size=1, max_size=8)


def as_pandas_writes(page: pd.DataFrame) -> bytes:
    text = page.to_csv(index=False, header=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    return text.encode()


@given(ROWS)
def test_lines_are_those_that_pandas_writes(rows) -> None:
    page = pd.DataFrame(rows, columns=["id", "probability", "will_convert", "rank"])
    assert csv_lines(page) == as_pandas_writes(page)
    assert csv_lines(page.astype({"id": object})) == as_pandas_writes(page)


def test_equal_numbers_that_follow_each_other_and_blanks_are_written_as_pandas_does() -> None:
    page = pd.DataFrame(
        {
            "text": ["a", None, 'q"', "x,y", "l\nm"],
            "number": [0.25, 0.25, np.nan, np.nan, 3e-7],
            "last": "2020-01-01",
        }
    )
    assert csv_lines(page) == as_pandas_writes(page)


def test_a_column_that_is_not_plain_is_left_to_pandas_and_no_row_is_no_line() -> None:
    assert csv_lines(pd.DataFrame({"day": [pd.Timestamp("2020-01-01")]})) is None
    assert csv_lines(pd.DataFrame({"mixed": [1, "a"]}, dtype=object)) is None
    assert csv_lines(pd.DataFrame({"id": []})) == b""


def test_zeros_of_either_sign_that_follow_each_other_are_written_with_their_own() -> None:
    page = pd.DataFrame({"id": list("abcd"), "number": [0.0, -0.0, -0.0, 0.0]})
    assert csv_lines(page) == as_pandas_writes(page) == b"a,0.0\nb,-0.0\nc,-0.0\nd,0.0\n"


def test_a_byte_is_found_in_a_part_of_texts_and_only_there():
    texts = pa.array(["a,b", "plain", None, "Zürich", "last;"])
    assert hold_any(texts, b",")
    assert hold_any(texts, b"x;")
    assert not hold_any(texts.slice(1, 3), b",;")
    assert hold_any(texts.slice(3, 1), "ü".encode())
    assert not hold_any(texts.slice(2, 1), bytes(range(256)))
    assert not hold_any(pa.array([], pa.string()), bytes(range(256)))
