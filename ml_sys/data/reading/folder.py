"""Read the files of a folder as parts of one table."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.data.reading.rows import Part, RawTable
from ml_sys.data.reading.sql import literal
from ml_sys.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from ml_sys.engine.places import Place


def open_folder(
    path: Place,
    columns: Mapping[str, str],
    may_lack: Collection[str],
    open_file: Callable[[Place, Mapping[str, str], Collection[str]], RawTable],
) -> RawTable:
    """Open a folder; its files are read in order of their names, without hidden ones.

    All files must have the columns of the first one. Lines are counted from the start of each file.

    Raises
    ------
    UnreadableFileError
        If it contains no files.
    """
    shown = sorted(one for one in path.iterdir() if not one.name.startswith((".", "_")))
    files = [one for one in shown if one.is_file()]
    if shown and not files:
        hint = "name one of them"
        if isinstance(path, Path):
            hint += f", or a query: FROM {literal(str(path / '**' / '*.parquet'))}"
        raise UnreadableFileError(path, "it has folders in it, and no files", hint=hint)
    if not files:
        raise UnreadableFileError(path, "the folder is empty", hint="name a file, or a folder with files")
    first = open_file(files[0], columns, may_lack)
    same = {field: column for field, column in columns.items() if field not in first.lacks}
    others = (open_file(one, same, ()) for one in files[1:])
    return RawTable(str(path), first.extra, _parts(chain([first], others)), first.close, first.lacks)


def _parts(tables: Iterator[RawTable]) -> Iterator[Part]:
    for table in tables:
        with closing(table):
            yield from table.parts
