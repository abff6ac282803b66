"""Names of tables and columns, made of what files and columns are called."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from ml_sys.data.looking.names import MONTHS, name_for


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Käufe 2024", "kaufe_2024"),
        ("2024", "other_2024"),
        ("用户", "other_7528_6237"),
        ("", "other"),
        ("?!", "other"),
        ("  Sign-Ups (all).CSV", "sign_ups_all_csv"),
        ("Straße", "strasse"),
        ("_x_", "x"),
        ("9 lives", "other_9_lives"),
        ("用户 users", "users"),
        ("unnamed", "other"),
        ("a" * 49 + " b c", "a" * 49),
        ("b" * 60, "b" * 50),
        ("1" * 60, "other_" + "1" * 50),
        ("ﬁrm", "firm"),
    ],
)
def test_a_name_is_plain_short_and_begins_with_a_letter(text: str, name: str) -> None:
    assert name_for(text, "other") == name
    assert name_for("7") == "table_7"


def test_each_month_is_known_by_its_name_and_its_first_letters() -> None:
    months = (datetime(2020, at, 1, tzinfo=UTC) for at in range(1, 13))
    whole = [one.strftime("%B").lower() for one in months]
    for month in (*whole, *(one[:3] for one in whole), "sept"):
        assert re.fullmatch(MONTHS, month)
    assert not any(re.fullmatch(MONTHS, one) for one in ("janu", "mars", "ju", "octo", ""))
