"""Tables and lists at addresses of a real S3 server: the bytes of files here, and a line for each fault."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard

from ml_sys.data.fields import columns_of, fields_of
from ml_sys.data.schema import CUSTOMERS, NONCUSTOMERS, USAGE
from ml_sys.data.snapshot import QUARANTINE
from ml_sys.data.sources import FileSource
from ml_sys.errors import ExitCode, InputError
from ml_sys.project import Project
from ml_sys.settings import SchemaSettings
from tests.data.tables import Tables
from tests.engine import s3

FILES = {CUSTOMERS: "customers.csv", NONCUSTOMERS: "noncustomers.csv", USAGE: "usage_actions.csv"}
USAGE_COLUMNS = columns_of(fields_of(SchemaSettings(), USAGE))


@pytest.fixture(scope="module")
def bucket():
    with s3.s3_server("company"):
        yield "s3://company"


@pytest.fixture(scope="module")
def uploaded(bucket, three_tables):
    """The generated tables in a folder of the bucket."""
    for name in FILES.values():
        s3.put(f"{bucket}/export/{name}", (three_tables / name).read_bytes())
    return f"{bucket}/export"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which has to be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def quarantined(report_path):
    return pq.read_table(Path(report_path) / QUARANTINE).drop_columns("file")


def rows_of(table):
    return sum(len(part().lines) for part in table.parts)


def packed(form, path):
    """Return a CSV file's content in another form, by the name it then has."""
    content = path.read_bytes()
    if form == "csv.gz":  # of two members
        return {f"usage.{form}": gzip.compress(content[:1000]) + gzip.compress(content[1000:])}
    if form == "csv.zst":
        return {f"usage.{form}": zstandard.ZstdCompressor().compress(content)}
    if form == "utf-16.csv":
        return {f"usage.{form}": content.decode().encode("utf-16")}
    table = pyarrow.csv.read_csv(path)
    if form == "jsonl":
        return {"usage.jsonl": table.to_pandas().astype(str).to_json(orient="records", lines=True).encode()}
    if form == "parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, row_group_size=7)
        return {"usage.parquet": sink.getvalue().to_pybytes()}
    if form == "folder":
        header, *rows = content.splitlines(keepends=True)
        return {
            "usage/part 1.csv": header + b"".join(rows[:10]),
            "usage/part-2.csv.gz": gzip.compress(header + b"".join(rows[10:20])),
            "usage/part-3.csv": b"",
            "usage/part-4.csv.gz": b"",
            "usage/_SUCCESS": b"",
            "usage/more/part-0.csv": header + b"".join(rows[20:]),
            "usage/_old/part-0.csv": b"not,of,it\n",
        }
    return {"usage.csv": content}


@pytest.mark.parametrize("form", ["csv", "csv.gz", "csv.zst", "utf-16.csv", "jsonl", "parquet", "folder"])
def test_tables_of_every_form_give_the_snapshot_that_files_here_give(bucket, tmp_path, form, temporary):
    tables = Tables(tmp_path)
    tables.usage[3] = tables.usage[3].replace(",5,", ",-5,")
    tables.write()
    for name, content in packed(form, tables.path(USAGE)).items():
        there, here = f"{bucket}/{form}/{name}", tmp_path / form / name
        s3.put(there, content)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(content)
    name = "usage" if form == "folder" else here.name
    expected = tables.ingest_as_they_are(usage=str(tmp_path / form / name))
    kept = quarantined(expected.path)
    shutil.rmtree(tables.artifacts)
    for table in (CUSTOMERS, NONCUSTOMERS):
        s3.put(f"{bucket}/{form}/{table}.csv", tables.path(table).read_bytes())
    found = tables.ingest_as_they_are(
        customers=f"{bucket}/{form}/customers.csv",
        noncustomers=f"{bucket}/{form}/noncustomers.csv",
        usage=f"{bucket}/{form}/{name}{'/' if form == 'folder' else ''}",
    )
    assert found.id == expected.id
    assert quarantined(found.path).equals(kept)
    assert kept.num_rows == 1
    [file] = set(pq.read_table(found.path / QUARANTINE)["file"].to_pylist())
    assert file == f"{bucket}/{form}/{'usage/part 1.csv' if form == 'folder' else name}"
    assert [one.replace(bucket, str(tmp_path)) for one in found.notes] == list(expected.notes)
    assert ("usage: 1 of its 5 files are in folders below it" in found.notes) == (form == "folder")
    assert sum("as it is empty" in one for one in found.notes) == 2 * (form == "folder")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_table_of_events_gives_the_snapshot_that_a_file_here_gives(
    bucket, tmp_path, mlsys, form, temporary
):
    teams = "team,begun\na,2023-06-01\nb,2023-06-01\n"
    bought = "team,day\nb,2024-02-02\n"
    team = "CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'nobody' END AS team"
    log = duckdb.sql(f"SELECT {team}, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS at FROM range(2000) t(i)")  # noqa: S608 - the test's own
    (log.write_csv if form == "csv" else log.write_parquet)(str(tmp_path / f"log.{form}"))
    (tmp_path / "teams.csv").write_text(teams)
    (tmp_path / "bought.csv").write_text(bought)
    names = ("teams.csv", "bought.csv", f"log.{form}")
    found = []
    for root in (str(tmp_path), f"{bucket}/events-{form}"):
        for name in names:
            if root.startswith("s3:"):
                s3.put(f"{root}/{name}", (tmp_path / name).read_bytes())
        (tmp_path / "own.toml").write_text(
            f"""
            ingest.max_rejected_share = 1.0
            [schema.tables.teams]
            kind = "entities"
            file = "{root}/teams.csv"
            id = "team"
            since = "begun"
            [schema.tables.bought]
            kind = "purchases"
            file = "{root}/bought.csv"
            id = "team"
            at = "day"
            [schema.tables.log]
            kind = "events"
            file = "{root}/log.{form}"
            id = "team"
            at = "at"
            """
        )
        artifacts = tmp_path / f"artifacts-{len(found)}"
        done = mlsys("ingest", "--config", tmp_path / "own.toml", "--json", artifacts=artifacts)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        found.append((told["id"], quarantined(artifacts / "snapshots" / told["id"])))
    (one, kept), (other, also) = found
    assert one == other
    assert kept.equals(also)
    assert kept.num_rows == 666


