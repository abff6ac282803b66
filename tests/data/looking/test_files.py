"""Which files are parts of one table, and how all of them are named."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ml_sys.data.looking.files import files_of, parts_together, paths_sql


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


def test_files_are_named_one_by_one_where_a_pattern_takes_in_others(tmp_path: Path) -> None:
    tables(tmp_path, "log_1.csv", "log_2.csv", "log_of_users.csv")
    one, other = tmp_path / "log_1.csv", tmp_path / "log_2.csv"
    assert paths_sql([one, other]) == f"['{one}', '{other}']"
