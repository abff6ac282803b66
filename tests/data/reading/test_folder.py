"""Folders of files are one table."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.checking import values
from ml_sys.data.checking.validate import check_part
from ml_sys.data.fields import Field
from ml_sys.data.reading.folder import open_folder
from ml_sys.data.reading.rows import RawRows, RawTable
from ml_sys.data.sources import FileSource
from ml_sys.errors import EmptyTableError, MissingColumnError, UnreadableFileError


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def ids_of(table):
    return [name for part in table.parts for name in part().texts["id"].to_pylist()]


def test_files_of_a_folder_are_read_in_the_order_of_their_names_whatever_they_are(tmp_path):
    (tmp_path / "1.csv").write_text("id,n\na,1\n")
    pd.DataFrame({"n": [2], "id": ["b"]}).to_parquet(tmp_path / "2.parquet")
    (tmp_path / "3.jsonl").write_text('{"id": "c", "n": 3}\n')
    (tmp_path / "_SUCCESS").write_text("")
    table = FileSource().open("t", str(tmp_path), {"id": "id", "n": "n", "x": "x"}, {"x"})
    assert table.lacks == {"x"}
    assert ids_of(table) == ["a", "b", "c"]


def test_a_file_without_a_column_of_the_first_one_is_named(tmp_path):
    (tmp_path / "1.csv").write_text("id,n\na,1\n")
    (tmp_path / "2.csv").write_text("id,m\na,1\n")
    with pytest.raises(MissingColumnError, match=r"2\.csv: column 'n' is missing"):
        ids_of(FileSource().open("t", str(tmp_path), {"id": "id", "n": "n"}))


def test_a_folder_without_files_is_said(tmp_path):
    with pytest.raises(UnreadableFileError, match="the folder is empty"):
        FileSource().open("t", str(tmp_path), {"id": "id"})


def test_a_folder_that_holds_folders_alone_is_read(tmp_path):
    written(tmp_path, {"24/jan/1.csv": "id\na\n", "24/feb/1.csv": "id\nb\n", "24/_old/1.csv": "id\nc\n"})
    table = FileSource().open("t", str(tmp_path), {"id": "id"})
    assert ids_of(table) == ["b", "a"]
    assert table.notes == []


def test_files_below_those_of_a_folder_are_read_and_noted(tmp_path):
    written(tmp_path, {"1.csv": "id\na\n", "sub/2.csv": "id\nb\n", "sub/deeper/3.csv": "id\nc\n"})
    table = FileSource().open("t", str(tmp_path), {"id": "id"})
    assert ids_of(table) == ["a", "b", "c"]
    assert table.notes == ["2 of its 3 files are in folders below it"]


def test_a_column_that_names_of_folders_have_is_noted_or_the_query_that_reads_it_is_named(tmp_path):
    written(tmp_path, {"day=2024-01-01/1.csv": "id\na\n", "day=2024-01-02/1.csv": "id\nb\n"})
    table = FileSource().open("t", str(tmp_path), {"id": "id"})
    assert ids_of(table) == ["a", "b"]
    assert table.notes == ["ignored 'day', which only names of folders have"]
    with pytest.raises(MissingColumnError, match=r"1\.csv: column 'day' is missing") as refused:
        FileSource().open("t", str(tmp_path), {"id": "id", "at": "day"})
    query = str(refused.value.hint).partition("query, which reads them: ")[2]
    read = FileSource().open("t", query, {"id": "id", "at": "day"})
    assert [str(one) for part in read.parts for one in part().texts["at"].to_pylist()] == [
        "2024-01-01", "2024-01-02"
    ]  # fmt: skip


def test_a_table_of_delta_lake_is_refused_since_not_all_of_its_files_count(tmp_path):
    written(tmp_path, {"1.csv": "id\na\n", "_delta_log/00000000000000000000.json": "{}"})
    with pytest.raises(UnreadableFileError, match="a table of Delta Lake") as refused:
        FileSource().open("t", str(tmp_path), {"id": "id"})
    assert "delta_scan(" in refused.value.hint


def test_links_are_followed_unless_they_lead_back_up_or_nowhere(tmp_path):
    written(tmp_path, {"usage/1.csv": "id\na\n", "elsewhere/2.csv": "id\nb\n"})
    (tmp_path / "usage" / "more").symlink_to(tmp_path / "elsewhere")
    assert ids_of(FileSource().open("t", str(tmp_path / "usage"), {"id": "id"})) == ["a", "b"]
    up = tmp_path / "usage" / "up"
    for target, why in ((tmp_path, "it lies in"), (tmp_path / "gone", "leads nowhere")):
        up.symlink_to(target)
        with pytest.raises(UnreadableFileError, match=f"usage/up: .*{why}"):
            FileSource().open("t", str(tmp_path / "usage"), {"id": "id"})
        up.unlink()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""), ("a.csv", b"\n \n"), ("a.csv.gz", b""), ("a.csv.gz", gzip.compress(b"", mtime=0)),
        ("a.parquet", b""), ("a.jsonl", b""), ("z.csv", b""), ("z.parquet", b""),
    ],
    ids=["nothing", "blank lines", "no gz", "gz of nothing", "no parquet", "no json", "last", "last parquet"],
)  # fmt: skip
def test_an_empty_file_among_others_is_passed_over_and_noted(tmp_path, name, content):
    written(tmp_path, {"b.csv": "id\nb\n", "c.csv": "id\nc\n"})
    (tmp_path / name).write_bytes(content)
    table = FileSource().open("t", str(tmp_path), {"id": "id"})
    assert ids_of(table) == ["b", "c"]
    assert table.notes == [f"{tmp_path / name}: skipped, as it is empty"]
    for other in ("b.csv", "c.csv"):
        (tmp_path / other).unlink()
    for where in (tmp_path, tmp_path / name):
        with pytest.raises(EmptyTableError, match=f"^{where}: has no rows"):
            FileSource().open("t", str(where), {"id": "id"})


def test_a_column_that_a_later_file_has_in_excess_is_noted_once(tmp_path):
    written(
        tmp_path,
        {"1.csv": "id,note\na,x\n", "2.csv": "id,n,note\nb,1,x\n", "3.csv": "id,n,odd\nc,1,x\n"},
    )
    table = FileSource().open("t", str(tmp_path), {"id": "id", "n": "n"}, {"n"})
    assert (ids_of(table), table.lacks, table.extra) == (["a", "b", "c"], {"n"}, ("note",))
    first, second, third = (tmp_path / f"{n}.csv" for n in (1, 2, 3))
    assert table.notes == [
        f"{second}: ignored 'n', which {first} does not have",
        f"{third}: ignored 'odd', which {first} does not have",
    ]


def test_a_line_of_a_folder_is_one_of_its_file_whatever_kind_of_file_it_is(tmp_path):
    written(tmp_path, {"1.csv": "id,n\na,1\nb,x\n", "2.csv": 'id,n\n"c",1,2\nd,x\n"e\ne",x\n'})
    (tmp_path / "3.jsonl").write_text('no\n{"id": "f", "n": 1}\n{"id": "g", "n": "x"}\n')
    pd.DataFrame({"id": ["h", "i"], "n": ["1", "x"]}).to_parquet(tmp_path / "4.parquet")
    table = FileSource().open("t", str(tmp_path), {"id": "id", "n": "n"})
    fields = {"id": Field("id", values.ids), "n": Field("n", values.counts)}
    found = [check_part(part, fields) for part in table.parts]
    places = [table.at(one.line) for part in found for one in part.bad]
    assert [(Path(file).name, line) for file, line in places] == [
        ("1.csv", 3), ("2.csv", 2), ("2.csv", 3), ("2.csv", 4), ("3.jsonl", 1), ("3.jsonl", 3),
        ("4.parquet", 2),
    ]  # fmt: skip
    good = [table.at(line) for part in found for line in part.lines.tolist()]
    assert [(Path(file).name, line) for file, line in good] == [
        ("1.csv", 2), ("3.jsonl", 2), ("4.parquet", 1)
    ]  # fmt: skip


def test_each_file_is_closed_when_the_next_is_begun(tmp_path):
    closed = []

    def opened(path, _columns, _may_lack):
        rows = RawRows({}, np.arange(1, 3), path.name.__getitem__)
        return RawTable(path.name, (), iter([lambda: rows]), lambda: closed.append(path.name))

    for name in ("b", "a", ".hidden", "_log"):
        (tmp_path / name).touch()
    table = open_folder(tmp_path, {"id": "id"}, (), opened)
    read = [([table.at(line) for line in part().lines.tolist()], list(closed)) for part in table.parts]
    assert read == [([("a", 1), ("a", 2)], []), ([("b", 1), ("b", 2)], ["a"])]
    assert closed == ["a", "b"]


def test_what_the_first_file_has_every_file_must_have_and_what_it_lacks_none_is_asked_for(tmp_path):
    (tmp_path / "1.csv").write_text("id,n,note\na,1,x\n")
    (tmp_path / "2.csv").write_text("id,m\nb,1\n")
    asked = {"id": "id", "n": "n", "m": "m"}, {"n", "m"}
    table = FileSource().open("t", str(tmp_path), *asked)
    assert (table.lacks, table.extra) == ({"m"}, ("note",))
    with pytest.raises(MissingColumnError, match=r"2\.csv: column 'n' is missing"):
        ids_of(table)
    (tmp_path / "2.csv").write_text("id,n,m\nb,1,7\n")
    parts = list(FileSource().open("t", str(tmp_path), *asked).parts)
    assert [sorted(part().texts) for part in parts] == [["id", "n"]] * 2
