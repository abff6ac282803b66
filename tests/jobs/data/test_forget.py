"""`mlsys forget`: a company leaves every store that can be changed, and those that cannot are named."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.snapshot import latest_path, parts
from ml_sys.data.snapshot_writing import keep_quarantine
from ml_sys.data.sources import open_source
from ml_sys.durable import beginning_beside, open_beside
from ml_sys.engine.storage import Storage
from ml_sys.jobs.data.forget import forget_company
from ml_sys.outcomes.lists import HandedOutList, ListEntry
from ml_sys.outcomes.store import opened_store
from ml_sys.serve.prediction_log import Logged
from ml_sys.serve.sqlite_sink import SqliteSink, forget
from ml_sys.settings import EngineSettings, SchemaSettings, Settings
from tests.data.tables import MEASURES
from tests.scoring.test_remembered import listed, remember, remembered

IDS = [
    "4711", "47", "a/b", "..", "Müller & Söhne", "=1+1", "'=1", "-5", "a;b", 'say "no"', "a'b", "%", "x,y",
    "\x1b[2J", "a\u202eb", "[x]", "株式会社", "null",
]  # fmt: skip
DAYS = ("2020-01-05", "2020-01-12")


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory):
    """An artifacts folder in which each company is in log, two lists, quarantine and snapshot."""
    folder = tmp_path_factory.mktemp("everywhere")
    root = folder / "artifacts"
    attributes = {"ALEXA_RANK": 5, "EMPLOYEE_RANGE": "2 to 5", "INDUSTRY": "RETAIL"}
    pd.DataFrame({"id": IDS, **attributes}).to_csv(folder / "noncustomers.csv", index=False)
    paid = {"CLOSEDATE": ["2020-02-03"], "MRR": [10], "id": ["paid"], **attributes}
    pd.DataFrame(paid).to_csv(folder / "customers.csv", index=False)
    weeks = [f"2020-01-{day:02}" for day in (6, 13, 20, 27)]
    usage = pd.DataFrame([(week, one) for week in weeks for one in IDS], columns=["WHEN_TIMESTAMP", "id"])
    usage.assign(**{name.upper(): 3 for name in MEASURES}).to_csv(folder / "usage.csv", index=False)
    tables = {name: str(folder / f"{name}.csv") for name in ("customers", "noncustomers", "usage")}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ingest(
        Origin(open_source("file"), SchemaSettings(), tables), Rules(max_rejected_share=0.05), root, now=now
    )
    with closing(SqliteSink(root / "outcomes.sqlite")) as sink:
        sink.write([Logged(1.8e9 + n, "1.0.0", one, b"", 0.5) for n, one in enumerate(IDS * 2)])
    for day in DAYS:
        remember(root / "lists", listed(IDS, day), day)
    rejects = Quarantine()
    raw = pd.DataFrame({"rank": "n/a", "size": "2 to 5", "id": IDS}).to_csv(index=False, header=False)
    rejects.add("noncustomers", "x.csv", [BadRow(n, "bad", one) for n, one in enumerate(raw.splitlines())])
    keep_quarantine(rejects.to_table(), root)
    return root


@pytest.fixture
def root(everywhere, tmp_path):
    return shutil.copytree(everywhere, tmp_path / "artifacts")


def content(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def ids_left(root):
    """Which companies each store still holds."""
    listed_ids = {one for ids in remembered(root / "lists").values() for one in ids}
    (rejects,) = (root / "quarantine").glob("*.parquet")
    raws = pq.read_table(rejects)["raw"].to_pylist()
    return {
        "log": {one for one in IDS if forget(root / "outcomes.sqlite", one, dry_run=True)},
        "lists": listed_ids,
        "quarantine": {one for one in IDS if any(raw.endswith(_cell(one)) for raw in raws)},
    }


def all_three(ids):
    return {store: set(ids) for store in ("log", "lists", "quarantine")}


def _cell(company):
    return pd.DataFrame({"x": [""], "id": [company]}).to_csv(index=False, header=False).strip("\n")


@pytest.mark.parametrize("company", IDS)
def test_a_company_of_any_id_leaves_every_store_and_the_others_stay(root, company):
    settings = Settings(artifacts_dir=root)
    before = content(root)
    dry = forget_company(settings, company, dry_run=True)
    assert {path: text for path, text in content(root).items() if "sqlite" not in path.name} == {
        path: text for path, text in before.items() if "sqlite" not in path.name
    }
    assert ids_left(root) == all_three(IDS)
    done = forget_company(settings, company)
    assert (done.removed, done.kept, done.failed) == (dry.removed, dry.kept, ())
    assert [(place.kind, place.found) for place in done.removed] == [
        ("prediction log", 2), ("list", 1), ("list", 1), ("lists that were handed out", 2), ("quarantine", 1),
    ]  # fmt: skip
    assert [(place.kind, place.found) for place in done.kept] == [("snapshot", 1)]
    assert ids_left(root) == all_three(set(IDS) - {company})
    after = content(root)
    again = forget_company(settings, company)
    assert (again.removed, again.kept) == ((), done.kept)
    assert content(root) == after


def test_a_storage_of_a_cluster_that_holds_a_company_is_named(root, tmp_path):
    place = tmp_path / "storage"
    settings = Settings(artifacts_dir=root, engine=EngineSettings(storage=place.as_uri()))
    storage = Storage(settings.engine.storage)
    parts(latest_path(root)).shared(storage)

    def kept() -> list[tuple[str, int | None]]:
        found = forget_company(settings, "4711", dry_run=True).kept
        return [(one.path, one.found) for one in found if isinstance(one.path, str)]

    assert kept() == [(place.as_uri(), 1)]
    shutil.copytree(place / parts(latest_path(root)).id, place / "one-of-another-machine")
    assert kept() == [(place.as_uri(), None)]
    shutil.rmtree(place)
    assert kept() == []


def test_a_crash_at_any_point_leaves_whole_files_and_the_same_command_finishes(root):
    settings = Settings(artifacts_dir=root)
    real, crashes = os.replace, 0
    for survived in range(4):

        def replace(*names, left=[survived]):  # noqa: B006 - counts down over the calls of this round
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(*names)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", replace)
            try:
                forget_company(settings, "4711")
            except KeyboardInterrupt:
                crashes += 1
        assert all("47" in ids for ids in ids_left(root).values())
    assert crashes > 1
    assert forget_company(settings, "4711").failed == ()
    assert not any("4711" in ids for ids in ids_left(root).values())


def test_what_cannot_be_changed_is_said_and_the_rest_is_done(root, mlsys):
    damaged = root / "lists" / f"{DAYS[0]}.csv"
    sound = damaged.read_text()
    damaged.write_text(sound + "cut off")
    done = mlsys("forget", "4711", artifacts=root)
    assert done.returncode == 1
    assert f"list {damaged}: could not be read or changed" in done.stderr
    left = {path.name for path in (root / "lists").iterdir() if "4711" in path.read_text()}
    assert left == {damaged.name}
    damaged.write_text(sound)
    assert mlsys("forget", "4711", artifacts=root).returncode == 0
    assert "4711" not in damaged.read_text()


def test_a_half_written_file_of_a_writer_killed_long_ago_goes_as_well(root):
    old, young = root / "lists" / ".tmp-old", root / "lists" / ".tmp-young"
    for path in (old, young):
        path.write_text("1,4711")
    os.utime(old, (time.time() - 7200,) * 2)
    forget_company(Settings(artifacts_dir=root), "4711")
    assert (old.exists(), young.exists()) == (False, True)  # somebody may be writing the young one


@pytest.mark.parametrize("name", ["mlsys-events", "mlsys-features", "mlsys-storage", "mlsys-usage"])
def test_what_a_killed_command_left_in_the_temporary_folder_goes_as_well(root, tmp_path, monkeypatch, name):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    opened, lock = open_beside(tmp_path / "temporary" / name)
    opened.close()  # whoever opened it is gone
    left = tmp_path / "temporary" / f"{name}-{lock.name.removeprefix(beginning_beside(Path(name)))}"
    left.mkdir()
    (left / "rows").write_text("4711")
    forget_company(Settings(artifacts_dir=root), "4711")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_command_says_where_it_removed_and_how_to_go_on_without(root, mlsys):
    dry = mlsys("--artifacts", root, "forget", "--dry-run", "--json", "--", "-5")
    told = json.loads(dry.stdout)
    assert (told["company"], told["dry_run"], told["failed"]) == ("-5", True, [])
    assert "outcomes.sqlite" in dry.stdout
    done = mlsys("--artifacts", root, "forget", "--", "-5")
    assert done.returncode == 0, done.stderr
    assert "Removed: '-5'" in done.stdout
    assert "mlsys ingest, mlsys train, mlsys promote" in done.stdout
    assert "snapshots" in done.stdout
    again = json.loads(mlsys("--artifacts", root, "forget", "--json", "--", "-5").stdout)
    assert (again["removed"], again["kept"]) == ([], told["kept"])


def test_versions_that_hold_a_company_are_named(registered):
    holdout = next((registered / "models").glob("*/holdout.parquet"))
    company = pq.read_table(holdout, columns=["id"])["id"][0].as_py()
    done = forget_company(Settings(artifacts_dir=registered), company, dry_run=True)
    assert {(place.kind, place.path.name) for place in done.kept} >= {("version", holdout.parent.name)}
    assert any(place.kind == "snapshot" for place in done.kept)


@pytest.mark.parametrize("company", ["", " ", "\n"])
def test_a_blank_id_is_refused(root, mlsys, company):
    before = content(root)
    assert mlsys("forget", company, artifacts=root).returncode == 2
    assert content(root) == before


@pytest.mark.parametrize("company", ["no such company", "\udcff", "a\x00b", "x" * 10_000])
def test_an_id_that_nobody_has_changes_nothing(tmp_path, root, company):
    before = content(root)
    done = forget_company(Settings(artifacts_dir=root), company)
    assert (done.removed, done.kept, done.failed) == ((), (), ())
    assert {path for path in content(root) if "sqlite" not in path.name} == {
        path for path in before if "sqlite" not in path.name
    }
    assert forget_company(Settings(artifacts_dir=tmp_path / "none"), company).removed == ()
    assert not (tmp_path / "none").exists()


class OwnLog:
    """A log of one's own that can forget."""

    companies: Sequence[str] = ("4711", "4711", "x")

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, predictions: Sequence[Logged]) -> None:
        raise AssertionError

    def close(self) -> None:
        pass

    def forget(self, company: str) -> int:
        found = self.companies.count(company)
        type(self).companies = [one for one in self.companies if one != company]
        return found


