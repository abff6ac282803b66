from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import QUARANTINE, load
from ml_sys.data.sources import open_source
from ml_sys.errors import EmptyTableError
from ml_sys.settings.description import SchemaSettings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
WEEKS, FIRST = 12, pd.Timestamp("2024-01-01")
EVENTS = {
    "kind": "events", "id": "", "link": "members", "user": "who", "at": "when", "event": "what",
    "event_id": "number", "max_kinds": 2,
    "amounts": {"minutes": {"column": "took", "role": "amount", "digits": 1}},
}  # fmt: skip
TABLES = {
    "teams": {"kind": "entities", "id": "team", "since": "begun"},
    "bought": {"kind": "purchases", "id": "team", "at": "day"},
    "members": {"kind": "links", "user": "who", "id": "team"},
    "log": EVENTS,
}


def tables(seed=0):
    """Return three teams of four users, one of whom is in two, that do something every day."""
    rng = np.random.default_rng(seed)
    n = 7 * WEEKS * 12
    day = np.repeat(np.arange(7 * WEEKS), 12)
    when = FIRST + pd.to_timedelta(day, unit="D") + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s")
    log = pd.DataFrame(
        {
            "number": np.arange(n),
            "who": [f"u{one}" for one in np.tile(np.arange(12), 7 * WEEKS)],
            "when": when,
            "what": rng.choice(["view", "edit", "share"], n, p=[0.6, 0.3, 0.1]),
            "took": rng.exponential(3, n).round(2),
        }
    )
    members = pd.DataFrame({"who": [f"u{one}" for one in range(12)], "team": np.repeat(["a", "b", "c"], 4)})
    members.loc[12] = ["u0", "c"]
    return {
        "teams": pd.DataFrame({"team": ["a", "b", "c"], "begun": "2023-06-01"}),
        "bought": pd.DataFrame({"team": ["b"], "day": ["2024-02-02"]}),
        "members": members,
        "log": log,
    }


def ingested(
    folder, given, described=TABLES, *, parquet=False, unseen_days=0, artifacts="artifacts", files=(), **rules
):
    files = dict(files)
    for name, table in given.items():
        if name not in files:
            files[name] = str(folder / f"{name}.csv")
            table.to_csv(files[name], index=False, date_format="%Y-%m-%d %H:%M:%S")
    if parquet:
        files["log"] = str(folder / "log.parquet")
        pq.write_table(pa.Table.from_pandas(given["log"], preserve_index=False), files["log"])
    schema = SchemaSettings.model_validate({"tables": described})
    chosen = Rules(0.5, coverage=Coverage(), unseen_days=unseen_days, **rules)
    origin = Origin(open_source("file"), schema, files)
    report = ingest(origin, chosen, folder / artifacts, now=NOW)
    return report, load(report.path)


def same(one, other):
    names = ("usage_company", "usage_stamp", "usage_values")
    return one.form == other.form and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


def by_hand(given, named):
    """Count with pandas what a snapshot should hold."""
    log = given["log"].drop_duplicates("number").merge(given["members"].drop_duplicates(), on="who")
    log["week"] = log.when.dt.to_period("W-SUN").dt.start_time
    log["tenths"] = np.rint(log.took * 10).astype(int)
    log["kind"] = log.what.where(log.what.isin(named), "other")
    grouped = log.groupby(["team", "week"])
    counts = log.pivot_table(
        index=["team", "week"], columns="kind", values="number", aggfunc="count", fill_value=0
    )
    return np.column_stack([counts[[*named, "other"]], grouped.tenths.sum(), grouped.who.nunique()])


@pytest.mark.parametrize("parquet", [False, True], ids=["csv", "parquet"])
def test_events_become_a_row_per_entity_and_week(tmp_path, parquet):
    given = tables()
    report, snapshot = ingested(tmp_path, given, parquet=parquet)
    assert snapshot.form.measure_names == ("log_view", "log_edit", "log_other", "minutes", "log_users")
    assert np.array_equal(snapshot.usage_values, by_hand(given, ["view", "edit"]))
    assert len(snapshot.usage_stamp) == 3 * WEEKS
    assert report.as_of == "2024-03-25"


