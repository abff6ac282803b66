"""Names that speak of paying or of a whole life, and names that only sound like it."""

from __future__ import annotations

import pytest

from ml_sys.data.judging.paying_words import says_lifetime, says_paying


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("current_plan", True),
        ("planType", True),
        ("churned", True),
        ("customer_mrr", True),
        ("is_customer", True),
        ("is_paying_customer", True),
        ("floor_plan", False),
        ("payment_terminal_vendor", False),
        ("customer", False),
        ("repeat_customer", False),
        ("country", False),
        ("active", False),
    ],
)
def test_a_name_speaks_of_paying_where_no_other_word_makes_it_mean_something_else(
    name: str, says: bool
) -> None:
    assert bool(says_paying(name)) == says


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("total_logins", "a total over the whole life"),
        ("logins_to_date", "a total over the whole life"),
        ("lifetimeEvents", "a total over the whole life"),
        ("last_login", "what was last"),
        ("latest_employees", "what was last"),
        ("last_school", ""),
        ("login_count", "a count over the whole life"),
        ("sessions", "a count over the whole life"),
        ("orders_synced", "a count over the whole life"),
        ("emails_sent", "a count over the whole life"),
        ("terms_accepted", ""),
        ("address_verified", ""),
        ("email_verified", ""),
        ("days_since_login", "counts the time up to the export"),
        ("customer_tenure", "counts the time up to the export"),
        ("employee_count", ""),
        ("total_funding", ""),
        ("number_of_offices", ""),
        ("start_date", ""),
        ("age", ""),
        ("trial_days", ""),
        ("customer_name", ""),
    ],
)
def test_a_name_speaks_of_a_whole_life_where_it_counts_what_somebody_does(name: str, says: str) -> None:
    found = says_lifetime(name)
    assert found.startswith(says)
    assert bool(found) == bool(says)


def test_of_several_words_the_first_says_why() -> None:
    assert says_paying("plan_status") == "names the plan that is paid for"
    assert says_paying("status_of_payment") == "a status changes when an entity pays"
