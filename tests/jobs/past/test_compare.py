"""What two settings are compared by."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ml_sys.errors import UsageError
from ml_sys.experiments.ablation import Ablation
from ml_sys.jobs.past.compare import (
    Ablated,
    Compared,
    Dates,
    Side,
    at_dates_of,
    compare_settings,
    differing,
    side_of,
)
from ml_sys.metrics.paired import Paired
from ml_sys.model.files.serialization import read_settings
from ml_sys.registry.store import Registry
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


def pair(challenger: float, champion: float) -> Paired:
    return Paired("roc_auc", challenger, champion, challenger - champion, -0.25, 0.5, 0.75, 0.125)


def test_lists_are_counted_by_their_days_and_by_who_converted_on_any() -> None:
    lists = SimpleNamespace(
        cutoff=np.array([18_035, 18_000, 18_000, 18_035]),
        company=np.array([1, 1, 2, 3]),
        label=np.array([True, True, False, True]),
    )
    found = Dates.of(lists)  # type: ignore[arg-type]  # what is read of it
    assert (found.cutoffs, found.converters) == ((18_000, 18_035), 2)
    assert found.to_plain() == {"cutoffs": ["2019-04-14", "2019-05-19"], "companies_converted": 2}


def test_two_sides_are_told_by_their_names_with_b_as_the_challenger() -> None:
    found = Compared(
        "old.toml", "1.1.0", {"seed": (1, 2)}, Dates((18_000,), 7), {"all": {"roc_auc": pair(0.75, 0.5)}}
    )
    figures = {
        "a": 0.5, "b": 0.75, "difference": 0.25, "low": -0.25, "high": 0.5, "probability_b_better": 0.75,
    }  # fmt: skip
    assert found.to_plain() == {
        "a": "old.toml", "b": "1.1.0", "settings": {"seed": {"a": 1, "b": 2}}, "cutoffs": ["2019-04-14"],
        "companies_converted": 7, "metrics": {"all": {"roc_auc": figures}},
    }  # fmt: skip
    assert found.table.loc[("all", "roc_auc")].to_dict() == figures
    assert found.table.index.names == ["population", "metric"]
    assert "1.1.0 against old.toml on 1 past lists" in found._repr_html_()


def test_what_a_group_adds_is_the_whole_against_what_is_left() -> None:
    found = Ablated((Ablation("windows", 9, {"all": {"roc_auc": pair(0.75, 0.5)}}),), Dates((18_000,), 7))
    (group,) = found.to_plain()["groups"]
    assert (group["group"], group["features"]) == ("windows", 9)
    assert group["metrics"]["all"]["roc_auc"] == {
        "with": 0.75, "without": 0.5, "adds": 0.25, "low": -0.25, "high": 0.5, "probability_helps": 0.75,
    }  # fmt: skip


def test_a_side_is_a_file_by_its_ending_or_else_a_version(several: Path) -> None:
    base = settings(artifacts_dir=several)
    mine = settings(seed=9)
    assert side_of("mine.TOML", base, lambda path: mine if path == Path("mine.TOML") else base) == Side(
        "mine.TOML", mine
    )
    one = side_of("1.1.0", base, lambda _: mine)
    assert one.name == "1.1.0"
    assert one.settings == read_settings(Registry(several).open("1.1.0"))


@pytest.mark.parametrize("other", [{"label": {"horizon_days": 14}}, {"usage": {"period": "day"}}])
def test_what_does_not_predict_the_same_is_not_compared(other: dict[str, Any]) -> None:
    with pytest.raises(
        UsageError, match=r"a and b do not predict the same thing: \[label\] or \[usage\] differ"
    ):
        compare_settings(
            settings(), Side("a", settings()), Side("b", settings(**other)), (None, None), lambda *_: None
        )
