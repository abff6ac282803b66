"""Names and texts in SQL are what they were, whatever they hold."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.reading.sql import literal, quoted


@pytest.mark.parametrize("text", ["plain", "it's", 'say "so"', "a'; DROP TABLE b; --", ""])
def test_a_text_and_a_name_come_back_as_they_were(text: str) -> None:
    name = text or "x"
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {literal(text)} AS {quoted(name)}")
        assert [one[0] for one in found.description] == [name]
        assert found.fetchone() == (text,)
