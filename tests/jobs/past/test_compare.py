"""What two settings are compared by."""

from __future__ import annotations

from typing import Any

from ml_sys.jobs.past.compare import at_dates_of, differing
from ml_sys.settings import Settings


def settings(**groups: Any) -> Settings:
    return Settings.model_validate(groups)


def test_both_sides_make_the_same_lists_and_each_learns_from_its_own_window():
    base = settings(backtest={"lists": 4, "every_days": 7})
    side = settings(backtest={"lists": 9, "every_days": 28, "window": "expanding"}, seed=3)
    made = at_dates_of(base, side)
    assert made.backtest == settings(backtest={"lists": 4, "every_days": 7, "window": "expanding"}).backtest
    assert made.seed == 3


def test_what_reaches_a_fit_is_what_differs():
    other = settings(backtest={"window": "expanding", "lists": 3}, panel={"step_days": 28}, score={"top": 3})
    assert differing(settings(), other) == {
        "panel.step_days": (7, 28), "backtest.window": ("rolling", "expanding")
    }  # fmt: skip
