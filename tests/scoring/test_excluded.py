from __future__ import annotations

import numpy as np
import pytest

from ml_sys.errors import InputError
from ml_sys.form import PLAIN_WORDS
from ml_sys.scoring.cooldown import EXCLUDED, PAID_SINCE
from ml_sys.scoring.excluded import groups_of_those_out, read_excluded, told_out
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


def test_who_is_excluded_and_has_paid_as_well_has_paid():
    names = ["a", "b", "c", "d"]
    assert groups_of_those_out(names, {"a", "b", "x"}, {"b", "c"}).tolist() == [
        EXCLUDED, PAID_SINCE, PAID_SINCE, ""
    ]  # fmt: skip
    assert groups_of_those_out(names, (), ()).tolist() == [""] * 4


def test_those_that_are_taken_out_are_told_by_why():
    told = told_out(np.array([EXCLUDED, PAID_SINCE, "", PAID_SINCE]), "2020-06-01", PLAIN_WORDS)
    assert told == [
        "1 company was taken out of the list by score.exclude",
        "2 companies became customers since 2020-06-01 and were taken out of the list",
    ]
    assert told_out(np.array([PAID_SINCE, ""]), "2020-06-01", PLAIN_WORDS) == [
        "1 company became a customer since 2020-06-01 and was taken out of the list"
    ]
    assert told_out(np.array(["", ""]), "2020-06-01", PLAIN_WORDS) == []
