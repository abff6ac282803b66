"""A list as a workbook: texts stay texts, and it can be worked from at once."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from ml_sys.errors import InputError
from ml_sys.scoring import workbook
from ml_sys.scoring.ranking import write_table
from ml_sys.scoring.workbook import write_workbook

IDS = ["=1+1", "007", "https://evil.example", "@x", "a\x07b", "株式会社", "<b>&", "x" * 40_000]


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "rank": range(1, len(IDS) + 1),
            "id": np.array(IDS, dtype=object),
            "probability": [0.25, np.nan, *[0.5] * (len(IDS) - 2)],
            "will_convert": True,
            "reason_1": "raises: =SUM(A1)",
        }
    )


def parts(content):
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.testzip() is None
        return {name: book.read(name).decode() for name in book.namelist()}


def written(table, path="list.xlsx"):
    target = io.BytesIO()
    write_workbook(table, target, path)
    return target.getvalue()


def test_no_text_is_a_formula_or_a_link_and_ids_keep_their_zeros(table):
    sheet = parts(written(table))["xl/worksheets/sheet1.xml"]
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert ">=1+1</t>" in sheet
    assert ">007</t>" in sheet
    assert "&lt;b&gt;&amp;" in sheet
    assert len(re.search(r">(x+)</t>", sheet)[1]) == 32_767


def test_the_head_is_fixed_columns_are_filtered_and_probabilities_are_percentages(table):
    found = parts(written(table))
    sheet = found["xl/worksheets/sheet1.xml"]
    assert 'state="frozen"' in sheet
    assert f'<autoFilter ref="A1:E{len(IDS) + 1}"/>' in sheet
    assert "<v>0.25</v>" in sheet
    assert "nan" not in sheet.lower().replace("nanum", "")
    assert 'formatCode="0.00%"' in found["xl/styles.xml"]
    assert ">will convert</t>" in sheet


def test_the_same_table_gives_the_same_bytes(table):
    assert written(table) == written(table)


def test_a_table_that_is_too_long_is_refused_and_nothing_is_written(table, tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", len(IDS) - 1)
    with pytest.raises(InputError, match=r"list\.xlsx: 8 rows do not fit on a sheet"):
        write_table(table, tmp_path / "list.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_ends_in_xlsx_asks_for_a_workbook(table, tmp_path):
    write_table(table, tmp_path / "list.xlsx")
    assert zipfile.is_zipfile(tmp_path / "list.xlsx")


def test_a_sheet_holds_what_excel_does():
    assert (workbook.MOST_ROWS, workbook._MOST_TEXT) == (2**20 - 1, 2**15 - 1)


def test_a_table_of_exactly_the_most_rows_fits(table, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", len(IDS))
    assert len(written(table)) > 0


def test_a_workbook_cell_by_cell():
    table = pd.DataFrame(
        {
            "rank": [1, 2],
            "id": np.array(["a", "a name that is 30 letters long"], dtype=object),
            "probability": [0.123456, 0.5],
            "will_convert": [True, False],
            "inclusion_probability": [0.5, np.inf],
            "reason_1": np.array(["r" * 100, None], dtype=object),
        }
    )
    found = parts(written(table))
    sheet = found["xl/worksheets/sheet1.xml"]
    cells = dict(re.findall(r'<c r="([A-Z]+[0-9]+)"[^>]*>(?:<is><t[^>]*>|<v>)([^<]*)', sheet))
    head = ["rank", "id", "probability", "will convert", "inclusion probability", "reason 1"]
    assert [cells[f"{letter}1"] for letter in "ABCDEF"] == head
    assert [cells.get(f"{letter}2") for letter in "ABCDEF"] == ["1", "a", "0.123456", "yes", "0.5", "r" * 100]
    assert [cells.get(f"{letter}3") for letter in "ABCDEF"] == ["2", table["id"][1], "0.5", "no", None, None]
    assert '<pane xSplit="2" ySplit="1" topLeftCell="C2"' in sheet
    assert [int(float(width)) for width in re.findall(r'<col [^>]*width="([0-9.]+)"', sheet)] == [
        8, 30, 14, 15, 24, 60,
    ]  # fmt: skip
    # Formats: 1 the head's, 2 percentages, 3 wrapped texts.
    styles = dict(re.findall(r'<col min="([0-9])"[^>]*?(?: style="([0-9])")', sheet))
    assert styles == {"3": "2", "5": "2", "6": "3"}
    assert 'wrapText="1"' in found["xl/styles.xml"]
    assert 'vertical="top"' in found["xl/styles.xml"]
    assert '<sheet name="list"' in found["xl/workbook.xml"]
    assert "2020-01-01T00:00:00Z" in found["docProps/core.xml"]
    assert found["xl/styles.xml"].count("<b/>") == 1
    assert "FFD9E1F2" in found["xl/styles.xml"]
    assert '<bottom style="thin">' in found["xl/styles.xml"]


def test_without_ids_the_head_alone_is_fixed_and_widths_are_of_the_first_rows():
    table = pd.DataFrame({"note": np.array(["x"] * 200 + ["y" * 50], dtype=object)})
    sheet = parts(written(table))["xl/worksheets/sheet1.xml"]
    assert '<pane ySplit="1" topLeftCell="A2"' in sheet
    assert [int(float(width)) for width in re.findall(r'<col [^>]*width="([0-9.]+)"', sheet)] == [8]
    wider = pd.DataFrame({"note": np.array(["x"] * 199 + ["y" * 50], dtype=object)})
    assert 'width="50.' in parts(written(wider))["xl/worksheets/sheet1.xml"]
    assert "<sheetData>" in parts(written(table.head(0)))["xl/worksheets/sheet1.xml"]
