"""Lists that were remembered as files: what was written is found again, what was damaged is named."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.durable import TEMPORARY_PREFIX
from ml_sys.errors import InputError
from ml_sys.scoring.ranking import write_csv
from ml_sys.scoring.remembered import (
    COLUMNS,
    Remembered,
    RememberedListError,
    companies_of,
    forget,
    lists_of,
)

EPOCH = np.datetime64(0, "D")


def day(text):
    return int((np.datetime64(text) - EPOCH).astype(int))


def listed(ids, cutoff):
    return pd.DataFrame(
        {
            "rank": range(1, len(ids) + 1),
            "id": np.array(ids, dtype=object),
            "probability": 0.25,
            "tier": "A",
            "will_convert": True,
            "model_version": "1.0.0",
            "cutoff": cutoff,
        }
    )


def remember(folder, table, cutoff):
    """Write a list as `score` did before there was a store."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{cutoff}.csv"
    with path.open("wb") as sink:
        write_csv(lambda: iter([table[list(COLUMNS)]]), sink)
    return path


def remembered(folder):
    """The companies of each list of a folder, by day."""
    return {found: [one.company for one in companies_of(path)] for found, path in lists_of(folder)}


@pytest.fixture
def folder(tmp_path):
    """Three lists, a week apart."""
    for cutoff, ids in (("2020-01-05", "ab"), ("2020-01-12", "bc"), ("2020-01-19", "cd")):
        remember(tmp_path / "lists", listed(list(ids), cutoff), cutoff)
    return tmp_path / "lists"


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_list_of_the_surest_probabilities_is_a_list(tmp_path, probability):
    path = remember(tmp_path, listed(["a"], "2020-01-05").assign(probability=probability), "2020-01-05")
    assert companies_of(path) == [Remembered("a", 1, probability, "A", "1.0.0")]


def test_lists_come_by_day(folder):
    assert remembered(folder) == {
        day("2020-01-05"): ["a", "b"], day("2020-01-12"): ["b", "c"], day("2020-01-19"): ["c", "d"]
    }  # fmt: skip


def test_without_a_folder_or_with_what_a_killed_writer_left_there_is_no_list(tmp_path):
    assert lists_of(tmp_path / "none") == []
    (tmp_path / f"{TEMPORARY_PREFIX}0123").write_text("ra")
    assert lists_of(tmp_path) == []


@given(st.lists(st.text(min_size=1).filter(str.strip), unique=True, max_size=8))
def test_any_id_is_found_again(tmp_path_factory, ids):
    ids = [one for one in ids if one.isprintable() or set(one) <= set("a\r\n,\"'=")]
    folder = tmp_path_factory.mktemp("any")
    remember(folder, listed(ids, "2020-01-05"), "2020-01-05")
    assert remembered(folder) == {day("2020-01-05"): ids}


def test_an_id_that_a_spreadsheet_would_run_is_escaped_and_found_again(tmp_path):
    ids = ["=1+1", "@x", "-5", 'a,"b"', "c\rd", "e\nf"]
    path = remember(tmp_path, listed(ids, "2020-01-05"), "2020-01-05")
    assert "'=1+1" in path.read_text()
    assert remembered(tmp_path) == {day("2020-01-05"): ids}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rank,id", "rank,company", "row 1: the columns are not rank, id, probability"),
        ("2,c,", "1,c,", "row 3, column 'rank': '1'"),
        ("1,b,", "1, ,", "row 2, column 'id': ' '"),
        ("c,0.25", "c,1.25", "row 3, column 'probability': '1.25'"),
        ("c,0.25", "c,nan", "row 3, column 'probability': 'nan'"),
        ("c,0.25", "c,high", "row 3, column 'probability': 'high'"),
        ("A,1.0.0", "D,1.0.0", "row 2, column 'tier': 'D'"),
        ("A,1.0.0", "A,", "row 2, column 'model_version': ''"),
        ("2020-01-12\n2", "2020-01-11\n2", "row 2, column 'cutoff': '2020-01-11'"),
        ("2,c,0.25", "2,c", "row 3: 5 cells instead of 6"),
        ("1,b,", '1,"b,', "cannot be read: unexpected end of data"),
    ],
)
def test_a_damaged_list_is_named_with_row_and_column(folder, old, new, told):
    path = folder / "2020-01-12.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(RememberedListError) as caught:
        remembered(folder)
    assert caught.value.message.startswith(f"{path}: {told}")
    assert "move it away" in caught.value.hint
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"PAR1"])
def test_a_file_that_is_no_list_is_named(folder, content):
    (folder / "2020-01-12.csv").write_bytes(content)
    with pytest.raises(RememberedListError, match=r"2020-01-12\.csv"):
        remembered(folder)


