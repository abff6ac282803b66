"""What a usage row stands for, and where tables come from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ml_sys.days import Period
from ml_sys.settings import Settings
from ml_sys.settings.data import IngestSettings


@pytest.mark.parametrize(
    ("said", "period"),
    [
        ("day", Period("day")),
        ("week", Period("week")),
        ("month", Period("month")),
        (14, Period("week", 2)),
        (10, Period("day", 10)),
    ],
)
def test_a_usage_row_covers_a_unit_or_a_number_of_days(said: str | int, period: Period) -> None:
    assert Settings.model_validate({"usage": {"period": said}}).usage.row_period == period


@pytest.mark.parametrize("said", ["weekly", 0, -7])
def test_what_is_no_period_is_refused(said: str | int) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"usage": {"period": said}})


@pytest.mark.parametrize(
    "address", ["postgresql://me:secret@crm.example/sales", "postgresql://crm.example/sales?password=secret"]
)
def test_an_address_of_tables_holds_no_password_since_versions_publish_their_settings(address):
    with pytest.raises(ValidationError, match="put the password into PGPASSWORD"):
        IngestSettings(database=address)
    plain = "postgresql://me@crm.example/sales"
    assert IngestSettings(database=plain).database == plain
