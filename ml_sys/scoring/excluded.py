"""Reads which companies are taken out of a list, such as competitors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.checking.values import ids
from ml_sys.data.fields import id_column
from ml_sys.data.sources import FileSource

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.settings import SchemaSettings


def read_excluded(path: Path, schema: SchemaSettings) -> frozenset[str]:
    """Return the ids of a file; a blank one is passed over, and a file without any row takes nobody out.

    Parameters
    ----------
    path : Path
        CSV (plain, .gz, .zst) or Parquet with the id column of the tables.

    Raises
    ------
    InputError
        If the file is missing, unreadable or lacks the column.
    """
    opened = FileSource().open("exclude", str(path), {"id": id_column(schema)})
    found: set[str] = set()
    for part in opened.parts:
        found.update(ids(part().texts["id"]).values.to_pylist())
    opened.close()
    return frozenset(found - {""})
