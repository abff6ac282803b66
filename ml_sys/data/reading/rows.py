"""Raw rows: text columns with line numbers, whatever the source.

Every kind of source produces these types, so that files, databases and frames share one validation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ml_sys.engine.places import Place

RAW_LIMIT = 2000  # characters of a row that the quarantine keeps
_LINE_BITS = 40


@dataclass(frozen=True)
class BadRow:
    """A rejected row.

    Attributes
    ----------
    line : int
        Line of the file (the header is line 1), or row of the table, from 1.
    raw : str
        The row as it is, up to `RAW_LIMIT` characters.
    """

    line: int
    reason: str
    raw: str


class FileLines:
    """The files that are read as one table, and which of them a line is in.

    Lines of the n-th file, from 0, are numbered from n × 2^40 on, so those of the first keep their numbers.
    """

    def __init__(self) -> None:
        self._names: list[str] = []

    def begin(self, name: str) -> int:
        """Add a file, and return what its lines are numbered from."""
        self._names.append(name)
        return (len(self._names) - 1) << _LINE_BITS

    def of(self, line: int) -> tuple[str, int]:
        """Return the file of a line, and its number there.

        Examples
        --------
        >>> lines = FileLines()
        >>> before = [lines.begin(name) for name in ("jan.csv", "feb.csv")]
        >>> lines.of(7), lines.of(before[1] + 7)
        (('jan.csv', 7), ('feb.csv', 7))
        """
        return self._names[line >> _LINE_BITS], line & ((1 << _LINE_BITS) - 1)


# The file or table that rows come from; or the files, for lines that they number.
Where: TypeAlias = str | FileLines


class TypedTexts(Mapping[str, Any]):
    """Columns of typed values as texts, each made at its first use.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array
        The values by field.
    as_text : callable
        Takes a field and its values, returns their texts.
    """

    def __init__(self, columns: Mapping[str, Any], as_text: Callable[[str, Any], Any]) -> None:
        self.columns = columns
        self._as_text = as_text
        self._made: dict[str, Any] = {}

    def __getitem__(self, field: str) -> Any:
        if field not in self._made:
            self._made[field] = self._as_text(field, self.columns[field])
        return self._made[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def slice(self, start: int, n_rows: int) -> TypedTexts:
        """Return some rows."""
        some = {field: values.slice(start, n_rows) for field, values in self.columns.items()}
        return TypedTexts(some, self._as_text)


@dataclass(frozen=True)
class RawRows:
    """A batch of n rows.

    Attributes
    ----------
    texts : mapping of str to pyarrow.StringArray of length n
        One per field; a blank is "".
    lines : ndarray of shape (n,), int64
        As in `BadRow`.
    raw : callable
        Takes a position in the batch, returns the row as it is, up to `RAW_LIMIT` characters.
    bad : sequence of BadRow
        Rejected rows, which are not counted among the n.
    counts : mapping of str to ndarray of shape (n,), int32
        Fields that were read directly as whole numbers from 0; they are not among the texts.
    """

    texts: Mapping[str, pa.StringArray]
    lines: NDArray[np.int64]
    raw: Callable[[int], str]
    bad: Sequence[BadRow] = ()
    counts: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    def pieces(self, n_rows: int) -> Iterator[RawRows]:
        """Cut the batch into pieces (at least one), to save memory."""
        for start in range(0, max(len(self.lines), 1), n_rows):
            yield RawRows(
                self.texts.slice(start, n_rows)
                if isinstance(self.texts, TypedTexts)
                else {name: column.slice(start, n_rows) for name, column in self.texts.items()},
                self.lines[start : start + n_rows],
                partial(_from, self.raw, start),
                () if start else self.bad,
                {name: column[start : start + n_rows] for name, column in self.counts.items()},
            )


def _from(raw: Callable[[int], str], start: int, at: int) -> str:
    return raw(start + at)


Part = Callable[[], RawRows]


@runtime_checkable
class CountedPart(Protocol):
    """A part of a text file whose counts can be read without making texts of them."""

    def __call__(self) -> RawRows:
        """Read all fields as texts."""
        ...

    def counted(self, fields: Collection[str]) -> RawRows:
        """Read some fields as numbers if all values are whole numbers from 0, else as texts."""
        ...


@dataclass(frozen=True)
class RawTable:
    """An opened table with checked columns.

    Attributes
    ----------
    where : str
        File, table or class it comes from, for messages and the quarantine.
    extra : tuple of str
        Ignored columns.
    parts : iterator of callables
        Each reads a batch when called; they may be called in any order and from several threads.
    close : callable
        Closes the file; parts already returned can still be called.
    lacks : frozenset of str
        Optional fields that are missing.
    parquet : Path or Address or None
        The file, if it is a Parquet file.
    files : FileLines or None
        The files, if they are those of a folder.
    notes : list of str
        What was passed over; complete once all parts are read.
    """

    where: str
    extra: tuple[str, ...]
    parts: Iterator[Part]
    close: Callable[[], None] = lambda: None
    lacks: frozenset[str] = frozenset()
    parquet: Place | None = None
    files: FileLines | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def place(self) -> Where:
        """Where its lines are."""
        return self.files or self.where

    def at(self, line: int) -> tuple[str, int]:
        """Return the file or table of a line, and its number there."""
        return self.files.of(line) if self.files else (self.where, line)


class TableSource(Protocol):
    """Where tables come from."""

    def open(
        self, table: str, location: str, columns: Mapping[str, str], may_lack: Collection[str] = ()
    ) -> RawTable:
        """Open a table.

        Parameters
        ----------
        table : str
            Its name in the description.
        location : str
            From the settings: a file, a table or a query.
        columns : mapping of str to str
            Field to column.
        may_lack : collection of str
            Fields whose column may be missing.

        Raises
        ------
        InputError
            If it is missing, unreadable, or lacks a column.
        """
        ...