def test_a_log_of_ones_own_forgets_where_it_can_and_is_named_where_not(tmp_path):
    own = Settings.model_validate(
        {"artifacts_dir": tmp_path, "serve": {"prediction_log": f"{__name__}:OwnLog"}}
    )
    (dry,) = forget_company(own, "4711", dry_run=True).removed
    assert (dry.kind, dry.found) == ("prediction log", None)
    (done,) = forget_company(own, "4711").removed
    assert (done.kind, done.found) == ("prediction log", 2)
    assert forget_company(own, "4711").removed == ()
    stubborn = Settings.model_validate(
        {"artifacts_dir": tmp_path, "serve": {"prediction_log": "tests.serve.test_prediction_log:Flaky"}}
    )
    told = forget_company(stubborn, "4711")
    assert [(place.kind, place.found) for place in told.kept] == [("prediction log", None)]
    assert told.removed == ()


def test_a_company_leaves_the_lists_that_were_handed_out(tmp_path):
    settings = Settings(artifacts_dir=tmp_path)
    record = HandedOutList("a", 18_267, "1.0.0", "2020-01-06", "", 30, 1, "none", 7, 2, 0.5, 2)
    with opened_store(settings) as store:
        companies = [ListEntry(one, 1, 0.5, "A", True, 1.0) for one in ("4711 GmbH", "47")]
        store.hand_out(record, companies)
    (dry,) = forget_company(settings, "4711 GmbH", dry_run=True).removed
    assert (dry.kind, dry.found) == ("lists that were handed out", 1)
    assert forget_company(settings, "4711 GmbH").removed == (dry,)
    assert not any(b"4711 GmbH" in path.read_bytes() for path in tmp_path.rglob("outcomes*"))
    with opened_store(settings) as store:
        assert store.entries(["a"])["entity_id"].tolist() == ["47"]


def test_a_company_leaves_the_copy_from_before_the_store_was_brought_up_to_date(root):
    copy = root / "outcomes.sqlite.0002"
    shutil.copy(root / "outcomes.sqlite", copy)
    done = forget_company(Settings(artifacts_dir=root), "4711")
    assert ("copy of both", copy, 2) in [(one.kind, one.path, one.found) for one in done.removed]
    assert b"4711" not in copy.read_bytes()
