"""Files with a JSON object on each line."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard

from ml_sys.data.reading.careful import NOT_TEXT
from ml_sys.data.reading.jsonlines import NOT_JSON, is_jsonlines, open_jsonlines
from ml_sys.errors import EmptyTableError, MissingColumnError

COLUMNS = {"id": "account id", "n": "n"}


def rows_of(path, columns=COLUMNS, **more):
    table = open_jsonlines(path, columns, **more)
    found, bad = [], []
    for part in table.parts:
        rows = part()
        texts = [rows.texts[field].to_pylist() for field in rows.texts]
        found += zip(rows.lines.tolist(), *texts, strict=True)
        bad += [(one.line, one.reason, one.raw) for one in rows.bad]
    return found, bad


def test_values_are_texts_as_a_csv_export_has_them_and_what_is_no_object_is_set_aside(tmp_path):
    lines = [
        json.dumps({"account id": 12, "n": 1.5, "more": [1]}),
        "",
        '{"account id": "a\\"b", "n": null}',
        "[1, 2]",
        '{"n": true}',
        '{"n": 7',
    ]
    (tmp_path / "a.jsonl").write_bytes("\n".join(lines).encode() + b"\n\x81\n")
    found, bad = rows_of(tmp_path / "a.jsonl")
    assert found == [(1, "12", "1.5"), (3, 'a"b', ""), (5, "", "true")]
    assert [one[:2] for one in bad] == [(4, NOT_JSON), (6, NOT_JSON), (7, NOT_TEXT)]
    assert bad[0][2] == "[1, 2]"


def test_compressed_lines_are_read_and_other_keys_are_named(tmp_path):
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"id": 1, "b": 2}\n{"a": 3}\n'))
    assert is_jsonlines(path)
    assert open_jsonlines(path, {"id": "id"}).extra == ("a", "b")
    assert rows_of(path, {"id": "id", "a": "a"}) == ([(1, "", "1"), (2, "3", "")], [])


def test_a_key_that_no_row_has_is_missing_unless_it_may_be(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n')
    with pytest.raises(MissingColumnError, match="column 'day' is missing"):
        open_jsonlines(path, {"id": "id", "at": "day"})
    assert open_jsonlines(path, {"id": "id", "at": "day"}, {"at"}).lacks == {"at"}
    path.write_text("\n\n")
    with pytest.raises(EmptyTableError):
        open_jsonlines(path, {"id": "id"})


@pytest.mark.parametrize("key", ["a.b", "a b", "$x", 'say "so"', "ключ", "n"])
def test_a_key_is_found_whatever_stands_in_it(tmp_path, key):
    (tmp_path / "a.jsonl").write_text(json.dumps({key: 7, "a": {"b": 1}}) + "\n", encoding="utf-8")
    assert rows_of(tmp_path / "a.jsonl", {"id": key}) == ([(1, "7")], [])


@pytest.mark.parametrize(("name", "is_it"), [("A.JSONL", True), ("a.NdJson.GZ", True), ("a.json", False)])
def test_a_name_promises_json_lines_whatever_its_case(tmp_path, name, is_it):
    assert is_jsonlines(tmp_path / name) == is_it


def test_a_value_alone_is_no_object_and_a_line_of_blanks_is_no_line(tmp_path):
    path = tmp_path / "a.ndjson.zst"
    lines = b'{"account id": 1}\n   \n7\n"x"\nnull\n\n{"account id": 2, "n": 3}\n'
    path.write_bytes(zstandard.compress(lines))
    assert is_jsonlines(path)
    found, bad = rows_of(path)
    assert found == [(1, "1", ""), (7, "2", "3")]
    assert [one[:2] for one in bad] == [(3, NOT_JSON), (4, NOT_JSON), (5, NOT_JSON)]


def test_a_row_is_told_by_its_own_line_whatever_lines_come_before_it(tmp_path):
    (tmp_path / "a.jsonl").write_text('\n[1]\n{"account id": 1, "n": 1}\n')
    (part,) = open_jsonlines(tmp_path / "a.jsonl", COLUMNS).parts
    assert part().raw(0) == '{"account id": 1, "n": 1}'
