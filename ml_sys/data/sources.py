"""Sources of tables: files, a database, or the user's own class."""

from __future__ import annotations

import re
from functools import partial
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_sys.data.reading import columnar
from ml_sys.data.reading.delimited import open_csv
from ml_sys.data.reading.folder import open_folder
from ml_sys.data.reading.jsonlines import is_jsonlines, open_jsonlines
from ml_sys.data.reading.rows import RawTable, TableSource
from ml_sys.data.reading.sql import literal, quoted
from ml_sys.data.reading.textfile import GZIP, PARQUET, ZIP, ZSTD, magic, reading
from ml_sys.data.schema import lacking, matched_columns
from ml_sys.engine.addresses import Address
from ml_sys.engine.places import place_of
from ml_sys.errors import InputError, MissingFileError, UnreadableFileError
from ml_sys.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from ml_sys.engine.places import Place

FILE, SQL = "file", "sql"
_TABLE_NAME = re.compile(r"[\w.]+")
_QUERY = re.compile(r"\s*(SELECT|FROM|WITH)\s", re.IGNORECASE)
_PROMISES = {".gz": GZIP, ".zst": ZSTD, ".parquet": PARQUET}


def open_source(kind: str, *, database: str = "") -> TableSource:
    """Return the source that ``ingest.source`` names.

    Parameters
    ----------
    kind : str
        ``file``, ``sql`` or ``package.module:Class``. Such a class is made without arguments and has either a
        method ``read(table) -> pandas.DataFrame`` or the method of `TableSource`.
    database : str
        For ``sql``: a DuckDB or SQLite file, a folder of Parquet files, or a PostgreSQL address.

    Raises
    ------
    MissingFileError
        If there is no such database.
    ResolveError, InputError
        If the class cannot be found or made.
    """
    if kind == FILE:
        return FileSource()
    if kind == SQL:
        return _open_database(database)
    return _own_source(kind)


def _open_database(database: str) -> TableSource:
    from ml_sys.data.reading.database import SQLITE, DatabaseSource, is_address  # few need SQLAlchemy here

    if is_address(database):
        return DatabaseSource.of_address(database)
    path = Path(database)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(SQLITE)) == SQLITE:
                return DatabaseSource.of_file(path)
    return SqlSource(path)