@pytest.mark.parametrize("name", ["notes.txt", "2020-01-12 (copy).csv", "2020-02-30.csv", "12.csv"])
def test_a_foreign_file_is_named(folder, name):
    (folder / name).write_text(",".join(COLUMNS))
    with pytest.raises(RememberedListError, match="is not a list: its name should be a date"):
        remembered(folder)


IDS = ["=1+1", "'=1+1", "a;b", "c\rd", "e\nf", 'g,"h"', "-5", "株式会社", "plain", "'quoted", "\x1b[2J", " x"]


@pytest.mark.parametrize("forgotten", IDS)
def test_a_company_of_any_id_is_taken_out_and_the_others_keep_their_ranks(tmp_path, forgotten):
    path = remember(tmp_path, listed(IDS, "2020-01-05"), "2020-01-05")
    before = path.read_bytes()
    assert forget(path, forgotten, dry_run=True) == 1
    assert forget(path, "no such company") == 0
    assert path.read_bytes() == before
    assert forget(path, forgotten) == 1
    assert forget(path, forgotten) == 0
    assert remembered(tmp_path) == {day("2020-01-05"): [one for one in IDS if one != forgotten]}
    ranks = [int(row["rank"]) for row in csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))]
    assert ranks == [rank for rank, one in enumerate(IDS, start=1) if one != forgotten]


def test_a_list_without_any_company_left_is_still_a_list(tmp_path):
    path = remember(tmp_path, listed(["a"], "2020-01-05"), "2020-01-05")
    assert forget(path, "a") == 1
    assert remembered(tmp_path) == {day("2020-01-05"): []}


def test_lists_come_by_day_however_the_folder_holds_them(tmp_path):
    days = [f"20{year:02}-0{month}-01" for year in (21, 9, 30, 15) for month in (9, 2, 5)]
    for text in days:
        (tmp_path / f"{text}.csv").touch()
    assert [(found, path.stem) for found, path in lists_of(tmp_path)] == [
        (day(text), text) for text in sorted(days)
    ]


def test_every_row_of_a_company_is_forgotten_and_counted(tmp_path):
    path = remember(tmp_path / "lists", listed(["a", "=b", "a", "=b", "=b"], "2020-06-01"), "2020-06-01")
    assert forget(path, "=b", dry_run=True) == 3
    assert [one.rank for one in companies_of(path)] == [1, 2, 3, 4, 5]
    assert forget(path, "=b") == 3
    assert [(one.rank, one.company) for one in companies_of(path)] == [(1, "a"), (3, "a")]
    assert forget(path, "=b") == 0


def test_ranks_rise_from_row_to_row_and_a_file_under_another_name_is_no_list(tmp_path):
    path = remember(tmp_path, listed(["a", "b", "c"], "2020-02-03").assign(rank=[1, 3, 2]), "2020-02-03")
    with pytest.raises(RememberedListError, match=r"row 4, column 'rank': '2' is not valid"):
        companies_of(path)
    (tmp_path / "_2020-02-03.csv").write_text("")
    with pytest.raises(RememberedListError, match="is not a list: its name should be a date"):
        lists_of(tmp_path)


def test_what_is_left_once_a_company_is_forgotten_is_quoted_as_it_needs(tmp_path):
    path = remember(tmp_path, listed(["a;b", "c"], "2020-02-03"), "2020-02-03")
    assert forget(path, "a;b") == 1
    assert '"' not in path.read_text()
    assert [one.company for one in companies_of(path)] == ["c"]
