"""What a canary says is written from its figures."""

from __future__ import annotations

from ml_sys.leaks.canary import END, LATER, NO_END, Canary


def test_plain_data_hold_the_sentence_beside_the_figures_that_it_is_written_from() -> None:
    figures = {"feature": "users_28d", "cutoff": "2020-01-06", "companies": 1200}
    assert Canary(LATER, "failed", figures).to_plain() == {
        "name": "later usage deleted",
        "status": "failed",
        "found": "users_28d at 2020-01-06 looks ahead: 1,200 values depend on later usage.",
        "figures": figures,
    }


def test_a_canary_that_could_not_judge_says_why() -> None:
    figures = {"not_judged": NO_END, "days": 60, "conversions": 1, "expected": 2.5, "p_value": 0.3}
    assert Canary(END, "warned", figures).sentence() == (
        "Could not be judged: too few conversions for their end to show "
        "(1 company in the last 60 days, 2.5 expected)."
    )
