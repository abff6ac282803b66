"""From a prospects file to a ranked list, with the real model on the sample's tables."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.coverage import Coverage
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import Everyone, parts
from ml_sys.errors import (
    EmptyTableError,
    InputError,
    MissingColumnError,
    MissingFileError,
    NotEnoughDataError,
    SnapshotError,
)
from ml_sys.features.compute import FeatureSpec, feature_frame
from ml_sys.features.inputs import FeatureInputs
from ml_sys.jobs.lists.listed import ListRequest
from ml_sys.jobs.lists.score import keep_rejects, score_file, score_prospects, worth_of_top
from ml_sys.outcomes.store import FILE
from ml_sys.registry.loading import load_version
from ml_sys.registry.store import Registry
from ml_sys.scoring.from_snapshot.free import usage_of
from ml_sys.scoring.prospects import ProspectTable, Ready, read_prospects
from ml_sys.scoring.usage_file import read_usage
from ml_sys.settings import Settings

HEADER = "ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id\n"
EPOCH = np.datetime64(0, "D")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(trained):
    return load_version(Registry(trained), "1.0.0")


@pytest.fixture
def score(trained, tmp_path):
    """Score a file, or the text of one, as of a date."""

    def run(prospects, *, usage=None, as_of=None, artifacts=trained):
        if isinstance(prospects, str):
            path = tmp_path / "prospects.csv"
            path.write_text(prospects)
            prospects = path
        if isinstance(usage, str):
            path = tmp_path / "usage.csv"
            path.write_text(usage)
            usage = path
        day = None if as_of is None else int((np.datetime64(as_of) - EPOCH).astype(int))
        return score_file(
            Registry(trained),
            "1.0.0",
            Settings(artifacts_dir=artifacts),
            ListRequest(prospects, usage, day),
            capacity=50,
            on_step=lambda step: None,
        )

    return run


@pytest.fixture(scope="module")
def cutoff(snapshot):
    """The end of the snapshot's usage, the cutoff that is taken when none is given."""
    return int(snapshot.usage_stamp.max()) + 7


@pytest.fixture(scope="module")
def free(snapshot, cutoff):
    """Positions of companies that are free at the cutoff."""
    return np.flatnonzero(snapshot.closed >= cutoff)


def ready_from(probability, features):
    return pd.concat([features.reset_index(drop=True), pd.DataFrame({"id": probability.index})], axis=1)


@pytest.fixture(scope="module")
def expected(model, snapshot, cutoff, free):
    """Probability by id from the feature function and the model alone."""
    inputs = FeatureInputs.from_snapshot(snapshot, FeatureSpec((7,)))
    features = feature_frame(inputs, np.array([cutoff], dtype=np.int32), model.spec)
    ids = snapshot.companies["id"].to_numpy()
    return pd.Series(model.probabilities(features)[free], index=ids[free]), features.take(free)


def by_id(scored):
    return scored.table.set_index("id")["probability"]


def assert_same_bits(found, expected):
    assert sorted(found.index) == sorted(expected.index)
    assert found.loc[expected.index].to_numpy().tobytes() == expected.to_numpy().tobytes()


def test_a_file_of_noncustomers_gives_the_model_s_own_probabilities(
    score, three_tables, expected, snapshot, cutoff
):
    scored = score(three_tables / "noncustomers.csv")
    probability, _ = expected
    still_free = snapshot.companies["id"][snapshot.closed == NEVER_CLOSED]
    assert_same_bits(by_id(scored), probability.loc[still_free])
    assert scored.table["cutoff"].unique().tolist() == [str(EPOCH + cutoff)]
    assert (np.diff(scored.table["probability"]) <= 0).all()


@pytest.mark.parametrize("kind", ["csv", "parquet", "csv.gz"])
def test_ready_features_give_the_same_bits_as_joined_usage(score, expected, tmp_path, kind):
    probability, _ = expected
    ready = ready_from(*expected).sample(frac=1, random_state=1)
    path = tmp_path / f"ready.{kind}"
    ready.to_parquet(path) if kind == "parquet" else ready.to_csv(path, index=False)
    scored = score(path)
    assert_same_bits(by_id(scored), probability)
    assert not [text for text in scored.warnings if "not taken" in text]


