from __future__ import annotations

import numpy as np
import pyarrow as pa

from ml_sys.data.reading.rows import BadRow, RawRows, TypedTexts

BAD = BadRow(9, "wrong number of fields", "x")


def test_pieces_have_the_rows_in_order_each_with_its_line_and_text_and_the_bad_ones_once():
    rows = RawRows({"id": pa.array(list("abcde"))}, np.arange(2, 7), lambda at: f"row {at}", [BAD])
    pieces = list(rows.pieces(2))
    assert [piece.texts["id"].to_pylist() for piece in pieces] == [["a", "b"], ["c", "d"], ["e"]]
    assert [piece.lines.tolist() for piece in pieces] == [[2, 3], [4, 5], [6]]
    assert [piece.raw(0) for piece in pieces] == ["row 0", "row 2", "row 4"]
    assert [list(piece.bad) for piece in pieces] == [[BAD], [], []]


def test_a_batch_of_bad_rows_alone_is_one_piece():
    rows = RawRows({"id": pa.array([], pa.string())}, np.arange(0), str, [BAD])
    (piece,) = rows.pieces(2)
    assert list(piece.bad) == [BAD]


def test_typed_columns_become_texts_when_they_are_asked_for_whole_or_a_part_of_them():
    asked = []

    def as_text(field, values):
        asked.append(field)
        return values.cast(pa.string())

    texts = TypedTexts({"id": pa.array([1, 2, 3]), "n": pa.array([0.5, 1.5, 2.5])}, as_text)
    first, last = RawRows(texts, np.arange(2, 5), lambda at: texts["n"][at].as_py()).pieces(2)
    assert asked == []
    assert [first.texts["id"].to_pylist(), last.texts["id"].to_pylist()] == [["1", "2"], ["3"]]
    assert first.texts["id"] is first.texts["id"]
    assert (list(last.texts), len(last.texts), last.raw(0)) == (["id", "n"], 2, "2.5")
    assert asked == ["id", "id", "n"]
