"""From which day a subscription is paid."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.judging.trials import PAID_FROM, with_paid_from
from tests.data.proposing.small import seen


@pytest.mark.parametrize(
    ("started", "trial_end", "canceled", "paid"),
    [
        ("2024-01-01", "2024-01-15", None, "2024-01-15"),
        ("2024-01-01", None, None, "2024-01-01"),
        ("2024-02-01", "2024-01-15", None, "2024-02-01"),
        ("2024-01-01", "2024-01-15", "2024-01-10", None),
        ("2024-01-01", "2024-01-15", "2024-01-15", None),
        ("2024-01-01", "2024-01-15", "2024-01-16", "2024-01-15"),
        ("2024-01-01", None, "2024-01-02", "2024-01-01"),
    ],
)
def test_a_subscription_is_paid_from_the_end_of_its_trial_unless_it_ended_before(
    started, trial_end, canceled, paid
):
    rows = [
        [started, trial_end, canceled, "2024-06-01"],
        ["2023-01-01", "2023-01-08", "2023-05-01", "2024-06-01"],
    ]
    with duckdb.connect() as connection:
        names = "started_on trial_end canceled_at current_period_end"
        table = with_paid_from(connection, seen(connection, "subscriptions", names, rows))
        for source, column in (
            ("subscriptions", PAID_FROM),
            ("subscriptions", table.table.columns[PAID_FROM]),
        ):
            found = connection.execute(f"SELECT {column} FROM {source}").fetchall()  # noqa: S608 - the test's own
            assert found == [(paid and f"{paid} 00:00:00",), ("2023-01-08 00:00:00",)]
        assert (table.columns[PAID_FROM].looks, table.columns[PAID_FROM].filled) == ("date", 1 + bool(paid))


@pytest.mark.parametrize("names", ["id started_on", "id trial_days", "id trial_end trial_expires_at"])
def test_a_table_that_does_not_say_when_trials_end_stays_as_it_is(names):
    with duckdb.connect() as connection:
        rows = [[at, *["2024-01-01"] * (len(names.split()) - 1)] for at in range(3)]
        table = seen(connection, "subscriptions", names, rows)
        assert with_paid_from(connection, table) is table


def test_a_day_that_few_rows_have_is_no_beginning():
    rows = [["2024-02-01", None, "2024-01-15"]] * 9 + [["2024-02-01", "2024-01-20", "2024-01-15"]]
    with duckdb.connect() as connection:
        names = "started_on paused_on trial_end"
        table = with_paid_from(connection, seen(connection, "subscriptions", names, rows))
        found = connection.execute(f"SELECT DISTINCT {PAID_FROM} FROM {table.table.view}").fetchall()  # noqa: S608 - the test's own
    assert found == [("2024-02-01 00:00:00",)]
