"""Read files with a JSON object on each line, compressed or not; DuckDB extracts the values.

Invariant: every line is one row, quarantined once, or blank.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from ml_sys.data.reading.careful import NOT_TEXT, collect, decode, shown
from ml_sys.data.reading.rows import BadRow, Part, RawRows, RawTable
from ml_sys.data.reading.textfile import Block, blocks, open_text
from ml_sys.data.schema import lacking, matched_columns
from ml_sys.errors import EmptyTableError, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from ml_sys.engine.places import Place

ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst")
NOT_JSON = "not a JSON object"
# Types are asked only of valid JSON.
_IS_OBJECT = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"


def open_jsonlines(path: Place, columns: Mapping[str, str], may_lack: Collection[str] = ()) -> RawTable:
    """Open a file of JSON lines, and check the keys of its first block.

    Parameters
    ----------
    columns : mapping of str to str
        Field to key. A row without the key has a blank.
    may_lack : collection of str
        Fields whose key may be missing.

    Raises
    ------
    EmptyTableError
        If there is no line.
    UnreadableFileError, MissingColumnError
        If the file is damaged, or no row of the first block has a key.
    """
    pieces = blocks(path, open_text(path))
    try:
        first = next((piece for piece in pieces if not isinstance(piece, Block) or piece.data.strip()), None)
        if first is None:
            raise EmptyTableError(path)
        present = _keys(first) if isinstance(first, Block) else list(columns.values())
        found, extra = matched_columns(str(path), present, columns, may_lack)
    except InputError:
        pieces.close()
        raise
    parts = (_part(piece, found) for piece in chain([first], pieces))
    return RawTable(str(path), extra, parts, pieces.close, lacking(columns, found))


def _part(piece: Block | BadRow, keys: Mapping[str, str]) -> Part:
    if isinstance(piece, BadRow):
        return lambda: collect({field: [] for field in keys}, [], [], [piece])
    return _Part(piece, keys)


@dataclass(frozen=True)
class _Part:
    block: Block
    keys: Mapping[str, str]

    def __call__(self) -> RawRows:
        """Extract the values from a block of lines."""
        first, raw = self.block.first_line, self.block.data.split(b"\n")[:-1]
        texts = [decode(line) for line in raw]
        at = [i for i, text in enumerate(texts) if text is None or text.strip()]
        objects, values = _values([texts[i] for i in at], list(self.keys.values()))
        bad = [
            BadRow(first + i, NOT_TEXT if texts[i] is None else NOT_JSON, shown(raw[i]))
            for i, is_one in zip(at, objects.tolist(), strict=True)
            if not is_one
        ]
        kept = np.flatnonzero(objects)
        places = np.array(at, np.int64)[kept]
        columns = {field: values[i].take(kept) for i, field in enumerate(self.keys)}
        return RawRows(columns, places + first, lambda i: shown(raw[int(places[i])]), bad)


def _values(texts: list[str | None], keys: list[str]) -> tuple[NDArray[np.bool_], list[Any]]:
    """Return a mask of texts that are objects, and the value of each key as text; blank if missing."""
    lines = pa.table([pa.array(texts, pa.string()), pa.array(range(len(texts)))], names=["line", "place"])
    taken = ", ".join(["coalesce(json_extract_string(line, ?), '')"] * len(keys))
    query = (
        f"WITH valid AS (SELECT place, CASE WHEN {_IS_OBJECT} THEN line END AS line FROM lines) "  # noqa: S608 - ours
        f"SELECT line IS NOT NULL, {taken} FROM valid ORDER BY place"
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("lines", lines)
        found: Any = connection.sql(query, params=[_path(key) for key in keys]).to_arrow_table()
    flat = [one if isinstance(one, pa.Array) else one.chunk(0) for one in map(_whole, found.itercolumns())]
    return flat[0].to_numpy(zero_copy_only=False), [one.cast(pa.string()) for one in flat[1:]]


def _whole(column: Any) -> Any:
    return column.combine_chunks()


def _keys(block: Block) -> list[str]:
    texts = [decode(line) for line in block.data.split(b"\n")[:-1]]
    lines = pa.table({"line": pa.array([one for one in texts if one], pa.string())})
    query = f"SELECT DISTINCT unnest(json_keys(line)) FROM lines WHERE {_IS_OBJECT}"  # noqa: S608 - ours
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("lines", lines)
        return sorted(str(row[0]) for row in connection.execute(query).fetchall())


def _path(key: str) -> str:
    return '$."' + key.replace('"', '\\"') + '"'


def is_jsonlines(path: Place) -> bool:
    """Return whether a file's name is that of JSON lines."""
    return path.name.lower().endswith(ENDINGS)
