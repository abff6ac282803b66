from __future__ import annotations

import pytest

from ml_sys.errors import InputError
from ml_sys.scoring.excluded import read_excluded
from ml_sys.settings import SchemaSettings


def test_the_ids_of_a_file_are_read_whatever_else_it_holds(tmp_path):
    (tmp_path / "deals.csv").write_text("owner,id\nAnn, 7 \nBob,\nEve,株式会社\n")
    assert read_excluded(tmp_path / "deals.csv", SchemaSettings()) == {"7", "株式会社"}


def test_a_file_without_rows_takes_nobody_out(tmp_path):
    (tmp_path / "none.csv").write_text("id\n")
    assert read_excluded(tmp_path / "none.csv", SchemaSettings()) == frozenset()


def test_a_file_that_is_missing_or_has_no_ids_is_named(tmp_path):
    (tmp_path / "deals.csv").write_text("company\n7\n")
    for name in ("deals.csv", "missing.csv"):
        with pytest.raises(InputError, match=name):
            read_excluded(tmp_path / name, SchemaSettings())


def test_all_files_of_a_folder_take_out_by_the_id_that_the_tables_have(tmp_path):
    folder = tmp_path / "deals"
    folder.mkdir()
    for name, one in (("a", "x"), ("b", "y")):
        (folder / f"{name}.csv").write_text(f"id,team\n1,{one}\n")
    teams = {"kind": "entities", "id": "team", "converted_on": "paid"}
    visits = {"kind": "periods", "id": "team", "at": "day", "measures": {"visits": {"column": "visits"}}}
    schema = SchemaSettings.model_validate({"tables": {"teams": teams, "seen": visits}, "attributes": {}})
    assert read_excluded(folder, schema) == {"x", "y"}