def test_the_commands_ingest_and_score_from_addresses_to_addresses(
    bucket, uploaded, three_tables, trained, mlsys, tmp_path, temporary
):
    artifacts = Path(shutil.copytree(trained, tmp_path / "artifacts"))
    named = [f"--{table}={uploaded}/{name}" for table, name in FILES.items()]
    done = mlsys("ingest", *named, "--json", artifacts=artifacts)
    assert done.returncode == 0, done.stderr
    here = [f"--{table}={three_tables / name}" for table, name in FILES.items()]
    again = mlsys("ingest", *here, "--json", artifacts=tmp_path / "others")
    assert json.loads(done.stdout)["id"] == json.loads(again.stdout)["id"]
    for ending in ("csv", "parquet", "xlsx"):
        lists = []
        for root, out in ((str(three_tables), str(tmp_path)), (uploaded, f"{bucket}/lists")):
            done = mlsys(
                *("score", f"{root}/{FILES[NONCUSTOMERS]}", "--usage", f"{root}/{FILES[USAGE]}"),
                *("--out", f"{out}/list.{ending}", "--json"),
                artifacts=artifacts,
            )
            assert done.returncode == 0, done.stderr
            told = json.loads(done.stdout)
            assert told["out"] == f"{out}/list.{ending}"
            kept = pq.read_table(told["quarantine"]).drop_columns("file")
            content = s3.get(told["out"]) if told["out"].startswith("s3:") else Path(told["out"]).read_bytes()
            lists.append((content, kept))
        (one, kept), (other, also) = lists
        assert one == other
        assert kept.equals(also)
    assert s3.names(f"{bucket}/lists") == ["list.csv", "list.parquet", "list.xlsx"]


def test_the_python_api_takes_addresses(bucket, uploaded, trained, tmp_path):
    project = Project(trained)
    prospects = f"{uploaded}/{FILES[NONCUSTOMERS]}"
    listed = project.score(prospects, out=f"{bucket}/api/list.csv")
    (tmp_path / "same.csv").write_bytes(s3.get(f"{bucket}/api/list.csv"))
    assert (tmp_path / "same.csv").read_text().count("\n") == len(listed.scored) + 1
    s3.put(f"{bucket}/api/out.csv", b"id\n" + str(listed.table["id"][0]).encode() + b"\n")
    fewer = Project(trained, score__exclude=f"{bucket}/api/out.csv").score(prospects)
    assert len(fewer.scored) == len(listed.scored) - 1


def test_a_check_looks_at_addresses_and_init_says_what_to_do(uploaded, mlsys, tmp_path):
    named = [f"--{table}={uploaded}/{name}" for table, name in FILES.items()]
    done = mlsys("ingest", *named, "--check", artifacts=tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "none").exists()
    done = mlsys("init", f"{uploaded}/{FILES[USAGE]}")
    assert done.returncode == ExitCode.FAILED
    assert f"{uploaded}/{FILES[USAGE]}: only files of this machine are looked at" in done.stderr


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("{bucket}/export/none.csv", "{bucket}/export/none.csv: there is no such object (usage)"),
        ("s3://nowhere/usage.csv", "s3://nowhere/usage.csv: there is no such bucket (usage)"),
        ("{bucket}/empty/", "{bucket}/empty/: there is no such object (usage)"),
    ],
)
def test_what_is_not_there_ends_ingest_in_a_line(bucket, uploaded, mlsys, tmp_path, where, said):
    named = [f"--{table}={uploaded}/{name}" for table, name in FILES.items()][:2]
    done = mlsys("ingest", *named, "--usage", where.format(bucket=bucket), artifacts=tmp_path / "none")
    assert done.returncode == ExitCode.FAILED
    lines = done.stderr.splitlines()
    assert lines[-2] == f"error: {said.format(bucket=bucket)}"
    assert lines[-1].startswith("  check the address")
    missing = mlsys("ingest", "--usage", tmp_path / "none.csv", artifacts=tmp_path / "none")
    assert missing.returncode == done.returncode


