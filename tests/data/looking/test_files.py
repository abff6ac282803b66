"""Which files are parts of one table, and how all of them are named."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_sys.data.looking.files import (
    common_folder,
    encoding_of,
    files_of,
    is_whole_folder,
    kind_of,
    parts_together,
    paths_sql,
)
from ml_sys.errors import EmptyTableError, InputError, UnreadableFileError


def tables(folder: Path, *names: str) -> list[list[str]]:
    """Return the names of the files that are put together."""
    for name in names:
        (folder / name).write_text("id,at\n1,2024-01-01\n")
    with duckdb.connect() as connection:
        found, _ = files_of([str(folder)])
        return [[path.name for path in paths] for paths in parts_together(connection, found)]


@pytest.mark.parametrize(
    "names",
    [
        ["events_2023_01.csv", "events_2023_02.csv"],
        ["events_april.csv", "events_may.csv", "events_march.csv"],
        ["Apr-2024.csv", "May-2024.csv"],
        ["2024 September usage.csv", "2024 Oct usage.csv"],
        ["log1.csv", "log2.csv"],
    ],
)
def test_files_of_numbers_and_months_are_parts_of_one_table(names: list[str], tmp_path: Path) -> None:
    assert tables(tmp_path, *names) == [sorted(names)]


def test_names_that_hold_the_letters_of_a_month_are_tables_of_their_own(tmp_path: Path) -> None:
    names = ["decisions.csv", "jance.csv", "marketing.csv", "mayors.csv", "ors.csv"]
    assert tables(tmp_path, *names) == [[one] for one in names]


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["events_2023_11.csv", "events_2023_12.csv"], "events_2023_*.csv"),
        (["events_march.csv", "events_may.csv"], "events_*.csv"),
        (["log1.csv", "log2.csv"], "log*.csv"),
    ],
)
def test_a_pattern_takes_in_the_file_of_the_next_month(
    names: list[str], pattern: str, tmp_path: Path
) -> None:
    tables(tmp_path, *names, "users.csv")
    assert paths_sql([tmp_path / one for one in names]) == f"'{tmp_path}/{pattern}'"


def test_a_name_that_is_a_pattern_of_others_names_one_file_and_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "may[1]"
    folder.mkdir()
    tables(folder, "log[1].csv", "log1.csv")
    with duckdb.connect() as connection:
        for names in (["log[1].csv"], ["log[1].csv", "log1.csv"]):
            paths = [folder / one for one in names]
            found = connection.execute(f"FROM read_csv({paths_sql(paths)}, filename = true)")
            assert {str(row[-1]) for row in found.fetchall()} == set(map(str, paths))


def test_files_are_named_one_by_one_where_a_pattern_takes_in_others(tmp_path: Path) -> None:
    tables(tmp_path, "log_1.csv", "log_2.csv", "log_of_users.csv")
    one, other = tmp_path / "log_1.csv", tmp_path / "log_2.csv"
    assert paths_sql([one, other]) == f"['{one}', '{other}']"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"), ("a.TSV", "csv"), ("a.txt.gz", "csv"), ("a.jsonl.zst", "json"),
        ("a.json.gz", "json"), ("a.pq", "parquet"), ("a.gz", ""), ("a.md", ""), ("a.xlsx.gz", ""),
        ("csv", ""),
    ],
)  # fmt: skip
def test_a_file_is_of_the_kind_that_its_name_says_below_what_it_is_packed_in(name: str, kind: str) -> None:
    assert kind_of(Path(name)) == kind


def test_a_file_that_is_named_twice_or_beside_its_folder_is_one(tmp_path: Path) -> None:
    tables(tmp_path, "users.csv", "log.csv")
    found, _ = files_of([str(tmp_path / "users.csv"), str(tmp_path), str(tmp_path / "users.csv")])
    assert [one.name for one in found] == ["users.csv", "log.csv"]


def test_parts_are_of_one_folder_and_ending_whatever_the_case_of_their_names(tmp_path: Path) -> None:
    assert tables(tmp_path, "Log-1.csv", "log_2.csv", "log_3.txt") == [
        ["Log-1.csv", "log_2.csv"], ["log_3.txt"]
    ]  # fmt: skip
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "log_1.csv").write_text("id,at\n1,2024-01-01\n")
    with duckdb.connect() as connection:
        found, _ = files_of([str(tmp_path / "a"), str(tmp_path / "b")])
        assert len(parts_together(connection, found)) == 2


def test_parquet_files_of_one_folder_are_one_table_only_where_they_are_called_alike(tmp_path: Path) -> None:
    def written(*names: str) -> list[list[str]]:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            pq.write_table(pa.table({"id": ["a"]}), tmp_path / name)
        with duckdb.connect() as connection:
            found, _ = files_of([str(tmp_path)])
            return [
                [str(one.relative_to(tmp_path)) for one in paths]
                for paths in parts_together(connection, found)
            ]

    partitions = "log/day=1/a.parquet", "log/day=2/b.parquet"
    assert written("users.parquet", "teams.parquet", *partitions) == [
        list(partitions), ["teams.parquet"], ["users.parquet"]
    ]  # fmt: skip


def test_a_folder_is_whole_where_nothing_else_lies_in_it(tmp_path: Path) -> None:
    tables(tmp_path, "log_1.csv", "log_2.csv", "_SUCCESS")
    both = [tmp_path / "log_1.csv", tmp_path / "log_2.csv"]
    assert is_whole_folder(both)
    assert not is_whole_folder(both[:1])
    (tmp_path / "log_3.csv").touch()
    assert is_whole_folder(both)
    (tmp_path / "notes.md").write_text("what is here")
    assert not is_whole_folder(both)


def test_a_folder_is_whole_with_all_that_is_below_it_unless_names_of_folders_hold_values(
    tmp_path: Path,
) -> None:
    names = "log/1.csv", "log/old/2.csv", "days/day=1/1.csv", "days/day=2/1.csv"
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("id,at\n1,2024-01-01\n")
    first, below, *days = (tmp_path / name for name in names)
    assert is_whole_folder([first, below])
    assert not is_whole_folder([first])
    assert not is_whole_folder(days)


def test_an_empty_file_of_a_folder_is_skipped_and_the_others_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "log_0.csv").touch()
    assert tables(tmp_path, "log_1.csv", "log_2.csv") == [["log_1.csv", "log_2.csv"]]
    _, notes = files_of([str(tmp_path)])
    assert notes == [f"{tmp_path / 'log_0.csv'}: skipped, as it is empty"]
    for name in ("log_1.csv", "log_2.csv"):
        (tmp_path / name).write_text("")
    with pytest.raises(EmptyTableError, match=f"^{tmp_path}: has no rows"):
        files_of([str(tmp_path)])


def test_the_folder_of_files_is_the_nearest_that_holds_them_all() -> None:
    a, b, c = Path("/x/y/a.csv"), Path("/x/y/z/b.csv"), Path("/x/yy/c.csv")
    assert common_folder([a]) == common_folder([a, b]) == common_folder([b, a]) == Path("/x/y")
    assert common_folder([b]) == Path("/x/y/z")
    assert common_folder([a, b, c]) == Path("/x")


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("id;stadt\n1;Köln\n2;Łódź\n", "utf-8", ""),
        ("id;stadt\n1;Köln\n2;São Paulo\n", "latin-1", "latin-1"),
        ("id,stadt\n1,Köln\n", "utf-16", "utf-16"),
        ("顧客,都道府県\n1,東京都\n", "shift-jis", None),
        ("用户,城市\n1,北京\n", "gb2312", None),  # all of its bytes are letters of Latin-1
        ("клиент,город\n1,Москва\n", "cp1251", None),
    ],
)
def test_letters_of_another_alphabet_in_an_old_encoding_are_never_read_as_latin_ones(
    text: str, encoding: str, found: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "one.csv"
    path.write_bytes(text.encode(encoding))
    if found is None:
        with pytest.raises(UnreadableFileError, match="neither in UTF-8 nor in Latin-1") as caught:
            encoding_of(path)
        assert caught.value.hint == "save it as CSV in UTF-8"
    else:
        assert encoding_of(path) == found


def test_workbooks_are_named_with_what_to_do(tmp_path: Path) -> None:
    book = tmp_path / "users.XLSX"
    book.write_bytes(b"PK")
    todo = "save each of its sheets as a CSV file in UTF-8"
    for named in (book, tmp_path):
        with pytest.raises((UnreadableFileError, InputError)) as caught:
            files_of([str(named)])
        assert caught.value.hint.endswith(todo)
    (tmp_path / "events.csv").write_text("id\n1\n", encoding="utf-8")
    assert files_of([str(tmp_path)])[1] == [f"{book}: skipped, as workbooks are not read: {todo}"]
