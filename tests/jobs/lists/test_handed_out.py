"""Lists with reasons and with a cool-down, from the prospects file to what sales open."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.errors import UsageError
from ml_sys.jobs.lists.handing_out import Handing, hand_out
from ml_sys.jobs.lists.listed import Listed, ListRequest
from ml_sys.jobs.lists.score import score_file
from ml_sys.outcomes.lists import HandedOutList, ListEntry
from ml_sys.outcomes.store import FILE, opened_store
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.scoring.pipeline_scorer import PipelineScorer
from ml_sys.scoring.ranking import COLUMNS, write_table
from ml_sys.scoring.reasons import NoReasonsError, contributions, reasons
from ml_sys.scoring.streaming.ranked import SUBTOTALS
from ml_sys.settings import Settings
from ml_sys.text import date_of
from ml_sys.views.frame.cells import plain
from tests.scoring.test_remembered import listed, remember

EPOCH = np.datetime64(0, "D")
SUNDAYS = ["2020-01-05", "2020-01-12", "2020-01-19"]
CALLS = 10
NOW = datetime(2020, 2, 1, tzinfo=UTC)


def day(text):
    return int((np.datetime64(text) - EPOCH).astype(int))


@pytest.fixture
def place(registered, tmp_path):
    """A copy of the artifacts that lists may be handed out from."""
    return Path(shutil.copytree(registered, tmp_path / "artifacts"))


def recorded(place, **chosen):
    """What the store holds: each list, and the companies of its day."""
    with opened_store(Settings(artifacts_dir=place)) as store:
        lists = store.lists()
        return lists, {
            date_of(one.cutoff): store.entries([one.list_id], **chosen)["entity_id"].tolist() for one in lists
        }


@pytest.fixture
def score(place, three_tables):
    """Score prospects as of a day, as the command does, and hand the list out where that is asked for."""

    def run(as_of, prospects=three_tables / "noncustomers.csv", *, calls=CALLS, **chosen):
        settings = Settings.model_validate({"artifacts_dir": place, "score": chosen})
        scored = score_file(
            Registry(place),
            "1.0.0",
            settings,
            ListRequest(prospects, as_of=None if as_of is None else day(as_of)),
            capacity=calls,
            on_step=lambda step: None,
        )
        if settings.score.hand_out:
            hand_out(settings, Handing(scored, "1.0.0", 30, calls), NOW)
        return scored

    return run


def first(scored, calls=CALLS):
    return scored.table["id"].head(calls).tolist()


def test_a_plain_list_has_neither_reasons_nor_a_cool_down_and_records_nothing(score, place):
    scored = score(SUNDAYS[0])
    assert tuple(scored.table) == COLUMNS
    assert scored.reasons == ()
    assert not (place / FILE).exists()


def test_three_sundays_with_a_cool_down_reach_other_companies_each_time(score):
    plain = [first(score(sunday)) for sunday in SUNDAYS]
    cooled = [score(sunday, cooldown_weeks=4, hand_out=True) for sunday in SUNDAYS]
    called = [name for scored in cooled for name in first(scored)]
    assert len(set(called)) == len(called) == 3 * CALLS
    assert len({name for one in plain for name in one}) < 3 * CALLS
    last = cooled[-1].table
    n_cooling = 2 * CALLS
    assert (last["listed_on"] != "").tolist() == [False] * (len(last) - n_cooling) + [True] * n_cooling
    listed_on = dict(zip(last["id"], last["listed_on"], strict=True))
    for sunday, scored in zip(SUNDAYS[:2], cooled, strict=False):
        assert {listed_on[name] for name in first(scored)} == {sunday}
    assert any("20 companies were listed in the last 4 weeks and put last" in one for one in cooled[-1].notes)
    # Nothing is lost, and within either part the better come first.
    assert sorted(last["id"]) == sorted(score(SUNDAYS[-1]).table["id"])
    for part in (last.iloc[:-n_cooling], last.iloc[-n_cooling:]):
        assert part["probability"].is_monotonic_decreasing


def test_the_same_day_scored_again_gives_the_same_list_and_the_same_record(score, place):
    score(SUNDAYS[0], cooldown_weeks=4, hand_out=True)
    once = score(SUNDAYS[1], cooldown_weeks=4, hand_out=True)
    written = recorded(place)
    again = score(SUNDAYS[1], cooldown_weeks=4, hand_out=True)
    pd.testing.assert_frame_equal(again.table, once.table)
    assert recorded(place) == written
    # A day in the past does not know of later lists.
    earlier = score(SUNDAYS[0], cooldown_weeks=4, hand_out=True)
    assert (earlier.table["listed_on"] == "").all()


def test_after_the_weeks_a_company_is_listed_as_before(score):
    score(SUNDAYS[0], hand_out=True)
    assert set(score(SUNDAYS[1], cooldown_weeks=1).table["listed_on"]) == {""}
    assert SUNDAYS[0] in set(score(SUNDAYS[1], cooldown_weeks=2).table["listed_on"])


def test_only_the_first_of_a_list_are_to_be_called_and_none_that_cools_down(
    score, place, three_tables, tmp_path
):
    few = pd.read_csv(three_tables / "noncustomers.csv", dtype=str).drop_duplicates("id").head(12)
    few.to_csv(tmp_path / "few.csv", index=False)
    first_ten = score(SUNDAYS[0], tmp_path / "few.csv", cooldown_weeks=4, hand_out=True)
    second = score(SUNDAYS[1], tmp_path / "few.csv", cooldown_weeks=4, hand_out=True)
    _, called = recorded(place, only_called=True)
    assert called[SUNDAYS[0]] == first(first_ten)
    assert called[SUNDAYS[1]] == first(second, 2)  # the ten others are not to be called
    _, every = recorded(place)
    assert every[SUNDAYS[1]] == second.table["id"].tolist()


def test_an_id_on_an_earlier_list_that_is_no_prospect_any_more_changes_nothing(score, place):
    remember(place / "lists", listed(["gone"], SUNDAYS[0]), SUNDAYS[0])
    cooled = score(SUNDAYS[1], cooldown_weeks=4)
    pd.testing.assert_frame_equal(cooled.table[list(COLUMNS)], score(SUNDAYS[1]).table)


def test_reasons_of_a_list_are_those_of_the_rows_at_its_top(score, place, model_features):
    scored = score(SUNDAYS[2], reasons=3, reasons_top=7)
    table = scored.table
    assert tuple(table) == (*COLUMNS, *SUBTOTALS, "reason_1", "reason_2", "reason_3")
    assert len(scored.reasons) == 7
    scorer = load_scorer(Registry(place), "1.0.0")
    columns = model_features(table["id"].head(7))
    rows = scorer.rows(columns)
    for at, found in enumerate(scored.reasons):
        values = {name: column[at] for name, column in columns.items()}
        assert found == reasons(scorer, rows[at : at + 1], values, 3)
        told = [f"{one.direction}: {one.text}" for one in found] + [""] * (3 - len(found))
        added = contributions(scorer, rows[at : at + 1])
        assert table.loc[at, list(SUBTOTALS)].sum() == pytest.approx(sum(added[:-1]), abs=0.002)
        assert table.loc[at, ["reason_1", "reason_2", "reason_3"]].tolist() == told
    assert (table.loc[7:, ["reason_1", "reason_2", "reason_3"]] == "").all(axis=None)
    pd.testing.assert_frame_equal(table[list(COLUMNS)], score(SUNDAYS[2]).table)


def test_as_many_companies_have_reasons_as_are_called_even_with_a_cool_down(score):
    score(SUNDAYS[0], hand_out=True)
    scored = score(SUNDAYS[1], reasons=1, cooldown_weeks=2)
    assert len(scored.reasons) == CALLS
    assert (scored.table["reason_1"] != "").sum() == CALLS
    told = plain(Listed(scored, CALLS + 1))["list"]
    assert told[0]["listed_on"] is None
    assert "reason_1" not in told[0]
    assert set(told[0]["reasons"][0]) == {"text", "direction", "contribution", "features"}
    assert told[CALLS]["reasons"] == []
    json.dumps(told, allow_nan=False, default=int)


@pytest.fixture
def model_features(snapshot, place):
    """Feature columns of companies as of the last Sunday, by the feature function alone."""
    from ml_sys.features.compute import feature_frame
    from ml_sys.features.inputs import FeatureInputs

    spec = load_scorer(Registry(place), "1.0.0").spec
    inputs = FeatureInputs.from_snapshot(snapshot, spec)
    frame = feature_frame(inputs, np.array([day(SUNDAYS[2])], dtype=np.int32), spec)

    def of(ids):
        at = snapshot.companies.reset_index().set_index("id")["index"].loc[ids]
        return {name: frame[name].to_numpy()[at] for name in frame}

    return of


def test_hostile_text_in_a_reason_is_inert_in_a_spreadsheet(score, three_tables, tmp_path):
    prospects = pd.read_csv(three_tables / "noncustomers.csv", dtype=str).drop_duplicates("id").head(40)
    prospects["INDUSTRY"] = '=HYPERLINK("http://x","y")\r@evil'
    prospects.to_csv(tmp_path / "hostile.csv", index=False)
    scored = score(SUNDAYS[2], tmp_path / "hostile.csv", reasons=20, calls=40)
    table = scored.table.assign(reason_1="=1+1")
    write_table(table, tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert len(rows) == len(table)
    assert {row[header.index("reason_1")] for row in rows} == {"'=1+1"}
    texts = [at for at, name in enumerate(header) if name not in SUBTOTALS]  # those may be below zero
    assert not [row[at] for row in rows for at in texts if row[at].startswith(("=", "+", "-", "@"))]


def test_a_model_without_exact_reasons_says_so_before_anything_is_read(score, monkeypatch, tmp_path):
    monkeypatch.setattr("ml_sys.jobs.lists.score.load_scorer", lambda *_: object.__new__(PipelineScorer))
    with pytest.raises(NoReasonsError, match="no exact reasons"):
        score(SUNDAYS[0], tmp_path / "missing.csv", reasons=1)


def test_a_list_without_a_day_is_not_recorded_under_a_wrong_one(
    place, score, model_features, snapshot, tmp_path
):
    free = snapshot.companies["id"].tail(5)
    pd.DataFrame({**model_features(free), "id": free.to_numpy()}).to_csv(tmp_path / "ready.csv", index=False)
    shutil.rmtree(place / "snapshots")
    with pytest.raises(UsageError, match="no usage to take the list's day from") as caught:
        score(None, tmp_path / "ready.csv", hand_out=True)
    assert "--as-of" in caught.value.hint
    assert len(score(SUNDAYS[0], tmp_path / "ready.csv", hand_out=True).table) == 5


def test_the_command_shows_the_reasons_and_says_the_same_as_json(place, three_tables, mlsys):
    args = ("score", three_tables / "noncustomers.csv", "--as-of", SUNDAYS[2], "--cooldown-weeks", 4)
    mlsys(*args[:3], SUNDAYS[1], "--hand-out", "--capacity", 5, artifacts=place)
    shown = mlsys(*args, "--hand-out", "--reasons", 3, "--top", 4, artifacts=place)
    assert shown.returncode == 0, shown.stderr
    assert f"handed out as list {SUNDAYS[2]}-" in shown.stderr
    assert "5 companies were listed in the last 4 weeks and put last" in shown.stderr
    said = mlsys(*args, "--reasons", 3, "--top", 4, "--json", artifacts=place)
    told = json.loads(said.stdout)
    assert told["handed_out"] is None
    assert "later lists will not know of this one unless you hand it out with --hand-out" in told["notes"]
    lines = shown.stdout.splitlines()
    for row in told["list"]:
        at = next(at for at, line in enumerate(lines) if f"│ {row['id']} │" in line)
        for one in row["reasons"]:
            told = f"│ {one['direction']}: {one['text'][:15]}"
            assert any(told in line for line in lines[at:]), told
            assert one["direction"] == ("raises" if one["contribution"] > 0 else "lowers")


def test_a_damaged_list_stops_the_command_with_one_clear_error(place, three_tables, mlsys):
    (place / "lists").mkdir()
    (place / "lists" / f"{SUNDAYS[1]}.csv").write_text("rank,id,probability,tier,model_version,cutoff\n2,a\n")
    args = ("score", three_tables / "noncustomers.csv", "--as-of", SUNDAYS[2], "--cooldown-weeks", 4)
    done = mlsys(*args, artifacts=place)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error.endswith(f"{SUNDAYS[1]}.csv: row 2: 2 cells instead of 6")
    assert "move it away" in hint


def test_lists_that_were_remembered_as_files_are_taken_over_once(place, score):
    for sunday, ids in ((SUNDAYS[0], ["a", "=b"]), (SUNDAYS[1], ["c"])):
        remember(place / "lists", listed(ids, sunday), sunday)
    score(SUNDAYS[2], hand_out=True)
    lists, companies = recorded(place)
    assert list(companies) == SUNDAYS
    assert [companies[sunday] for sunday in SUNDAYS[:2]] == [["a", "=b"], ["c"]]
    assert (lists[0].version, lists[0].capacity, lists[0].horizon_days) == ("1.0.0", 2, 30)
    (place / "lists" / f"{SUNDAYS[0]}.csv").write_text("what is known is not read again")
    assert recorded(place) == (lists, companies)


def test_what_was_said_on_a_day_and_what_came_of_it(place, score, mlsys, snapshot):
    free = snapshot.companies["id"].to_numpy()
    paid = snapshot.closed != NEVER_CLOSED
    cutoff = day(SUNDAYS[0])
    soon = np.flatnonzero(paid & (snapshot.closed >= cutoff) & (snapshot.closed < cutoff + 30))
    record = HandedOutList("2020-01-05-ab", cutoff, "1.0.0", "2020-01-05", "", 30, 2, "none", 7, 9, 0.5, 3)
    companies = [
        ListEntry(free[soon[0]], 1, 0.5, "A", True, 1.0),
        ListEntry(free[~paid][0], 2, 0.25, "A", True, 1.0),
        ListEntry("gone", 3, 0.125, "B", False, 0.0),
    ]
    with opened_store(Settings(artifacts_dir=place)) as store:
        store.hand_out(record, companies)
    (told,) = json.loads(mlsys("lists", "--json", artifacts=place).stdout)["lists"]
    assert (told["list_id"], told["selected"], told["converted"]) == ("2020-01-05-ab", 2, 1)
    assert told["mature"] is (cutoff + 30 <= snapshot.as_of)
    said = json.loads(mlsys("lists", "show", "2020-01-07", "--json", artifacts=place).stdout)
    assert [one["outcome"] for one in said["list"]] == ["paid", "not paid"]
    assert said["list"][0]["paid_on"] == date_of(snapshot.closed[soon[0]])
    shown = mlsys("lists", "show", "2020-01-05-a", "--company", "gone", artifacts=place)
    assert "not in the data" in shown.stdout
    assert "not to call" in shown.stdout
    assert "│ 2020-01-05-ab │" in mlsys("lists", artifacts=place).stdout
    for named, problem in (
        ("2020-01-01", "there is no list of that day or before"),
        ("x", "no list has an id"),
    ):
        refused = mlsys("lists", "show", named, artifacts=place)
        assert refused.returncode == 1
        assert problem in refused.stderr


def test_without_any_list_nothing_is_made(place, mlsys):
    assert json.loads(mlsys("lists", "--json", artifacts=place).stdout) == {"lists": []}
    assert "No list was handed out yet." in mlsys("lists", artifacts=place).stdout
    assert mlsys("lists", "show", "2020-01-01", artifacts=place).returncode == 1
    assert not (place / FILE).exists()


def test_a_changed_list_of_the_same_day_needs_a_reason_and_writes_no_file(
    place, three_tables, mlsys, tmp_path
):
    args = ("score", three_tables / "noncustomers.csv", "--as-of", SUNDAYS[0], "--hand-out", "--top", 1)
    assert mlsys(*args, "--capacity", 5, artifacts=place).returncode == 0
    again = mlsys(*args, "--capacity", 5, artifacts=place)
    assert again.returncode == 0
    assert "and is unchanged" in again.stderr
    other = (*args, "--capacity", 6, "--out", tmp_path / "list.csv")
    refused = mlsys(*other, artifacts=place)
    assert refused.returncode == 2
    assert "another list of 2020-01-05 was handed out" in refused.stderr
    assert not (tmp_path / "list.csv").exists()
    assert mlsys(*other, "--replace", artifacts=place).returncode == 2
    taken = json.loads(
        mlsys(*other, "--replace", "--reason", "a caller more", "--json", artifacts=place).stdout
    )
    assert (taken["handed_out"]["recorded"], taken["handed_out"]["called"]) == ("replaced", 6)
    (only,) = recorded(place)[0]
    assert (only.capacity, only.reason) == (6, "a caller more")


@pytest.fixture
def lottery(place, three_tables, mlsys, tmp_path):
    """Hand out the list of a Sunday by lottery; what sales and the analyst get, and what is said."""

    def run(sunday, *more):
        paths = {name: tmp_path / f"{sunday}-{name}.csv" for name in ("sales", "analyst")}
        done = mlsys(
            "score", three_tables / "noncustomers.csv", "--as-of", sunday, "--hand-out", "--capacity", CALLS,
            "--out", paths["sales"], "--with-controls", paths["analyst"], "--reasons", 1, "--json",
            "--set", "experiment.design=lottery", *more, artifacts=place,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sales, analyst = (pd.read_csv(path, dtype={"id": str}) for path in paths.values())
        return sales, analyst, json.loads(done.stdout)

    return run


def test_sales_see_only_whom_to_call_and_the_analyst_how_it_was_drawn(lottery, place):
    sales, analyst, told = lottery(SUNDAYS[0])
    assert sales["rank"].tolist() == list(range(1, CALLS + 1))
    assert not {"selected", "group", "inclusion_probability", "waits_until"} & set(sales)
    assert sales["id"].tolist() == analyst.loc[analyst["selected"], "id"].tolist()
    assert sales["reason_1"].notna().all()
    assert (analyst["group"] == "control").sum() == CALLS  # the pool is twice the capacity
    assert analyst["inclusion_probability"].sum() == pytest.approx(CALLS)
    assert told["handed_out"]["called"] == CALLS
    assert told["capacity"]["share"] < 1
    (listed,), companies = recorded(place, only_called=True)
    assert (listed.design, companies[SUNDAYS[0]]) == ("lottery", sales["id"].tolist())


def test_who_took_part_in_a_draw_takes_part_in_none_until_its_outcome_is_known(lottery):
    _, first_week, _ = lottery(SUNDAYS[0])
    _, second_week, told = lottery(SUNDAYS[1])
    pools = [set(one.loc[one["inclusion_probability"] > 0, "id"]) for one in (first_week, second_week)]
    assert [len(one) for one in pools] == [2 * CALLS, 2 * CALLS]
    assert not pools[0] & pools[1]
    assert set(second_week.loc[second_week["group"] == "waiting", "id"]) == pools[0]
    assert "20 companies wait for the outcome of an earlier draw and were put last" in told["notes"]


def test_the_same_draw_comes_out_of_the_same_list(lottery):
    once, again = lottery(SUNDAYS[0]), lottery(SUNDAYS[0])
    pd.testing.assert_frame_equal(once[1], again[1])
    assert again[2]["handed_out"]["recorded"] == "same"


def test_companies_that_a_file_names_are_taken_out_and_recorded_as_such(place, three_tables, mlsys, tmp_path):
    args = (
        "score",
        three_tables / "noncustomers.csv",
        "--as-of",
        SUNDAYS[0],
        "--capacity",
        2,
        "--top",
        3,
        "--json",
    )
    ids = [one["id"] for one in json.loads(mlsys(*args, artifacts=place).stdout)["list"]]
    (tmp_path / "deals.csv").write_text(f"id\n{ids[1]}\nunknown\n")
    done = mlsys(*args, "--hand-out", "--set", f"score.exclude={tmp_path / 'deals.csv'}", artifacts=place)
    told = json.loads(done.stdout)
    assert [(one["rank"], one["id"]) for one in told["list"]][:2] == [(1, ids[0]), (2, ids[2])]
    assert "1 company was taken out of the list by score.exclude" in told["notes"]
    shown = json.loads(
        mlsys("lists", "show", SUNDAYS[0], "--company", ids[1], "--json", artifacts=place).stdout
    )
    (entry,) = shown["list"]
    assert (entry["group"], entry["rank"], entry["selected"]) == ("excluded", 0, False)
    assert 0 < entry["probability"] < 1


def test_a_list_says_what_changed_since_the_one_before(place, three_tables, mlsys, tmp_path):
    args = ("score", three_tables / "noncustomers.csv", "--capacity", CALLS)
    first_list = mlsys(*args, "--as-of", SUNDAYS[0], "--hand-out", "--json", artifacts=place)
    assert "since_last_week" not in json.loads(first_list.stdout)["list"][0]
    called = {one["id"] for one in json.loads(first_list.stdout)["list"][:CALLS]}
    out = tmp_path / "list.parquet"
    done = mlsys(*args, "--as-of", SUNDAYS[1], "--out", out, "--top", 1, artifacts=place)
    table = pd.read_parquet(out)
    assert set(table.loc[table["since_last_week"] == "called", "id"]) == called
    assert set(table["since_last_week"]) <= {"new", "rising", "cooling", "called", ""}
    assert f"since the list of {SUNDAYS[0]}: " in done.stderr
    assert f"{CALLS} called; " in done.stderr
    assert "change" in done.stdout