def test_a_file_with_every_feature_is_ready_and_one_that_lacks_any_is_not(model, expected, tmp_path):
    ready = ready_from(*expected).head(5)
    ready.to_csv(tmp_path / "ready.csv", index=False)
    assert isinstance(read_prospects(tmp_path / "ready.csv", Settings().schema_, model.spec), Ready)
    ready.drop(columns="industry").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(MissingColumnError, match=r"less\.csv: column '\w+' is missing"):
        read_prospects(tmp_path / "less.csv", Settings().schema_, model.spec)


def test_usage_from_files_gives_the_same_bits_as_usage_from_the_snapshot(score, three_tables, tmp_path):
    from_snapshot = score(three_tables / "noncustomers.csv")
    from_file = score(three_tables / "noncustomers.csv", usage=three_tables / "usage_actions.csv")
    assert_same_bits(by_id(from_file), by_id(from_snapshot))
    assert any("usage rows not taken" in text for text in from_file.warnings)


def test_usage_after_the_cutoff_changes_no_probability(score, three_tables, tmp_path):
    usage = pd.read_csv(three_tables / "usage_actions.csv", dtype=str)
    early = usage[usage["WHEN_TIMESTAMP"] < "2020-01-28"]  # the last week is complete on Monday 3 February
    early.to_csv(tmp_path / "early.csv", index=False)
    then = score(three_tables / "noncustomers.csv", usage=tmp_path / "early.csv", as_of="2020-02-03")
    now = score(three_tables / "noncustomers.csv", as_of="2020-02-03")
    assert_same_bits(by_id(then), by_id(now))
    assert by_id(now).nunique() > 50


def test_the_order_of_rows_in_the_files_changes_no_probability(score, three_tables, tmp_path):
    for name in ("noncustomers", "usage_actions"):
        table = pd.read_csv(three_tables / f"{name}.csv", dtype=str)
        table.sample(frac=1, random_state=2).to_csv(tmp_path / f"{name}.csv", index=False)
    shuffled = score(tmp_path / "noncustomers.csv", usage=tmp_path / "usage_actions.csv")
    assert_same_bits(by_id(shuffled), by_id(score(three_tables / "noncustomers.csv")))


def test_a_company_scored_alone_gets_the_probability_that_it_has_in_the_list(score, three_tables):
    everyone = by_id(score(three_tables / "noncustomers.csv"))
    lines = (three_tables / "noncustomers.csv").read_text().splitlines(keepends=True)
    best = next(line for line in lines if line.strip().endswith(everyone.index[0]))
    assert by_id(score(HEADER + best)).iloc[0] == everyone.iloc[0]


def test_the_input_order_finds_every_row_of_the_file(score):
    text = HEADER + "".join(
        f"{rank},11 to 25,,{n}\n" for n, rank in enumerate([9_000_000, 10, 500_000, 70_000])
    )
    scored = score(text)
    assert scored.table.iloc[scored.input_order]["id"].tolist() == ["0", "1", "2", "3"]


def test_companies_nobody_has_seen_in_usage_are_scored_on_their_attributes(score):
    scored = score(HEADER + "1000,11 to 25,COMPUTER_SOFTWARE,new-1\n,,,new-2\n")
    assert sorted(scored.table["id"]) == ["new-1", "new-2"]
    assert scored.table["probability"].between(0, 1).all()
    assert any("0 of 2 prospects have usage" in text for text in scored.notes)
    assert any("attributes only" in text for text in scored.warnings)


def test_known_customers_are_left_out_and_counted(score, three_tables, tmp_path):
    customers = pd.read_csv(three_tables / "customers.csv", dtype=str)
    mixed = customers[["ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY", "id"]]
    text = mixed.to_csv(index=False) + "1000,11 to 25,,new\n"
    scored = score(text, as_of="2020-02-03")
    # On the day of its purchase a company is still a prospect: it pays within the horizon.
    later = customers["id"][customers["CLOSEDATE"] >= "2020-02-03"]
    assert 0 < len(later) < len(customers)
    assert sorted(scored.table["id"]) == sorted([*later, "new"])
    assert any(
        text.startswith(f"{len(customers) - len(later)} companies were customers") for text in scored.notes
    )


