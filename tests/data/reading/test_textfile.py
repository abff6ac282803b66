"""Blocks of whole lines: their numbers, and the longest line that is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.data.reading import textfile
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.reading.textfile import LINE_LIMIT, LINE_TOO_LONG, Block, block_of, blocks, open_text
from ml_sys.errors import UnreadableFileError


def pieces(path: Path, content: bytes) -> list[Block | BadRow]:
    path.write_bytes(content)
    return list(blocks(path, open_text(path)))


def told(found: list[Block | BadRow]) -> list[tuple[int, bytes]]:
    """The number and the text of each line; of one that is too long its first byte."""
    lines: list[tuple[int, bytes]] = []
    for one in found:
        if isinstance(one, BadRow):
            assert one.reason == LINE_TOO_LONG
            lines.append((-one.line, one.raw[:1].encode()))
        else:
            lines += [(one.first_line + at, one.line(at)) for at in range(len(one.ends))]
    return lines


@pytest.mark.parametrize("size", [4, 7, 1 << 20])
def test_every_line_has_its_number_whatever_the_size_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(textfile, "BLOCK_BYTES", size)
    found = told(pieces(tmp_path / "t.csv", b"one\n\nthree\nlast"))
    assert found == [(1, b"one"), (2, b""), (3, b"three"), (4, b"last")]


def test_a_line_is_found_by_its_place_in_a_block() -> None:
    block = block_of(b"a\nbc\n\nd\n", 7)
    assert (block.first_line, block.ends.tolist()) == (7, [1, 4, 5, 7])
    assert [block.line(at) for at in range(4)] == [b"a", b"bc", b"", b"d"]


@pytest.mark.parametrize("before", [b"", b"a\nb\n"])
def test_a_line_of_exactly_the_limit_is_one_and_a_byte_more_is_too_long(
    tmp_path: Path, before: bytes
) -> None:
    n = before.count(b"\n")
    first = [(1, b"a"), (2, b"b")][:n]
    whole = told(pieces(tmp_path / "t.csv", before + b"x" * LINE_LIMIT + b"\nlast\n"))
    assert whole == [*first, (n + 1, b"x" * LINE_LIMIT), (n + 2, b"last")]
    longer = told(pieces(tmp_path / "t.csv", before + b"x" * (LINE_LIMIT + 1) + b"\nlast\n"))
    assert longer == [*first, (-(n + 1), b"x"), (n + 2, b"last")]


def test_lines_between_and_after_long_ones_keep_their_numbers(tmp_path: Path) -> None:
    long = [letter * (LINE_LIMIT + 5) for letter in (b"x", b"y", b"z")]
    content = b"\n".join([long[0], b"two", b"three", long[1], long[2], b"six", b"seven"])
    assert told(pieces(tmp_path / "t.csv", content)) == [
        (-1, b"x"),
        (2, b"two"),
        (3, b"three"),
        (-4, b"y"),
        (-5, b"z"),
        (6, b"six"),
        (7, b"seven"),
    ]


def test_what_is_shown_of_a_long_line_is_cut(tmp_path: Path) -> None:
    (bad,) = pieces(tmp_path / "t.csv", "é".encode() * LINE_LIMIT)
    assert isinstance(bad, BadRow)
    assert bad.raw == "é" * 2000


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_mark_at_the_beginning_tells_how_a_text_is_written(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    found = told(pieces(tmp_path / "t.csv", f"{mark}id\n\u00e9\n".encode(encoding)))
    assert found == [(1, b"id"), (2, "\u00e9".encode())]


def test_a_file_that_only_begins_like_a_compressed_one_or_ends_within_a_letter_is_named(
    tmp_path: Path,
) -> None:
    for content, why in (
        (b"\x1f\x8bnothing of the kind", "compression method"),
        ("id".encode("utf-16") + b"x", "byte order mark says"),
    ):
        with pytest.raises(UnreadableFileError, match=why) as caught:
            pieces(tmp_path / "t.csv", content)
        assert "t.csv" in str(caught.value)
