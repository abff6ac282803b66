"""Folders of files are one table."""

from __future__ import annotations

import pandas as pd
import pytest

from ml_sys.data.reading.folder import open_folder
from ml_sys.data.reading.rows import RawTable
from ml_sys.data.sources import FileSource
from ml_sys.errors import MissingColumnError, UnreadableFileError


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


def test_a_folder_that_holds_folders_alone_is_not_called_empty(tmp_path):
    (tmp_path / "day=2024-01-01").mkdir()
    (tmp_path / "day=2024-01-01" / "1.csv").write_text("id\na\n")
    with pytest.raises(UnreadableFileError, match="it has folders in it, and no files") as refused:
        FileSource().open("t", str(tmp_path), {"id": "id"})
    query = str(refused.value.hint).partition("query: ")[2].replace("*.parquet", "*.csv")
    assert ids_of(FileSource().open("t", query, {"id": "id"})) == ["a"]


def test_each_file_is_closed_when_the_next_is_begun(tmp_path):
    closed = []

    def opened(path, _columns, _may_lack):
        return RawTable(path.name, (), iter([lambda: path.name]), lambda: closed.append(path.name))

    for name in ("b", "a", ".hidden", "_log"):
        (tmp_path / name).touch()
    table = open_folder(tmp_path, {"id": "id"}, (), opened)
    assert [(part(), list(closed)) for part in table.parts] == [("a", []), ("b", ["a"])]
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