def test_usage_that_ends_long_before_the_cutoff_is_warned_of(score, three_tables, cutoff):
    def warned(days):
        scored = score(three_tables / "noncustomers.csv", as_of=EPOCH + cutoff + days)
        return [text for text in scored.warnings if "usage ends on" in text]

    assert not warned(14)
    assert len(warned(15)) == 1
    assert f"{EPOCH + cutoff}, 15 days before" in warned(15)[0]


def test_a_cutoff_before_all_usage_is_warned_of(score, three_tables):
    scored = score(three_tables / "noncustomers.csv", as_of="2018-01-01")
    assert any("no usage is complete by 2018-01-01" in text for text in scored.warnings)


def test_a_value_the_model_has_never_seen_is_counted_per_field(score):
    rows = ["1000,11 to 25,ALCHEMY,a\n", "1000,11 to 25,ALCHEMY,b\n", "1000,11 to 25,DOWSING,c\n"]
    rows += ["1000,a baker's dozen,,d\n", "1000,,,e\n"]
    scored = score(HEADER + "".join(rows))
    told = {text.partition(":")[0]: text for text in scored.warnings if "no training row had" in text}
    assert "industry: 3 rows have" in told["industry"]
    assert "2 values: alchemy, dowsing" in told["industry"]
    assert "employee_range: 1 row has" in told["employee_range"]
    assert len(scored.table) == 5


def test_duplicates_that_agree_are_merged_and_those_that_conflict_go_to_quarantine(score):
    rows = (
        "1000,11 to 25,,same\n1000,11 to 25,RETAIL,same\n1000,11 to 25,,torn\n2000,11 to 25,,torn\n5,,,ok\n"
    )
    scored = score(HEADER + rows)
    assert sorted(scored.table["id"]) == ["ok", "same"]
    rejects = scored.quarantine.to_pandas()
    assert sorted(rejects["line"]) == [2, 4, 5]
    assert sorted(rejects["reason"]) == [
        "conflicting company rows",
        "conflicting company rows",
        "duplicate company, merged",
    ]
    assert any("2 prospects not taken: conflicting company rows (2)" in text for text in scored.warnings)


def test_a_bad_row_goes_to_quarantine_with_its_line_and_is_kept_on_disk(score, tmp_path):
    scored = score(HEADER + "1000,,, \n1,2,3\n1000,,,ok\n")
    assert scored.table["id"].tolist() == ["ok"]
    rejects = scored.quarantine.to_pandas()
    assert sorted(zip(rejects["line"], rejects["reason"], strict=True)) == [
        (2, "id is blank"),
        (3, "wrong number of fields"),
    ]
    kept, problem = keep_rejects(scored, tmp_path / "artifacts")
    assert problem == ""
    assert kept.parent == tmp_path / "artifacts" / "quarantine"
    pd.testing.assert_frame_equal(pd.read_parquet(kept), rejects)
    assert keep_rejects(score(HEADER + "1000,,,ok\n"), tmp_path / "artifacts") == (None, "")


def test_a_bad_rank_counts_as_blank_and_is_warned_of(score):
    scored = score(HEADER + "lots,11 to 25,,a\n,11 to 25,,b\n0,11 to 25,,c\n-5,11 to 25,,d\n")
    assert scored.table["id"].nunique() == 4
    assert len(set(scored.table["probability"])) == 1
    told = [text for text in scored.warnings if "ALEXA_RANK" in text]
    assert told == [
        "prospects: ALEXA_RANK is not positive in 2 rows, first in line 4; read as blank",
        "prospects: ALEXA_RANK is not a number in 1 row, first in line 2; read as blank",
    ]


