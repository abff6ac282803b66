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
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    with pytest.raises(InputError, match=r"list\.xlsx: 8 rows do not fit on a sheet"):
        write_table(table, tmp_path / "list.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_ends_in_xlsx_asks_for_a_workbook(table, tmp_path):
    write_table(table, tmp_path / "list.xlsx")
    assert zipfile.is_zipfile(tmp_path / "list.xlsx")
