"""Take companies out of a list: those named in a file, such as competitors, and those that have paid."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.values import ids
from ml_sys.data.fields import id_column
from ml_sys.data.sources import FileSource
from ml_sys.scoring.cooldown import EXCLUDED, PAID_SINCE
from ml_sys.text import with_article

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from ml_sys.engine.places import Place
    from ml_sys.form import Words
    from ml_sys.settings import SchemaSettings

_log = logging.getLogger(__name__)


def read_excluded(path: Place, schema: SchemaSettings) -> frozenset[str]:
    """Return the ids in a file, without blanks; a file without rows takes nobody out.

    Parameters
    ----------
    path : Path or Address
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
    for note in opened.notes:
        _log.warning("exclude: %s", note)
    return frozenset(found - {""})


def groups_of_those_out(
    names: Any, excluded: Collection[str], paid_since: Collection[str]
) -> NDArray[np.object_]:
    """Return why each id is taken out, ``PAID_SINCE`` or ``EXCLUDED``; empty if it is not.

    Examples
    --------
    >>> groups_of_those_out(["a", "b", "c"], {"a", "b"}, {"b"}).tolist()
    ['excluded', 'paid since', '']
    """
    group, texts = np.full(len(names), "", dtype=object), pa.array(names, pa.string())
    for named, why in ((excluded, EXCLUDED), (paid_since, PAID_SINCE)):
        if named:
            group[pc.is_in(texts, pa.array(named, pa.string())).to_numpy(zero_copy_only=False)] = why
    return group


def told_out(group: NDArray[np.object_], cutoff: str, words: Words) -> list[str]:
    """Say how many companies are taken out, and why."""
    notes, excluded, paid = [], int((group == EXCLUDED).sum()), int((group == PAID_SINCE).sum())
    if excluded:
        were = words.entity.counted(excluded, "was", "were")
        notes.append(f"{were} taken out of the list by score.exclude")
    if paid:
        became = words.entity.counted(
            paid, f"became {with_article(words.customer.one)}", f"became {words.customer.many}"
        )
        since = "was taken out of the list" if paid == 1 else "were taken out of the list"
        notes.append(f"{became} since {cutoff} and {since}")
    return notes