def test_bad_ready_rows_go_to_quarantine_and_blanks_stay(score, model, expected, tmp_path):
    ready = ready_from(*expected).head(6).astype(object)
    ready.iloc[0, ready.columns.get_loc("actions_email_sum_28d")] = "many"
    ready.iloc[1, ready.columns.get_loc("id")] = " "
    ready.iloc[2, ready.columns.get_loc("log_rank")] = None
    ready.iloc[3, ready.columns.get_loc("id")] = ready["id"].iloc[4]
    ready.to_csv(tmp_path / "ready.csv", index=False)
    scored = score(tmp_path / "ready.csv")
    assert sorted(scored.table["id"]) == sorted(ready["id"].iloc[[2, 4, 5]])
    rejects = scored.quarantine.to_pandas()
    assert sorted(zip(rejects["line"], rejects["reason"], strict=True)) == [
        (2, "actions_email_sum_28d is not a number"),
        (3, "id is blank"),
        (6, "duplicate id"),
    ]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", InputError, "prospects.csv"),
        (HEADER, EmptyTableError, "prospects.csv: has no rows"),
        ("ALEXA_RANK,EMPLOYEE_RANGE,id\n1,2,3\n", MissingColumnError, "column 'INDUSTRY' is missing"),
        ("ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,ID\n1,2,,3\n", MissingColumnError, "column 'id' is missing"),
        (HEADER + "1,,, \n", NotEnoughDataError, "none of its 1 rows can be scored"),
    ],
)
def test_a_file_that_cannot_be_scored_is_named(score, text, error, said):
    with pytest.raises(error) as caught:
        score(text)
    assert said in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(score, tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.csv: there is no such file"):
        score(tmp_path / "nowhere.csv")


def test_an_empty_usage_file_is_named(score, three_tables):
    header = (three_tables / "usage_actions.csv").read_text().splitlines()[0] + "\n"
    with pytest.raises(EmptyTableError, match=r"usage\.csv: has no rows"):
        score(HEADER + "1000,,,a\n", usage=header)


def test_without_a_snapshot_usage_has_to_be_named(score, three_tables, tmp_path):
    with pytest.raises(SnapshotError, match="there is no snapshot to take usage from") as caught:
        score(HEADER + "1000,,,a\n", artifacts=tmp_path / "empty")
    assert "--usage" in caught.value.hint
    scored = score(
        HEADER + "1000,,,a\n",
        usage=three_tables / "usage_actions.csv",
        as_of="2020-02-03",
        artifacts=tmp_path / "empty",
    )
    assert scored.table["id"].tolist() == ["a"]
    assert any("belong to companies that are not in the list" in text for text in scored.notes)


def test_usage_is_joined_by_id_whatever_the_order_of_prospects(snapshot):
    ids = snapshot.companies["id"].to_numpy()
    busy = np.unique(snapshot.usage_company)[:3]
    prospects = ["stranger", *ids[busy][::-1]]
    everyone = Everyone.of(parts(snapshot.path))
    rows = usage_of(everyone, pa.array(prospects, pa.string()), FeatureSpec(windows_days=(7,)))
    for position, company in zip((3, 2, 1), busy, strict=True):
        theirs = snapshot.usage_company == company
        mine = rows.company == position
        np.testing.assert_array_equal(rows.stamp[mine], snapshot.usage_stamp[theirs])
        np.testing.assert_array_equal(rows.values[mine], snapshot.usage_values[theirs])  # noqa: PD011 - no frame
    assert not (rows.company == 0).any()


def test_a_usage_file_is_read_as_ingest_reads_it(snapshot, three_tables):
    ids = snapshot.companies["id"].tolist()
    rows = read_usage(three_tables / "usage_actions.csv", Settings().schema_, ids, Coverage())
    np.testing.assert_array_equal(rows.company, snapshot.usage_company)
    np.testing.assert_array_equal(rows.stamp, snapshot.usage_stamp)
    np.testing.assert_array_equal(rows.values, snapshot.usage_values)


def test_names_of_columns_come_from_the_settings(model, tmp_path):
    path: Path = tmp_path / "ours.csv"
    path.write_text("rank,size,branch,company\n8,11 to 25,RETAIL,a\n16000001,,,b\n16000001,,,c\n")
    settings = Settings.model_validate(
        {
            "schema": {
                "columns": {
                    "id": "company",
                    "ALEXA_RANK": "rank",
                    "EMPLOYEE_RANGE": "size",
                    "INDUSTRY": "branch",
                },
            }
        }
    )
    read = read_prospects(path, settings.schema_, model.spec)
    assert isinstance(read, ProspectTable)
    assert read.frame["id"].tolist() == ["a", "b", "c"]
    assert read.frame["alexa_rank"].tolist() == [8, np.inf, np.inf]


@pytest.fixture(scope="module")
def place(registered, tmp_path_factory):
    """Artifacts from which lists may be handed out."""
    return Path(shutil.copytree(registered, tmp_path_factory.mktemp("lists") / "artifacts"))


def listed_from(place, prospects, steps=None, settings=None, **asked):
    chosen = Settings.model_validate({"artifacts_dir": place, **(settings or {})})
    told = [] if steps is None else steps
    request = ListRequest(prospects=prospects, **asked)
    return score_prospects(Registry(place), None, chosen, request, on_step=told.append, now=NOW)


def test_a_list_is_made_without_a_trace_where_nothing_else_is_asked_for(place, three_tables):
    steps = []
    found = listed_from(place, three_tables / "noncustomers.csv", steps, {"score": {"top": 7}})
    assert steps == ["loading the model", "reading prospects", "reading usage", "scoring"]
    assert (found.shown, found.plan, found.worth, found.out, found.with_controls) == (
        7,
        None,
        None,
        None,
        None,
    )
    assert (found.handed_out, found.unrecorded, found.unkept) == (None, None, "")
    assert set(found.table["model_version"]) == {"1.0.0"}
    assert len(found.to_plain()["list"]) == 7
    assert not any("hand it out" in note for note in found.scored.notes)


def test_a_list_that_cools_down_and_is_not_handed_out_says_so(place, three_tables):
    cooled = {"score": {"cooldown_weeks": 2}}
    found = listed_from(place, three_tables / "noncustomers.csv", None, cooled)
    assert (
        found.scored.notes[-1]
        == "later lists will not know of this one unless you hand it out with --hand-out"
    )
    assert set(found.table["listed_on"]) == {""}


def test_a_lottery_is_recorded_written_and_planned_for_those_drawn(place, three_tables, tmp_path):
    steps, asked = [], {"experiment": {"design": "lottery"}, "score": {"hand_out": True}}
    files = {"out": tmp_path / "out.csv", "with_controls": tmp_path / "all.csv"}
    found = listed_from(
        place, three_tables / "noncustomers.csv", steps, asked, capacity=6, keep_order=True, **files
    )
    assert steps[-3:] == ["scoring", "recording the list", "writing the list"]
    drawn = found.handed_out.drawn
    everyone = pd.read_csv(files["with_controls"])
    assert everyone["selected"].tolist() == drawn.selected.tolist()
    assert found.table["id"].astype(str).tolist() == everyone["id"][everyone["selected"]].astype(str).tolist()
    assert (len(found.table), found.handed_out.called, found.handed_out.listed.capacity) == (6, 6, 6)
    assert found.handed_out.listed.made_at == NOW.isoformat(timespec="milliseconds")
    probability = everyone["probability"][everyone["selected"]]
    assert found.plan.calls == 6
    assert found.plan.expected == pytest.approx(probability.sum())
    assert found.worth == worth_of_top(found.scored, 6, Settings(artifacts_dir=place))
    # In the order of the prospects, not of the ranking.
    order = pd.read_csv(three_tables / "noncustomers.csv", dtype=str)["id"].drop_duplicates().tolist()
    written = pd.read_csv(files["out"], dtype=str)["id"].tolist()
    assert sorted(written, key=order.index) == written
    assert sorted(written) == sorted(found.table["id"].astype(str))
    assert (found.out, found.with_controls) == (files["out"], files["with_controls"])
    again = listed_from(place, three_tables / "noncustomers.csv", None, asked, capacity=6)
    assert again.handed_out.recorded == "same"
    assert again.plan == found.plan


def test_calls_are_those_of_the_settings_where_none_are_asked_for(registered, three_tables, tmp_path):
    fresh = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    asked = {"score": {"hand_out": True}, "threshold": {"capacity": 9}}
    found = listed_from(
        fresh, three_tables / "noncustomers.csv", None, asked, replace_other=True, reason="new"
    )
    assert (found.handed_out.called, found.handed_out.listed.capacity) == (9, 9)
    assert (found.plan, found.worth) == (None, None)
    assert len(found.table) > 9  # without a draw the whole list is shown


def test_a_store_that_cannot_be_written_costs_the_record_and_not_the_list(registered, three_tables, tmp_path):
    fresh = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    (fresh / FILE).mkdir()
    found = listed_from(fresh, three_tables / "noncustomers.csv", None, {"score": {"hand_out": True}})
    assert found.handed_out is None
    assert found.unrecorded.message.startswith("the list is not recorded: ")
    assert str(fresh / FILE) in found.unrecorded.message
    assert any(note.startswith("changes since the last list are unknown: ") for note in found.scored.notes)
    assert len(found.table) > 0
