"""Handing a list out: who is drawn, what sales and the analyst see of it, and what is recorded."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.errors import UsageError
from ml_sys.jobs.lists.handing_out import (
    Handing,
    called_lately,
    day_number_of,
    design_of,
    hand_out,
    reach,
    settings_digest,
    waiting,
    whom_to_call,
    with_controls,
)
from ml_sys.outcomes.lists import HandedOutList, ListEntry, list_id_of
from ml_sys.outcomes.lottery import Design, draw
from ml_sys.outcomes.store import opened_store
from ml_sys.scoring.cooldown import COOLING, EXCLUDED
from ml_sys.scoring.reasons import Reason
from ml_sys.scoring.scored_list import ScoredList
from ml_sys.settings import Settings

MONDAY = 18_267  # 2020-01-06
NOW = datetime(2020, 1, 6, 6, 0, 0, 123_456, tzinfo=UTC)
REASON = Reason("used deals", "raises", 0.5, ("users_deals",))


def scored(n: int = 6, behind: int = 1, day: str = "2020-01-06") -> ScoredList:
    """Companies of falling probability, the last of which cool down; their file held them the other way."""
    table = pd.DataFrame(
        {
            "rank": range(1, n + 1),
            "id": [f"c{at}" for at in range(n)],
            "probability": np.linspace(0.6, 0.1, n),
            "tier": ["A", *["B"] * (n - 1)],
            "will_convert": True,
            "model_version": "1.0.0",
            "cutoff": day,
        }
    )
    group = np.array([""] * (n - behind) + [COOLING] * behind, dtype=object)
    excluded = pd.DataFrame({"id": ["x"], "probability": [0.9], "tier": ["A"], "group": [EXCLUDED]})
    reasons = ([REASON], [])
    return ScoredList(table, np.arange(n)[::-1], (), (), pa.table({}), reasons, group, excluded)


def settings_of(folder, **changes) -> Settings:
    return Settings.model_validate({"artifacts_dir": folder, "seed": 5, **changes})


def handed(settings: Settings, capacity: int = 2, made: ScoredList | None = None, **changes):
    handing = Handing(made or scored(), "1.2.0", 30, capacity, **changes)
    return hand_out(settings, handing, NOW)


def test_a_plain_list_is_recorded_whole(tmp_path):
    settings, made = settings_of(tmp_path, store={"entries": 3}), scored()
    found = handed(settings)
    digest = settings_digest(settings, 2)
    assert found.listed == HandedOutList(
        list_id=list_id_of(MONDAY, "1.2.0", digest, [made.table.assign(group=made.group)]),
        cutoff=MONDAY,
        version="1.2.0",
        made_at="2020-01-06T06:00:00.123+00:00",
        settings_digest=digest,
        horizon_days=30,
        capacity=2,
        design="none",
        seed=5,
        prospects=6,
        expected=pytest.approx(2.1),
        recorded=5,
    )
    assert (found.recorded, found.called) == ("new", 2)
    assert found.to_plain() == {"listed": found.listed, "recorded": "new", "called": 2, "later": ""}
    with opened_store(settings) as store:
        entries = [store.company(found.listed.list_id, name) for name in ("c0", "c1", "c2", "c3", "c5", "x")]
    assert entries == [
        ListEntry("c0", 1, 0.6, "A", True, 1.0, reasons=(asdict(REASON) | {"features": ["users_deals"]},)),
        ListEntry("c1", 2, 0.5, "B", True, 1.0),
        ListEntry("c2", 3, pytest.approx(0.4), "B", False, 0.0),
        None,
        ListEntry("c5", 6, 0.1, "B", False, 0.0, group=COOLING),
        ListEntry("x", 0, 0.9, "A", False, 0.0, group=EXCLUDED),
    ]
    again = handed(settings)
    assert (again.recorded, again.listed) == ("same", found.listed)


def test_whoever_is_to_be_called_is_recorded_however_few_are_kept(tmp_path):
    settings = settings_of(tmp_path, store={"entries": 1})
    found = handed(settings, capacity=3, made=scored(5, behind=0))
    with opened_store(settings) as store:
        kept = store.entries([found.listed.list_id])
    assert kept["entity_id"][kept["rank"] > 0].tolist() == ["c0", "c1", "c2"]
    assert found.listed.recorded == 4  # with the one that is left out


def test_no_more_are_called_than_are_free(tmp_path):
    found = handed(settings_of(tmp_path), capacity=5, made=scored(4, behind=2))
    assert found.drawn.selected.tolist() == [True, True, False, False]
    assert found.drawn.inclusion_probability.tolist() == [1, 1, 0, 0]
    assert found.drawn.group.tolist() == ["", "", COOLING, COOLING]
    assert set(found.drawn.waits_until.tolist()) == {-1}


def test_a_lottery_draws_from_those_who_are_free_and_the_pool_waits(tmp_path):
    settings, made = settings_of(tmp_path, experiment={"design": "lottery"}), scored(8, behind=2)
    found = handed(settings, made=made)
    free = draw(
        [f"c{at}" for at in range(6)],
        made.table["probability"].to_numpy()[:6],
        Design("lottery", 2, 5, 30),
        list_id=found.listed.list_id,
        cutoff=MONDAY,
    )
    for name, rest in (
        ("selected", [False] * 2),
        ("inclusion_probability", [0.0] * 2),
        ("group", [COOLING] * 2),
        ("waits_until", [-1] * 2),
    ):
        assert getattr(found.drawn, name).tolist() == [*getattr(free, name).tolist(), *rest]
    assert found.listed.design == "lottery"
    with opened_store(settings) as store:
        assert store.company(found.listed.list_id, "c0").waits_until == MONDAY + 35
        assert store.company(found.listed.list_id, "c4").waits_until is None
    assert waiting(settings, MONDAY + 7) == {f"c{at}": MONDAY + 35 for at in range(4)}
    assert waiting(settings_of(tmp_path), MONDAY + 7) == {}
    assert waiting(settings_of(tmp_path / "none", experiment={"design": "lottery"}), MONDAY + 7) == {}


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_held_out_share_is_drawn_as_far_down_the_list_as_there_are_calls(tmp_path, share):
    settings, made = settings_of(tmp_path, experiment={"design": "holdout", "share": share}), scored(90, 0)
    made.table.loc[2:60, "probability"] = made.table["probability"][2]
    found = handed(settings, made=made)
    whole = draw(
        made.table["id"].tolist(),
        made.table["probability"].to_numpy(),
        Design("holdout", 2, 5, 30, share=share),
        list_id=found.listed.list_id,
        cutoff=MONDAY,
    )
    assert whole.selected.sum() == found.called == 2
    for name in ("selected", "inclusion_probability", "group", "waits_until"):
        assert getattr(found.drawn, name).tolist() == getattr(whole, name).tolist()


def test_another_list_of_the_day_needs_leave_and_keeps_its_reason(tmp_path):
    settings = settings_of(tmp_path)
    first = handed(settings)
    with pytest.raises(UsageError, match="another list of 2020-01-06 was handed out"):
        handed(settings, capacity=3)
    second = handed(settings, capacity=3, replace_other=True, reason="one more caller")
    assert (second.recorded, second.listed.reason, second.called) == ("replaced", "one more caller", 3)
    with opened_store(settings) as store:
        assert [one.list_id for one in store.lists()] == [second.listed.list_id]
        assert store.lists(replaced=True)[0].replaced_by in {second.listed.list_id, None}
    assert first.listed.list_id != second.listed.list_id


def test_a_list_of_an_earlier_day_than_one_that_is_out_says_so(tmp_path):
    settings = settings_of(tmp_path)
    first, out = (
        handed(settings, made=scored(day="2020-01-13")),
        handed(settings, made=scored(day="2020-01-20")),
    )
    assert (first.later, out.later) == ("", "")
    assert handed(settings, made=scored(day="2020-01-06")).later == out.listed.list_id
    again = handed(settings, made=scored(day="2020-01-13"))
    assert (again.recorded, again.later) == ("same", out.listed.list_id)


def test_who_was_called_lately_is_known_between_two_days_and_nothing_is_made_to_know_it(tmp_path):
    settings = settings_of(tmp_path / "a")
    assert called_lately(settings, after=0, before=MONDAY + 1) == {}
    assert not (tmp_path / "a").exists()
    handed(settings)
    assert called_lately(settings, after=MONDAY - 1, before=MONDAY + 1) == {"c0": MONDAY, "c1": MONDAY}
    assert called_lately(settings, after=MONDAY, before=MONDAY + 1) == {}
    assert called_lately(settings, after=MONDAY - 1, before=MONDAY) == {}


def test_the_design_is_that_of_the_settings(tmp_path):
    chosen = {
        "design": "holdout", "pool": 3.0, "certain_share": 0.25,
        "wait_weeks": 6, "share": 0.2, "hold_weeks": 9,
    }  # fmt: skip
    found = design_of(settings_of(tmp_path, experiment=chosen), capacity=7, horizon_days=28)
    assert found == Design("holdout", 7, 5, 28, 3.0, 0.25, 6, 0.2, 9)


@pytest.mark.parametrize(
    ("chosen", "depth"),
    [
        ({}, 7),
        ({"design": "lottery"}, 14),
        ({"design": "lottery", "pool": 1.8}, 13),
        ({"design": "holdout"}, 16),
        ({"design": "holdout", "share": 0.25}, 19),
    ],
)
def test_how_far_down_the_list_calls_may_reach_depends_on_the_design(tmp_path, chosen, depth):
    assert reach(settings_of(tmp_path, experiment=chosen), 7) == depth


def drawn_of(made: ScoredList, *chosen: int):
    free = draw([], np.zeros(0), Design("none", 1, 1, 30), list_id="a", cutoff=0)
    n = len(made.table)
    selected = np.isin(np.arange(n), chosen)
    waits = np.where(selected, MONDAY, -1).astype(np.int32)
    return replace(
        free, selected=selected, inclusion_probability=np.arange(n) / 10, group=made.group, waits_until=waits
    )


def test_sales_see_those_to_call_numbered_anew_and_in_the_order_of_their_file():
    made = replace(scored(6), input_order=np.array([2, 5, 0, 4, 1, 3]))
    found = whom_to_call(made, drawn_of(made, 1, 2, 5))
    assert found.table["rank"].tolist() == [1, 2, 3]
    assert found.table["id"].tolist() == ["c1", "c2", "c5"]
    # In the file they stand as c2, c5 and c1.
    assert found.table["id"].iloc[found.input_order].tolist() == ["c2", "c5", "c1"]
    assert found.group.tolist() == ["", "", COOLING]
    assert found.reasons == ([],)
    assert whom_to_call(made, drawn_of(made, 0, 3)).reasons == ([REASON],)
    assert whom_to_call(made, drawn_of(made)).table.empty


def test_those_to_call_keep_the_order_of_their_file():
    made = replace(scored(4, behind=0), input_order=np.array([1, 2, 0, 3]))  # c1, c2, c0, c3
    seen = whom_to_call(made, drawn_of(made, 0, 1))
    assert seen.table["id"].iloc[seen.input_order].tolist() == ["c1", "c0"]


def test_the_analyst_sees_everybody_and_how_each_was_drawn():
    made = scored(3)
    (found,) = with_controls(made, drawn_of(made, 1))
    assert found["id"].tolist() == ["c0", "c1", "c2"]
    assert found["selected"].tolist() == [False, True, False]
    assert found["inclusion_probability"].tolist() == [0, 0.1, 0.2]
    assert found["group"].tolist() == ["", "", COOLING]
    assert found["waits_until"].tolist() == ["", "2020-01-06", ""]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"score": {"top": 3}}, True),
        ({"score": {"exclude": "x.csv"}}, True),
        ({"score": {"hand_out": True}}, True),
        ({"score": {"reasons": 2}}, True),
        ({"score": {"reasons_top": 2}}, True),
        ({"score": {"stale_days": 2}}, True),
        ({"seed": 6}, True),
        ({"score": {"cooldown_weeks": 2}}, False),
        ({"usage": {"stamp": "end"}}, False),
        ({"threshold": {"value": 0.25}}, False),
        ({"experiment": {"pool": 3.0}}, False),
    ],
)
def test_the_digest_is_of_the_settings_that_make_another_list(tmp_path, changed, same):
    base = settings_digest(settings_of(tmp_path), 2)
    assert (settings_digest(settings_of(tmp_path, **changed), 2) == base) == same
    assert settings_digest(settings_of(tmp_path), 3) != base


def test_a_list_of_tables_described_otherwise_is_another_one(tmp_path):
    described = settings_of(tmp_path).model_dump(mode="json", by_alias=True)["schema"]
    described["tables"]["customers"]["file"] = "others.csv"
    other = settings_of(tmp_path, schema=described)
    assert settings_digest(other, 2) != settings_digest(settings_of(tmp_path), 2)


def test_a_day_is_counted_from_1970():
    assert day_number_of("1970-01-02") == 1
    assert day_number_of("2020-01-06") == MONDAY