class FileSource:
    """CSV, JSON lines (plain, gzip or Zstandard) and Parquet files, and folders of them as one table.

    They are on this machine or at an address of storage, such as ``s3://bucket/folder``. The content of a
    file counts, not only its name. A file of storage that a source opens again has to be what it was before.

    A DuckDB query can be given instead of a file, for other kinds of file or to transform one, such as
    ``SELECT * FROM read_json_auto('events.jsonl')``.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def open(
        self, table: str, location: str, columns: Mapping[str, str], may_lack: Collection[str] = ()
    ) -> RawTable:
        """Open a file, or run a query over files; see `TableSource`."""
        if _QUERY.match(location):
            where = f"{table}: {' '.join(location.split())}"
            try:
                return _queried(duckdb.connect(), location.rstrip("; \n"), where, columns, may_lack)
            except duckdb.Error as error:
                hint = "try the query in DuckDB; paths are relative to this folder"
                raise InputError(f"{where}: {_first_line(error)}", hint=hint) from error
        path = self._places.setdefault(location, place_of(location))
        if path.is_dir():
            return open_folder(path, columns, may_lack, _open_file)
        if not path.exists():
            raise path.missing(table) if isinstance(path, Address) else MissingFileError(path, table)
        return _open_file(path, columns, may_lack)


def _open_file(path: Place, columns: Mapping[str, str], may_lack: Collection[str]) -> RawTable:
    """Open one file, by its content."""
    start = magic(path)
    promised = _PROMISES.get(path.suffix.lower())
    if promised and start and not start.startswith(promised):
        raise UnreadableFileError(path, f"its content does not match the ending {path.suffix}")
    if start == ZIP:
        raise UnreadableFileError(path, "it is a ZIP archive or a workbook", hint="export it as CSV")
    if is_jsonlines(path):
        return open_jsonlines(path, columns, may_lack)
    return (_open_parquet if start == PARQUET else open_csv)(path, columns, may_lack)


class SqlSource:
    """DuckDB tables and queries over a database file (opened read-only) or a folder of Parquet files.

    Parameters
    ----------
    database : Path
        The file or folder. In a folder each ``NAME.parquet`` is a table NAME; other files are ignored.
    """

    def __init__(self, database: Path) -> None:
        if not database.name:
            raise InputError(
                "ingest.database is empty",
                hint="name a DuckDB or SQLite file, a folder of Parquet files, or postgresql://…",
            )
        if not database.exists():
            raise MissingFileError(database, "database")
        self._database = database

    def open(
        self,
        table: str,  # noqa: ARG002 - protocol
        location: str,
        columns: Mapping[str, str],
        may_lack: Collection[str] = (),
    ) -> RawTable:
        """Run a query, or read a table by name; see `TableSource`."""
        where = f"{self._database}: {' '.join(location.split())}"
        hint = "name one of its tables, or write a query"
        try:
            connection, unreadable = self._connect()
            hint = "; ".join([hint, *(f"{name} cannot be read" for name in unreadable)])
            return _queried(connection, self._query(location), where, columns, may_lack)
        except duckdb.Error as error:
            raise InputError(f"{where}: {_first_line(error)}", hint=hint) from error

    def _connect(self) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
        """Open the database; for a folder, also return unreadable files."""
        if self._database.is_file():
            return duckdb.connect(str(self._database), read_only=True), []
        connection, unreadable = duckdb.connect(), []
        for path in self._files().values():
            try:
                connection.execute(f"CREATE VIEW {quoted(path.stem)} AS FROM {_parquet(path)}")
            except duckdb.Error:
                unreadable.append(path.name)
        return connection, unreadable

    def _query(self, location: str) -> str:
        """Return the query of a location: a file of the folder, a table, or a query unchanged."""
        if location in (files := self._files()):
            return f"FROM {_parquet(files[location])}"
        if _TABLE_NAME.fullmatch(location):
            return f"FROM {'.'.join(map(quoted, location.split('.')))}"
        return location.rstrip("; \n")

    def _files(self) -> dict[str, Path]:
        """Return the Parquet files of a folder by table name; empty for a database file."""
        return {path.stem: path for path in sorted(self._database.glob("*.parquet"))}


class FrameSource:
    """The user's own source: a function from a table's name to a data frame.

    Parameters
    ----------
    read : callable
        Takes a table's name in the description, returns a `pandas.DataFrame`.
    name : str
        For messages.
    """

    def __init__(self, read: Callable[[str], Any], name: str) -> None:
        self._read = read
        self._name = name

    def open(
        self,
        table: str,
        location: str,  # noqa: ARG002 - protocol
        columns: Mapping[str, str],
        may_lack: Collection[str] = (),
    ) -> RawTable:
        """Ask for the frame; see `TableSource`. The location is not used."""
        where = f"{self._name}: {table}"
        try:
            frame = self._read(table)
        except Exception as error:  # whatever the user's own code raises
            raise InputError(
                f"{where}: {type(error).__name__}: {error}", hint="fix the source's read()"
            ) from error
        if not isinstance(frame, pd.DataFrame):
            raise InputError(
                f"{where}: read() returned {type(frame).__name__}", hint="return a pandas.DataFrame"
            )
        present = [str(column) for column in frame.columns]
        found, extra = matched_columns(where, present, columns, may_lack)
        batch = pa.record_batch({column: _as_arrow(frame[column]) for column in found.values()})
        batches = pa.Table.from_batches([batch]).to_batches(columnar.BATCH_ROWS)
        parts = columnar.parts(where, batches, found)
        return RawTable(where, extra, parts, lacks=lacking(columns, found))


def _queried(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    where: str,
    columns: Mapping[str, str],
    may_lack: Collection[str],
) -> RawTable:
    """Run a query, selecting some of its columns."""
    present = [str(row[0]) for row in connection.execute(f"DESCRIBE {query}").fetchall()]
    found, extra = matched_columns(where, present, columns, may_lack)
    wanted = ", ".join(quoted(column) for column in dict.fromkeys(found.values()))
    chosen = f"SELECT {wanted} FROM ({query}\n)"  # noqa: S608 - the user's own query
    reader: Any = connection.sql(chosen).to_arrow_reader(columnar.BATCH_ROWS)
    parts = columnar.parts(where, _batches(where, reader), found)
    return RawTable(where, extra, parts, lacks=lacking(columns, found))


def _open_parquet(path: Place, columns: Mapping[str, str], may_lack: Collection[str]) -> RawTable:
    with reading(path):
        file = pq.ParquetFile(path if isinstance(path, Path) else path.native())
    found, extra = matched_columns(str(path), file.schema_arrow.names, columns, may_lack)

    def batches() -> Iterator[pa.RecordBatch]:
        with reading(path), file:
            yield from file.iter_batches(columnar.BATCH_ROWS, columns=list(dict.fromkeys(found.values())))
            if isinstance(path, Address):
                path.check()

    parts = columnar.parts(str(path), batches(), found)
    close = partial(file.close, force=True)
    return RawTable(str(path), extra, parts, close, lacking(columns, found), path)


def _batches(where: str, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (pa.ArrowException, duckdb.Error, OSError) as error:
        raise InputError(f"{where}: {_first_line(error)}") from error


def _own_source(path: str) -> TableSource:
    made = resolve(path)
    try:
        source: Any = made()
    except Exception as error:  # whatever the user's own code raises
        raise InputError(
            f"{path}: {type(error).__name__}: {error}", hint="the class must take no arguments"
        ) from error
    if callable(getattr(source, "read", None)):
        return FrameSource(source.read, path)
    if callable(getattr(source, "open", None)):
        own: TableSource = source
        return own
    raise InputError(f"{path}: has no method read(table)", hint="add one that returns a pandas.DataFrame")


def _as_arrow(values: pd.Series[Any]) -> Any:
    try:
        array: Any = pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types
        array = pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _parquet(path: Path) -> str:
    return f"read_parquet({literal(escape(str(path)))})"  # DuckDB takes [1] for a pattern


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
