"""Write a description of tables, and tell what is in it."""

from __future__ import annotations

from pathlib import Path

from ml_sys.data.proposing.answers import Answers
from ml_sys.jobs.data.init import describe_files
from tests.data.proposing.folders import renamed, tables_of, with_column, world, write


def test_attributes_of_another_alphabet_are_told_with_their_columns(tmp_path: Path) -> None:
    made = world(300)
    users = with_column(renamed(made.users, country="国家"), "size", lambda row: row["user_id"] % 7)
    folder = write(tmp_path / "files", {**tables_of(made), "users": users})
    told = describe_files([str(folder)], tmp_path / "mlsys.toml", Answers())
    assert told.attributes == ("attribute_56fd_5bb6 (国家)", "size")
    assert 'label = "国家"' in told.out.read_text(encoding="utf-8")