def test_every_row_is_accepted_merged_or_in_quarantine(tmp_path, monkeypatch):
    monkeypatch.setattr("ml_sys.data.events.tables._KEPT_ROWS", 2)  # several batches of them
    given = tables()
    log = given["log"]
    log = pd.concat([log, log.iloc[:5]], ignore_index=True)
    log.loc[20, "who"], log.loc[21, "took"] = "nobody", -1.0
    given["log"] = log
    report, snapshot = ingested(tmp_path, given)
    found = report.tables["log"]
    assert dict(found.merged) == {"repeated event, merged": 5}
    assert dict(found.rejected) == {"unknown id": 1, "took is negative": 1}
    assert found.read == len(log) == found.accepted + 7
    again, as_typed = ingested(tmp_path, given, parquet=True)
    assert same(as_typed, snapshot)
    for one in ("read", "accepted", "rejected", "merged"):
        assert getattr(again.tables["log"], one) == getattr(found, one)


def test_neither_the_order_of_rows_nor_of_entities_changes_anything(tmp_path):
    given = tables()
    _, first = ingested(tmp_path, given)
    shuffled = {name: table.sample(frac=1, random_state=1) for name, table in given.items()}
    report, again = ingested(tmp_path, shuffled)
    assert same(first, again)
    assert not report.is_new


@pytest.mark.parametrize("n_files", [2, 7])
def test_lines_of_several_files_of_a_folder_are_not_taken_for_one(tmp_path, n_files):
    given = tables()
    log = given["log"]
    late = log.iloc[:9].assign(when=FIRST + pd.Timedelta(weeks=WEEKS + 3), number=range(-9, 0))
    given["log"] = pd.concat([log.iloc[::-1], log.iloc[:30], late], ignore_index=True)
    report, snapshot = ingested(tmp_path, given)
    folder = tmp_path / "log"
    folder.mkdir()
    for at in range(n_files):
        given["log"].iloc[at::n_files].to_csv(folder / f"{at}.csv", index=False)
    again, in_files = ingested(tmp_path, given, files={"log": str(folder)})
    assert same(in_files, snapshot)
    assert not again.is_new
    for one in ("read", "accepted", "rejected", "merged"):
        assert getattr(again.tables["log"], one) == getattr(report.tables["log"], one)


def test_the_order_of_users_and_their_events_changes_nothing_where_no_table_names_the_teams(tmp_path):
    given = {name: table for name, table in tables().items() if name != "teams"}
    given["bought"] = given["bought"].assign(team="d")
    described = {name: table for name, table in TABLES.items() if name != "teams"}
    late = given["log"].iloc[:1].assign(when=FIRST + pd.Timedelta(weeks=WEEKS + 3), number=-1)
    given["log"] = pd.concat([given["log"], late], ignore_index=True)
    ingested(tmp_path, given, described, as_of="2024-03-25")
    given["members"] = given["members"].iloc[::-1]
    report, _ = ingested(tmp_path, given, described, as_of="2024-03-25")
    assert dict(report.tables["log"].rejected) == {"later than the export": 1}
    assert not report.is_new


def test_events_of_a_week_that_is_not_over_are_in_quarantine(tmp_path):
    given = tables()
    tail = given["log"].iloc[:3].assign(when=FIRST + pd.Timedelta(weeks=WEEKS), number=[-1, -2, -3])
    later = tail.assign(when=FIRST + pd.Timedelta(weeks=WEEKS + 3), number=[-4, -5, -6])
    given["log"] = pd.concat([given["log"], tail, later], ignore_index=True)
    report, snapshot = ingested(tmp_path, given, as_of="2024-03-26")
    assert dict(report.tables["log"].rejected) == {
        "its period is not complete": 3,
        "later than the export": 3,
    }
    assert len(snapshot.usage_stamp) == 3 * WEEKS


