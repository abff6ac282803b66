"""Read the files in and below a folder as parts of one table.

Invariant: every file is read, or noted as passed over, but for those whose names begin with a dot or an
underscore.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from glob import escape
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.data.reading.rows import CountedPart, FileLines, RawTable
from ml_sys.data.reading.sql import literal
from ml_sys.data.reading.textfile import reading
from ml_sys.errors import EmptyTableError, MissingColumnError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from ml_sys.data.reading.rows import Part, RawRows
    from ml_sys.engine.places import Place

    Opener = Callable[[Place, Mapping[str, str], Collection[str]], RawTable]
    # The names that lead from a folder to a file in or below it, and the file.
    Found = tuple[tuple[str, ...], Place]

_HIDDEN = (".", "_")
_DELTA_LOG = "_delta_log"


def open_folder(
    path: Place, columns: Mapping[str, str], may_lack: Collection[str], open_file: Opener
) -> RawTable:
    """Open a folder; the files in and below it are read in order of their names, without hidden ones.

    Empty files are passed over. The others must have the columns of the first one. What is passed over, and
    columns that only later files have, are noted. Lines are counted from the start of each file.

    Raises
    ------
    UnreadableFileError
        If it contains no files.
    EmptyTableError
        If all of them are empty.
    """
    found = _found(path)
    if not found:
        raise UnreadableFileError(path, "the folder is empty", hint="name a file, or a folder with files")
    folder, files = _Folder(open_file, _told_folders(found)), iter(found)
    first = next(folder.opened(files, columns, may_lack), None)
    if first is None:
        raise EmptyTableError(path)
    same = {field: column for field, column in columns.items() if field not in first.lacks}
    parts = folder.parts(first, folder.opened(files, same, ()), set(same.values()))
    return RawTable(
        str(path), first.extra, parts, first.close, first.lacks, files=folder.lines, notes=folder.notes
    )


def files_below(path: Place) -> list[Place]:
    """Return the files in and below a folder in order of their names, without hidden ones.

    Raises
    ------
    UnreadableFileError
        If it cannot be listed, has a link in it that leads nowhere or back up, or is a table of Delta Lake,
        of which not every file counts.
    """
    return [file for _, file in _found(path)]


def _found(path: Place) -> list[Found]:
    with reading(path):
        listed = list(_walked(path) if isinstance(path, Path) else path.files_below())
    if any(_DELTA_LOG in names for names, _ in listed):
        raise UnreadableFileError(
            path,
            "it is a table of Delta Lake, and its log says which of its files count",
            hint=f"name a query: FROM delta_scan({literal(str(path))})",
        )
    return sorted(one for one in listed if not any(name.startswith(_HIDDEN) for name in one[0]))


def _walked(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Found]:
    """Yield what is in and below a folder, without what is in hidden ones."""
    for one in folder.iterdir():
        names = (*above, one.name)
        if one.name.startswith(_HIDDEN) or one.is_file():
            yield names, one
        elif not one.is_dir():
            raise UnreadableFileError(
                one, "it is neither a file nor a folder, or a link that leads nowhere", hint="remove it"
            )
        elif one.is_symlink() and folder.resolve().is_relative_to(one.resolve()):
            raise UnreadableFileError(one, "it is a link to a folder that it lies in", hint="remove it")
        else:
            yield from _walked(one, names)


def _told_folders(found: Sequence[Found]) -> list[str]:
    """Note which files of a table are in folders below it, unless all are, and what these are called for."""
    named = {name.partition("=")[0] for names, _ in found for name in names[:-1] if "=" in name}
    deeper = sum(len(names) > 1 for names, _ in found)
    notes = [f"ignored {name!r}, which only names of folders have" for name in sorted(named)]
    if 0 < deeper < len(found):
        notes.append(f"{deeper:,} of its {len(found):,} files are in folders below it")
    return notes


@dataclass(frozen=True)
class _Folder:
    """A folder that is being read: its files, and what is noted on them."""

    open_file: Opener
    notes: list[str]
    lines: FileLines = field(default_factory=FileLines)

    def opened(
        self, files: Iterator[Found], columns: Mapping[str, str], may_lack: Collection[str]
    ) -> Iterator[RawTable]:
        """Open one file after the other, without empty ones."""
        for names, file in files:
            try:
                table = self.open_file(file, columns, may_lack)
            except EmptyTableError:
                self.notes.append(f"{file}: skipped, as it is empty")
                continue
            except MissingColumnError as error:
                raise _as_partitioned(error, names, file) from error
            yield table

    def parts(self, first: RawTable, others: Iterator[RawTable], known: set[str]) -> Iterator[Part]:
        """Yield the parts of all files; each is closed before the next one is opened."""
        known.update(first.extra)
        for table in chain([first], others):
            for column in sorted({*table.extra} - known):
                known.add(column)
                self.notes.append(f"{table.where}: ignored {column!r}, which {first.where} does not have")
            before = self.lines.begin(table.where)
            with closing(table):
                for part in table.parts:
                    yield _Numbered(part, before) if before else part


def _as_partitioned(error: MissingColumnError, names: Sequence[str], file: Place) -> MissingColumnError:
    """Say that names of folders have the column that a file lacks, if they do."""
    if all(name.partition("=")[0] != error.column or "=" not in name for name in names[:-1]):
        return error
    hint = f"write the values into the files: only the names of folders have {error.column!r}"
    if isinstance(file, Path):
        folder = file.parents[len(names) - 1]
        query = f"FROM {literal(str(Path(escape(str(folder))) / '**' / f'*{file.suffix}'))}"
        hint = f"names of folders have its values; name a query, which reads them: {query}"
    return MissingColumnError(str(file), error.column, (), hint=hint)


@dataclass(frozen=True)
class _Numbered:
    """A part of a file that is not the first one; see `FileLines`."""

    part: Part
    before: int

    def __call__(self) -> RawRows:
        return self._numbered(self.part())

    def counted(self, fields: Collection[str]) -> RawRows:
        """See :class:`ml_sys.data.reading.rows.CountedPart`."""
        part = self.part
        return self._numbered(part.counted(fields) if isinstance(part, CountedPart) else part())

    def _numbered(self, rows: RawRows) -> RawRows:
        bad = [replace(one, line=self.before + one.line) for one in rows.bad]
        return replace(rows, lines=self.before + rows.lines, bad=bad)
