"""How ranges and names are read, whatever their spelling."""

from __future__ import annotations

import math

import pytest

from ml_sys.features.spellings import normalised, range_of


@pytest.mark.parametrize(
    ("text", "number", "level"),
    [
        ("1-5k", math.sqrt(1000 * 5000), "1000_to_5000"),
        ("500 to 5k", math.sqrt(500 * 5000), "500_to_5000"),
        ("1 000 – 5 000", math.sqrt(1000 * 5000), "1000_to_5000"),
        ("2 teams, 5k people", math.sqrt(2 * 5000), "2_teams_5000_people"),  # no range, so no unit is shared
        ("10k+", 10_000, "10000_or_more"),
        ("1k-5m", math.sqrt(1_000 * 5_000_000), "1000_to_5000000"),  # each has a unit of its own
        ("5-5k", math.sqrt(5 * 5_000), "5_to_5000"),
        ("-5", 5, "5"),  # nothing before the dash, so that there is no range
        ("1.2345", 1.2345, "1_2345"),  # four digits are no thousands
        ("10+ of 50", math.sqrt(10 * 50), "10_or_more_of_50"),
    ],
)
def test_a_unit_belongs_to_both_ends_of_a_range_where_the_first_would_else_be_above_it(
    text: str, number: float, level: str
) -> None:
    found, written = range_of(text)
    assert (found, written) == (pytest.approx(number), level)


def test_a_name_is_one_in_whatever_letters_and_a_synonym_is_what_it_means() -> None:
    synonyms = {"uk": "united_kingdom"}
    assert normalised("UK", synonyms) == normalised(" united  Kingdom", synonyms) == "united_kingdom"
    assert normalised("–", {}) == normalised(None, {}) == "missing"