def test_kinds_of_the_days_that_models_are_judged_on_have_no_name(tmp_path):
    given = tables()
    late = given["log"].when >= FIRST + pd.Timedelta(weeks=WEEKS - 2)
    given["log"].loc[late, "what"] = "new"
    _, seen = ingested(tmp_path, given, artifacts="one")
    _, unseen = ingested(tmp_path, given, unseen_days=15 * 7, artifacts="two")
    assert "log_new" not in ingested(tmp_path, given, unseen_days=21, artifacts="three")[1].form.measure_names
    assert unseen.form.measure_names[0] == "log_other"
    assert seen.form.measure_names[:2] == ("log_view", "log_edit")


def test_a_later_export_counts_the_kinds_that_the_one_before_did(tmp_path):
    given = tables()
    _, before = ingested(tmp_path, given)
    more = given["log"].assign(when=given["log"].when + pd.Timedelta(weeks=WEEKS), what="new")
    more["number"] += 10**6
    given["log"] = pd.concat([given["log"], more], ignore_index=True)
    _, after = ingested(tmp_path, given)
    assert after.form == before.form
    rows = after.usage_stamp <= before.usage_stamp.max()
    assert np.array_equal(after.usage_values[rows], before.usage_values)


def test_kinds_that_are_described_are_counted_in_their_order(tmp_path):
    described = {**TABLES, "log": {**EVENTS, "kinds": ("share", "view")}}
    given = tables()
    _, before = ingested(tmp_path, given, described)
    assert np.array_equal(before.usage_values, by_hand(given, ["share", "view"]))
    described["log"] = {**EVENTS, "kinds": ("edit",)}  # and not those of the last time
    _, after = ingested(tmp_path, given, described)
    assert np.array_equal(after.usage_values, by_hand(given, ["edit"]))


@pytest.mark.parametrize("parquet", [False, True], ids=["csv", "parquet"])
def test_entities_may_be_known_by_their_events_alone(tmp_path, parquet):
    given = tables()
    log = {name: value for name, value in EVENTS.items() if name not in {"link", "user"}} | {"id": "who"}
    given = {"bought": given["bought"].assign(team="u3"), "log": given["log"]}
    _, snapshot = ingested(tmp_path, given, {"bought": TABLES["bought"], "log": log}, parquet=parquet)
    assert snapshot.companies["id"].tolist() == sorted(f"u{one}" for one in range(12))
    assert len(snapshot.usage_stamp) == 12 * WEEKS
    assert snapshot.usage_values[:, :3].sum() == len(given["log"])


def test_entities_may_be_known_by_purchases_of_several_files(tmp_path):
    given = {name: table for name, table in tables().items() if name != "teams"}
    described = {name: table for name, table in TABLES.items() if name != "teams"}
    folder = tmp_path / "bought"
    folder.mkdir()
    for team in ("b", "d"):
        given["bought"].assign(team=team).to_csv(folder / f"{team}.csv", index=False)
    _, snapshot = ingested(tmp_path, given, described, files={"bought": str(folder)})
    assert snapshot.companies["id"].tolist() == ["a", "b", "c", "d"]


def test_a_parquet_file_without_rows_is_refused_as_a_text_is(tmp_path):
    given = tables()
    given["log"] = given["log"].iloc[:0]
    with pytest.raises(EmptyTableError, match=r"log\.parquet"):
        ingested(tmp_path, given, parquet=True)