def test_keys_that_allow_nothing_end_a_command_in_a_line(uploaded, trained, mlsys, tmp_path):
    s3.allow(0)
    try:
        done = mlsys("score", f"{uploaded}/{FILES[NONCUSTOMERS]}", artifacts=trained)
        written = mlsys("score", "--out", f"{uploaded}/list.csv", artifacts=trained)
    finally:
        s3.allow(10**9)
    for one, what in ((done, "read"), (written, "written")):
        assert one.returncode == ExitCode.FAILED
        assert f": cannot be {what}: " in one.stderr.splitlines()[-2]
        assert "AWS_ACCESS_KEY_ID" in one.stderr.splitlines()[-1]
    assert "list.csv" not in s3.names(uploaded)


def test_who_names_no_address_loads_nothing_of_storage(three_tables, tmp_path):
    named = [f"--{table}={three_tables / name}" for table, name in FILES.items()]
    program = (
        "import sys\nfrom ml_sys.cli import main\n"
        f"sys.argv = ['mlsys', 'ingest', *{named!r}, '--artifacts', {str(tmp_path)!r}]\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code\n"
        "print(sorted({'fsspec', 's3fs', 'boto3', 'distributed'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_an_address_with_keys_is_refused_before_it_is_kept(mlsys, tmp_path):
    done = mlsys("ingest", "--usage", "s3://AKIA:secret@bucket/usage.csv", artifacts=tmp_path)
    assert done.returncode == ExitCode.FAILED
    assert "AWS_SECRET_ACCESS_KEY" in done.stderr
    assert "secret@" not in done.stderr
    done = mlsys("score", "s3://AKIA:secret@bucket/usage.csv", artifacts=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "secret@" not in done.stderr


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("new", [True, False], ids=["replaced", "removed"])
def test_a_table_that_changes_while_it_is_read_is_refused(bucket, tmp_path, form, new):
    tables = Tables(tmp_path)
    tables.write()
    [(name, content)] = packed(form, tables.path(USAGE)).items()
    there = f"{bucket}/changing-{form}/{name}"
    s3.put(there, content)
    opened = FileSource().open(USAGE, there, USAGE_COLUMNS)
    if new:
        tables.usage[5] = tables.usage[6]
        tables.write()
        s3.put(there, packed(form, tables.path(USAGE))[name])
    else:
        s3.remove(there)
    said = "replaced" if new else "removed"
    with pytest.raises(InputError, match=rf"^{there}: .* it was {said} while it was read"):
        rows_of(opened)
    opened.close()


def test_a_table_that_changes_between_its_header_and_its_rows_is_refused(bucket, tmp_path):
    tables = Tables(tmp_path)
    tables.write()
    there = f"{bucket}/twice.csv"
    s3.put(there, tables.path(USAGE).read_bytes())
    source = FileSource()
    source.open(USAGE, there, {"id": "id"}).close()
    source.open(USAGE, there, USAGE_COLUMNS).close()
    s3.put(there, tables.path(USAGE).read_bytes() + b"\n")
    with pytest.raises(InputError, match="it was replaced while it was read"):
        source.open(USAGE, there, USAGE_COLUMNS)
    FileSource().open(USAGE, there, USAGE_COLUMNS).close()


def test_a_folder_of_folders_is_read(bucket):
    for month in (1, 2):
        s3.put(f"{bucket}/months/month={month}/part.csv", b"id\n%d\n" % month)
    table = FileSource().open(USAGE, f"{bucket}/months", {"id": "id"})
    assert [part().texts["id"].to_pylist() for part in table.parts] == [["1"], ["2"]]
    assert table.notes == ["ignored 'month', which only names of folders have"]
    with pytest.raises(InputError, match=rf"^{bucket}/months/month=1/part.csv: column 'month'") as caught:
        FileSource().open(USAGE, f"{bucket}/months", {"id": "month"})
    assert "into the files" in caught.value.hint
    s3.put(f"{bucket}/months/_delta_log/0.json", b"{}")
    with pytest.raises(InputError, match=f"^{bucket}/months: .* Delta Lake"):
        FileSource().open(USAGE, f"{bucket}/months", {"id": "id"})


def test_a_damaged_table_is_named_by_its_address(bucket):
    s3.put(f"{bucket}/damaged.csv.gz", gzip.compress(b"id\n1\n" * 10_000)[:-20])
    s3.put(f"{bucket}/damaged.parquet", b"PAR1" * 10)
    for name in ("damaged.csv.gz", "damaged.parquet"):
        with pytest.raises(InputError, match=rf"^{bucket}/{name}: cannot be read: ") as caught:
            rows_of(FileSource().open(USAGE, f"{bucket}/{name}", {"id": "id"}))
        assert "expected CSV" in caught.value.hint
