"""Prospects and usage read from files for a list: as ingest reads them, in the order of the prospects."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_sys.data.coverage import Coverage
from ml_sys.data.reading.columnar import as_text
from ml_sys.data.schema import NEVER_BEGAN, NONCUSTOMERS, USAGE
from ml_sys.features.compute import FeatureSpec
from ml_sys.form import Noun
from ml_sys.scoring.prospects import ProspectTable, Ready, read_prospects
from ml_sys.scoring.usage_file import read_usage
from ml_sys.settings import SchemaSettings
from tests.data.described import VISITS
from tests.data.tables import COUNTS, HEADERS, usage_row

SCHEMA = SchemaSettings()
SPEC = FeatureSpec(windows_days=(7,), off=("users", "intensity", "trend", "breadth", "totals", "windows"))


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(np.int64))


def usage_file(folder: Path, *rows: str) -> Path:
    path = folder / "usage.csv"
    path.write_text("\n".join([HEADERS[USAGE], *rows, ""]))
    return path


def test_usage_is_of_the_prospects_in_their_order_and_a_stamp_within_a_day_is_of_the_next(
    tmp_path: Path,
) -> None:
    quiet = ("1", *COUNTS[1:])
    path = usage_file(
        tmp_path,
        usage_row("b", "2020-01-06 00:00:00.000001"),
        usage_row("a", "2020-01-13"),
        usage_row("b", "2020-01-06"),
        usage_row("stranger", "2020-01-13"),
        usage_row("a", "2020-01-13", quiet),
        usage_row("a", "yesterday"),
    )
    found = read_usage(path, SCHEMA, ["b", "a"], Coverage(min_coverage=0.0))
    assert found.company.tolist() == [0, 0, 1]
    assert found.stamp.tolist() == [day("2020-01-06"), day("2020-01-07"), day("2020-01-13")]
    assert found.values[:, 0].tolist() == [5, 5, 5]  # noqa: PD011 - no column of pandas
    assert found.strangers == 1
    assert sum(found.quarantine.rejected(USAGE).values()) == 2
    assert found.covered_until == day("2020-01-20")


@pytest.mark.parametrize(("not_after", "end"), [("2020-01-20", "2020-01-20"), ("2020-01-19", "2020-01-13")])
def test_usage_of_a_period_that_ends_after_the_clock_is_not_covered(
    tmp_path: Path, not_after: str, end: str
) -> None:
    path = usage_file(tmp_path, usage_row("a", "2020-01-06"), usage_row("other", "2020-01-13"))
    found = read_usage(path, SCHEMA, ["a"], Coverage(min_coverage=0.0), not_after=day(not_after))
    assert found.covered_until == day(end)


def test_rows_of_folders_are_told_with_their_file_and_what_is_passed_over_is_noted(tmp_path: Path) -> None:
    for name, header, rows in (
        ("usage", HEADERS[USAGE], (usage_row("a"), usage_row("a", "soon"))),
        ("prospects", "ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id", ("odd,,,a", "1,,,")),
    ):
        (tmp_path / name / "more").mkdir(parents=True)
        for file, row in zip(("1.csv", "more/2.csv"), rows, strict=True):
            (tmp_path / name / file).write_text(f"{header}\n{row}\n")
        (tmp_path / name / "3.csv").touch()
    used = read_usage(tmp_path / "usage", SCHEMA, ["a"], Coverage(min_coverage=0.0)).quarantine
    found = read_prospects(tmp_path / "prospects", SCHEMA, SPEC).quarantine
    for kept, name, table in ((used, "usage", USAGE), (found, "prospects", NONCUSTOMERS)):
        [row] = kept.to_table().to_pylist()
        assert (row["file"], row["line"]) == (str(tmp_path / name / "more" / "2.csv"), 2)
        assert list(kept.notes(table)) == [
            "1 of its 3 files are in folders below it",
            f"{tmp_path / name / '3.csv'}: skipped, as it is empty",
        ]
    [told] = found.told_blanked(NONCUSTOMERS, "prospects")
    assert told.endswith(f"in 1 row, first in line 2 of {tmp_path / 'prospects' / '1.csv'}; read as blank")


def test_prospects_keep_the_order_of_the_file_and_their_first_row(tmp_path: Path) -> None:
    path = tmp_path / "prospects.csv"
    path.write_text("ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id\n7,,RETAIL,b\n5,1,,a\n,2 to 5,RETAIL,b\n1,1,,\n")
    found = read_prospects(path, SCHEMA, SPEC)
    assert isinstance(found, ProspectTable)
    assert found.frame["id"].tolist() == ["b", "a"]
    assert found.frame["employee_range"].tolist() == ["2 to 5", "1"]
    assert found.frame["alexa_rank"].tolist() == [7, 5]
    assert found.read == 4


def test_a_file_of_ready_features_is_taken_as_it_is_and_a_repeated_id_once(tmp_path: Path) -> None:
    names = SPEC.names()
    texts = SPEC.categories()

    def row(company: str, number: str) -> str:
        return ",".join([company, *("retail" if name in texts else number for name in names)])

    path = tmp_path / "ready.csv"
    path.write_text(
        "\n".join([",".join(["id", *names]), row("b", "1"), row("a", ""), row("b", "2"), row("c", "x"), ""])
    )
    found = read_prospects(path, SCHEMA, SPEC)
    assert isinstance(found, Ready)
    assert found.rows.ids.to_pylist() == ["b", "a"]
    number = next(name for name in names if name not in texts)
    ((_, rows),) = found.rows.batches()
    np.testing.assert_array_equal(rows.column(number), [1, np.nan])
    assert found.read == 4
    assert list(found.quarantine.rejected("noncustomers").values()) == [1, 1]
    assert sorted(row["line"] for row in found.quarantine.to_table().to_pylist()) == [4, 5]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [0, -7, None, 2**53 + 1, -(2**63), 10**15]),
        (pa.uint64(), [2**64 - 1, 3, None]),
        (pa.float16(), [0.5, math.nan, 2.25]),
        (pa.float32(), [0.1, -0.0, math.nan, None, 3.4e38, 1e-45, math.inf]),
        (pa.float64(), [0.1, -1e-7, 1e300, math.nan, -math.inf, 123456789.123456789]),
        (pa.decimal128(9, 3), [Decimal("1.25"), None, Decimal("-3.5")]),
        (pa.bool_(), [True, None]),
        (pa.string(), ["1.5", "", "x", " 7 "]),
    ],
)
def test_ready_features_are_the_same_whether_they_lie_as_numbers_or_as_their_texts(
    tmp_path: Path, kind: pa.DataType, values: list[object]
) -> None:
    found = []
    typed = pa.array([np.float16(one) if kind == pa.float16() and one else one for one in values], kind)
    for column in (typed, as_text("file", "x", typed, is_id=False)):
        table = {name: pa.array(["retail"] * len(values)) for name in SPEC.categories()}
        table |= {name: column for name in SPEC.names() if name not in table}
        path = tmp_path / "ready.parquet"
        pq.write_table(pa.table({"id": [f"c{at}" for at in range(len(values))], **table}), path)
        with np.errstate(over="ignore"):  # beyond float32
            read = read_prospects(path, SCHEMA, SPEC)
        (rows,) = (batch for _, batch in read.rows.batches())
        plain = {
            name: np.asarray(rows.column(name)).tobytes() for name in table if name not in SPEC.categories()
        }
        found.append(
            (
                rows.column("id").to_pylist(),
                plain,
                read.quarantine.to_table().drop_columns("file").to_pylist(),
            )
        )
    assert found[0] == found[1]


def test_each_of_several_repeated_prospects_is_merged_in_the_place_of_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "prospects.csv"
    rows = ("5,1,,a", ",1,RETAIL,a", "7,,,c", "8,2 to 5,,b", "8,,FINANCE,b")
    path.write_text("\n".join(["ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id", *rows, ""]))
    found = read_prospects(path, SCHEMA, SPEC)
    assert isinstance(found, ProspectTable)
    assert found.frame["id"].tolist() == ["a", "c", "b"]
    assert found.frame["alexa_rank"].tolist() == [5, 7, 8]
    assert found.frame["industry"].fillna("").tolist() == ["RETAIL", "", "FINANCE"]


def test_prospects_are_read_by_the_description_with_since_and_attributes_of_any_table(tmp_path: Path) -> None:
    schema = SchemaSettings.model_validate(
        {
            "tables": {
                "paying": {"kind": "entities", "id": "key", "converted_on": "paid"},
                "trials": {"kind": "entities", "id": "name", "since": "born", "attributes": ["land"]},
                "seen": {"kind": "periods", "at": "at", "measures": {"visits": {"column": "n"}}},
            },
            "attributes": {
                "land": {"kind": "category", "missing": ["?"]},
                "demo": {"kind": "flag", "column": "is_demo"},
            },
        }
    )
    path = tmp_path / "list.csv"
    path.write_text("name,born,land,is_demo\nb,2024-03-01,?,yes\na,,DE,perhaps\n")
    found = read_prospects(path, schema, SPEC)
    assert isinstance(found, ProspectTable)
    assert found.frame["id"].tolist() == ["b", "a"]
    assert found.frame["since"].tolist() == [day("2024-03-01"), NEVER_BEGAN]
    assert found.frame["land"].isna().tolist() == [True, False]
    np.testing.assert_array_equal(found.frame["demo"], [1, np.nan])
    assert sum(found.quarantine.blanked("noncustomers").values()) == 1
    path.write_text("name,born,land\na,,DE\n")
    without = read_prospects(path, schema, SPEC)
    assert isinstance(without, ProspectTable)
    assert without.frame["demo"].isna().all()


def test_a_folder_of_files_is_one_file_and_an_id_that_is_in_two_of_them_is_merged(tmp_path: Path) -> None:
    folder = tmp_path / "prospects"
    folder.mkdir()
    header = "id,ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY\n"
    (folder / "1.csv").write_text(header + "b,7,,RETAIL\na,5,1,\n")
    ranges = ["1", "2 to 5", "1"]
    columns = {"id": ["c", "b", "a"], "ALEXA_RANK": [1, 7, 6], "EMPLOYEE_RANGE": ranges, "INDUSTRY": [""] * 3}
    pq.write_table(pa.table(columns), folder / "2.parquet")
    found = read_prospects(folder, SCHEMA, SPEC)
    assert isinstance(found, ProspectTable)
    assert found.frame["id"].tolist() == ["b", "c"]
    assert found.frame["employee_range"].tolist() == ["2 to 5", "1"]
    assert found.read == 5
    assert sum(found.quarantine.rejected("noncustomers").values()) == 2  # those of "a" contradict each other
    assert sum(found.quarantine.merged("noncustomers").values()) == 1


def test_what_is_wrong_with_a_file_is_said_in_the_model_s_words_and_by_its_columns(tmp_path: Path) -> None:
    words = replace(SPEC.form.words, entity=Noun("account", "accounts"))
    path = tmp_path / "prospects.csv"
    rows = ("7,1,,a", "8,1,,a", "9,1,,a", "9,,,b", "9,,,b", "5,,,c")
    path.write_text("\n".join(["ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id", *rows, ""]))
    found = read_prospects(path, SCHEMA, replace(SPEC, form=replace(SPEC.form, words=words)))
    assert found.quarantine.rejected("noncustomers") == {"conflicting account rows": 3}
    assert found.quarantine.merged("noncustomers") == {"duplicate account, merged": 1}
    assert set(found.frame) == {"id", *(one.name for one in SCHEMA.form().attributes)}
    names = SPEC.names()
    numbers = [name for name in names if name not in SPEC.categories()]
    table = [{"id": one} | dict.fromkeys(names, "1") for one in ("a", "b", "c", "")]
    table[1][numbers[1]] = table[2][numbers[0]] = table[2][numbers[1]] = "x"
    ready = tmp_path / "ready.csv"
    pd.DataFrame(table).to_csv(ready, index=False)
    told = read_prospects(ready, SCHEMA, SPEC).quarantine.to_table().to_pylist()
    assert {(row["line"], row["reason"]) for row in told} == {
        (3, f"{numbers[1]} is not a number"),
        (4, f"{numbers[0]} is not a number"),
        (5, "id is blank"),
    }


def test_attributes_that_a_file_lacks_are_blank_whatever_their_kind(tmp_path: Path) -> None:
    kinds = {
        "floors": {"kind": "number"},
        "open": {"kind": "flag"},
        "size": {"kind": "range"},
        "grade": {"kind": "ordered", "levels": ["low", "high"]},
    }
    tables = {"teams": {"kind": "entities", "id": "id", "converted_on": "paid"}, "seen": VISITS}
    schema = SchemaSettings.model_validate({"tables": tables, "attributes": kinds})
    (tmp_path / "p.csv").write_text("id,more\na,1\nb,2\n")
    frame = read_prospects(tmp_path / "p.csv", schema, SPEC).frame
    assert set(frame) == {"id", *kinds}
    assert frame[list(kinds)].isna().all(axis=None)
    assert [frame[name].dtype.kind for name in ("floors", "open")] == ["f", "f"]