@pytest.mark.parametrize("parquet", [False, True], ids=["csv", "parquet"])
def test_events_of_an_entity_in_quarantine_are_said_to_be_so(tmp_path, parquet):
    given = tables()
    given["teams"] = pd.concat([given["teams"], pd.DataFrame({"team": ["a"], "begun": "2023-06-02"})])
    given["teams"]["paid"] = ["2024-02-01", "", "", "2024-02-02"]
    given["log"] = given["log"].assign(team=given["log"].who.map({"u0": "a", "u5": "x"}).fillna("b"))
    log = {name: one for name, one in EVENTS.items() if name != "link"} | {"id": "team"}
    described = {"teams": TABLES["teams"] | {"converted_on": "paid"}, "log": log}
    given = {"teams": given["teams"], "log": given["log"]}
    report, _ = ingested(tmp_path, given, described, parquet=parquet)
    each = 7 * WEEKS
    assert dict(report.tables["log"].rejected) == {"its company is in quarantine": each, "unknown id": each}


def test_an_identifier_is_repeated_where_nobody_is_named_too(tmp_path):
    given = tables()
    log = {name: one for name, one in EVENTS.items() if name not in {"link", "user"}} | {"id": "who"}
    given = {"bought": given["bought"].assign(team="u3"), "log": pd.concat([given["log"], given["log"][:4]])}
    report, _ = ingested(tmp_path, given, {"bought": TABLES["bought"], "log": log})
    assert dict(report.tables["log"].merged) == {"repeated event, merged": 4}


@pytest.mark.parametrize("role", ["amount", "actions"])
def test_events_with_bad_rows_give_one_snapshot_whatever_form_their_file_has(tmp_path, role):
    """Written as pyarrow writes CSV, where a row reads as its values do."""
    took = [1.5, None, 2.0, -1.0, 0.25, 3.0, 4.0, 12.0]
    log = pa.table(
        {
            "what": ["view", "edit", None, "view", "edit", "view", "edit", None],
            "took": pa.array([one if role == "amount" else one and round(one) for one in took], pa.float64()),
            "when": pa.array(
                [*(FIRST + pd.Timedelta(days=n, hours=n) for n in range(6)), None, FIRST], pa.timestamp("us")
            ),
            "team": ["a", "b", "nobody", "a", "stranger", "", "a", "nobody"],
        }
    )
    described = {
        "teams": {"kind": "entities", "id": "team", "converted_on": "paid"},
        "log": {
            "kind": "events", "id": "team", "at": "when", "event": "what", "kinds": ["view"],
            "amounts": {"took": {"column": "took", "role": role}},
        },
    }  # fmt: skip
    teams = pd.DataFrame({"team": ["a", "b"], "paid": ["2024-01-20", ""]})
    places = {name: tmp_path / name for name in ("log.csv", "log.parquet", "texts.parquet", "log")}
    options = pyarrow.csv.WriteOptions(quoting_style="none")
    pyarrow.csv.write_csv(log, places["log.csv"], options)
    pq.write_table(log, places["log.parquet"])
    texts = {name: log[name].cast(pa.string()) for name in log.column_names}
    pq.write_table(pa.table(texts), places["texts.parquet"])
    places["log"].mkdir()
    for at in range(2):
        pq.write_table(log.slice(4 * at, 4), places["log"] / f"{at}.parquet")
    found = {}
    for name, place in places.items():
        rules = Rules(1.0, coverage=Coverage(min_coverage=0.0), as_of="2024-01-15")
        (tmp_path / "teams.csv").write_text(teams.to_csv(index=False))
        where = {"teams": str(tmp_path / "teams.csv"), "log": str(place)}
        origin = Origin(open_source("file"), SchemaSettings.model_validate({"tables": described}), where)
        report = ingest(origin, rules, tmp_path / "artifacts" / name, now=NOW)
        rows = pq.read_table(report.path / QUARANTINE)
        found[name] = report.id, rows["reason"].to_pylist(), rows["raw"].to_pylist()
    assert len(found["log.csv"][1]) == (6 if role == "amount" else 7)
    assert found == dict.fromkeys(found, found["log.csv"])
