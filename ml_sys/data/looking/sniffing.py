"""Open files of unknown form and load a bounded part of each into DuckDB, every value as text.

Invariant: a blank is NULL, and text is stripped; the meaning of columns is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from glob import escape
from typing import TYPE_CHECKING, Any

import duckdb

from ml_sys.data.looking.files import (
    A_PART,
    AS_UTF8,
    common_folder,
    encoding_of,
    files_of,
    is_whole_folder,
    kind_of,
    parts_together,
    paths_sql,
)
from ml_sys.data.looking.headers import above_header, is_header, named_twice, without_names
from ml_sys.data.looking.names import table_name
from ml_sys.data.reading.sql import literal, quoted
from ml_sys.errors import EmptyTableError, UnreadableFileError
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ml_sys.data.reading.preamble import Preamble

# Rows to judge each table by: enough for shares, and only seconds for any file.
MOST_ROWS = 1_000_000
_PLAIN_DELIMITERS = {",", ";", "\t"}
# Name of the row numbers that pandas writes to Parquet; in CSV they usually have no name.
_INDEX = {"__index_level_0__", "Unnamed: 0"}


@dataclass(frozen=True)
class Sniffed:
    """A table that was looked at.

    Attributes
    ----------
    name : str
        Made from the file's name.
    location : str
        The file as named by the user; for several files, their common part.
    relation : str
        SQL that reads all of it.
    view : str
        SQL name of the loaded rows.
    columns : mapping of str to str
        Name of each column, and SQL of its value in the relation.
    rows : int
        Number of loaded rows.
    is_plain : bool
        Whether mlsys can read the file as it is, without a query.
    has_header : bool
    is_duckdb : bool
        Whether a query of the table may be written in DuckDB's SQL.
    notes : tuple of str
        Remarks for the user, such as that only a part was looked at.
    """

    name: str
    location: str
    relation: str
    view: str
    columns: Mapping[str, str]
    rows: int = 0
    is_plain: bool = True
    has_header: bool = True
    is_duckdb: bool = True
    notes: tuple[str, ...] = field(default=())


def sniff(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    *,
    most_rows: int = MOST_ROWS,
    prefix: str = "looked_at_",
    as_one: bool = False,
) -> tuple[list[Sniffed], list[str]]:
    """Load the tables in files and folders.

    Parameters
    ----------
    as_one : bool
        Whether all files are parts of one table.

    Returns
    -------
    tables : list of Sniffed
        In the given order, with distinct names.
    notes : list of str
        Files in folders that are not tables.

    Raises
    ------
    MissingFileError, UnreadableFileError, EmptyTableError
        If a named file is not a table.
    """
    found, notes = files_of(files)
    tables: list[Sniffed] = []
    for at, paths in enumerate([found] if as_one else parts_together(connection, found)):
        try:
            table = load(connection, _opened(connection, paths), f"{prefix}{at}", most_rows)
        except EmptyTableError:
            if len(found) == 1 or any(str(path) in files for path in paths):
                raise
            notes.append(f"{paths[0]}: skipped, as it has no rows")
            continue
        except duckdb.Error as error:
            said, hint = str(error).partition("\n")[0], "expected CSV, JSON lines or Parquet"
            if "not latin-1 encoded" in said:
                said, hint = "it is encoded in Windows-1252", AS_UTF8
            if "Error when sniffing" in said:
                said = "its lines do not share one format"
                hint = (
                    "check its first lines in an editor: line ends, unclosed quotes, notes above the header"
                )
            raise UnreadableFileError(paths[0], said, hint=hint) from error
        taken = {one.name for one in tables}
        name = table.name
        while name in taken:
            name += "_more"
        tables.append(replace(table, name=name))
    if not tables:
        raise EmptyTableError(found[0])
    return tables, notes


def _opened(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> Sniffed:
    """Work out how to read a table, and its columns."""
    first = paths[0]
    stem = first.name.partition(".")[0]
    location = str(first)
    is_one = len(paths) == 1 or is_whole_folder(paths)
    if len(paths) > 1:
        folder = common_folder(paths)
        stem = A_PART.sub("", stem).strip("-_. ") or folder.name
        location = str(folder) if is_one else f"{folder} ({len(paths)} files)"
    name = table_name(stem)
    where = paths_sql(paths)
    if kind_of(first) == "csv":
        return _opened_csv(connection, Sniffed(name, location, where, "", {}, is_plain=is_one), first)
    reader = "read_parquet" if kind_of(first) == "parquet" else "read_json_auto"
    relation = f"{reader}({where})"
    is_lines = kind_of(first) == "json" and not first.name.endswith((".json", ".json.gz", ".json.zst"))
    if kind_of(first) == "json" and not is_lines:
        relation = _records(connection, relation, paths)
    read = connection.sql(f"FROM {relation} LIMIT 0")
    columns, lists = flattened(read)
    notes = tuple(f"{column} is left out, as it holds lists" for column in lists)
    is_flat = not lists and set(columns) == set(read.columns) - _INDEX
    plain = is_one and is_flat and (is_lines or kind_of(first) == "parquet")
    return Sniffed(name, location, relation, "", columns, is_plain=plain, notes=notes)


def _records(connection: duckdb.DuckDBPyConnection, relation: str, paths: Sequence[Path]) -> str:
    """Return SQL of the records of JSON files; of one object, the records in its one list."""
    try:
        read = connection.sql(f"FROM {relation} LIMIT 0")
    except duckdb.InvalidInputException as error:
        if "maximum_object_size" not in str(error):
            raise
        most = max(path.stat().st_size for path in paths)  # the file is one object
        relation = f"{relation[:-1]}, maximum_object_size = {most})"
        read = connection.sql(f"FROM {relation} LIMIT 0")
    inside = [
        name
        for name, kind in zip(read.columns, read.types, strict=True)
        if kind.id == "list" and kind.child.id == "struct"
    ]
    few = f"SELECT count(*) FROM (FROM {relation} LIMIT {len(paths) + 1})"
    if len(inside) != 1 or connection.sql(few).fetchall()[0][0] > len(paths):
        return relation
    return f"(SELECT unnest({quoted(inside[0])}, max_depth := 2) FROM {relation})"


def flattened(read: duckdb.DuckDBPyRelation) -> tuple[dict[str, str], list[str]]:
    """Return the columns of a relation, including nested ones, with the SQL of each, and its lists."""
    columns: dict[str, str] = {}
    lists: list[str] = []
    for column, kind in zip(read.columns, read.types, strict=True):
        _flatten(quoted(column), column, kind, columns, lists)
    return columns, lists


def _flatten(sql: str, name: str, kind: Any, columns: dict[str, str], lists: list[str]) -> None:
    """Make columns of the fields of nested records."""
    if kind.id == "struct":
        for child, below in kind.children:
            _flatten(f"{sql}.{quoted(child)}", f"{name}_{child}", below, columns, lists)
    elif kind.id in {"list", "map", "array", "union"}:
        lists.append(name)
    elif name not in _INDEX:
        columns[name] = sql


def _opened_csv(connection: duckdb.DuckDBPyConnection, made: Sniffed, first: Path) -> Sniffed:
    if first.stat().st_size == 0:
        raise EmptyTableError(first)
    above = above_header(first)
    sniffed, encoding = _sniffed_csv(connection, first, above)
    delimiter, skip = str(sniffed["Delimiter"]), int(sniffed["SkipRows"])
    options = f", delim = {literal(delimiter)}, all_varchar = true" + encoding
    options += f", skip = {skip}" if skip else ""
    rows = connection.execute(
        f"FROM read_csv({literal(escape(str(first)))}{options}, header = false, null_padding = true, "
        "parallel = false) LIMIT 1"  # a quoted line break is not read in parallel
    ).fetchall()
    if not rows:
        raise EmptyTableError(first)
    last = without_names(connection, f"read_csv({literal(escape(str(first)))}{options}", rows[0], first)
    rows = [rows[0][:last]]
    says = bool(sniffed["HasHeader"])
    has_types = any(one["type"] != "VARCHAR" for one in sniffed["Columns"])
    has_header = is_header(rows[0], says=says, sure=says and has_types)
    relation = f"read_csv({made.relation}{options}, header = {str(has_header).lower()})"
    columns = connection.sql(f"FROM {relation} LIMIT 0").columns[:last]
    named = columns if has_header else [f"column{at}" for at in range(1, len(columns) + 1)]
    twice = named_twice(rows[0]) if has_header else frozenset()
    trimmed = has_header and any(one and one != one.strip() for one in rows[0])  # DuckDB calls them so
    plain = made.is_plain and has_header and skip == above.lines and delimiter in _PLAIN_DELIMITERS
    plain = plain and not trimmed
    return replace(
        made,
        relation=relation,
        columns={
            name: quoted(column)
            for at, (name, column) in enumerate(zip(named, columns, strict=True))
            if not (has_header and (name in _INDEX or at in twice or (at == 0 and not rows[0][0])))
        },
        is_plain=plain,
        has_header=has_header,
        notes=_notes(rows[0], twice, above, has_header=has_header),
    )


def _notes(
    names: Sequence[Any], twice: frozenset[int], above: Preamble, *, has_header: bool
) -> tuple[str, ...]:
    passed = above.lines - bool(above.delimiter)
    notes = [f"{counted(passed, 'line')} above its header skipped"] if passed else []
    if not has_header:
        return (*notes, "it has no header, so its columns are called column1, column2, ...")
    called = dict.fromkeys(str(names[at]).strip() for at in sorted(twice))
    return (*notes, *(f"several columns are called {one}, so none of them is read" for one in called))


def _sniffed_csv(
    connection: duckdb.DuckDBPyConnection, path: Path, above: Preamble
) -> tuple[dict[str, Any], str]:
    """Return the result of DuckDB's sniffer, and the option for an encoding other than UTF-8."""
    name = encoding_of(path)
    encoding = f", encoding = {literal(name)}" if name else ""
    known = f", skip = {above.lines}" if above.lines else ""
    known += f", delim = {literal(above.delimiter)}" if above.delimiter else ""
    options = f"sample_size = 20000, ignore_errors = true, comment = ''{known}{encoding}"
    asked = connection.execute(f"FROM sniff_csv({literal(escape(str(path)))}, {options})")
    values = asked.fetchone()
    names = [one[0] for one in asked.description or ()]
    return dict(zip(names, values or (), strict=True)), encoding


def queried(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> Sniffed:
    """Return the table that a query selects."""
    bare = query.rstrip("; \n")
    relation = f"({bare}\n)"
    columns = connection.sql(f"FROM {relation} LIMIT 0").columns
    return Sniffed(name, " ".join(query.split()), relation, "", {one: quoted(one) for one in columns})


def load(connection: duckdb.DuckDBPyConnection, table: Sniffed, view: str, most_rows: int) -> Sniffed:
    """Load the first rows of a table as text into a view."""
    chosen = ", ".join(
        f"NULLIF(TRIM(CAST({sql} AS VARCHAR)), '') AS {quoted(name)}" for name, sql in table.columns.items()
    )
    careless = table.relation
    if careless.startswith("read_csv("):  # bad lines go to quarantine when the table is ingested
        careless = careless[:-1] + ", ignore_errors = true)"
    connection.execute(f"CREATE TEMP TABLE {view} AS SELECT {chosen} FROM {careless} LIMIT {most_rows}")
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {view}").fetchall()
    if rows == 0:
        raise EmptyTableError(table.location)
    more = (f"only its first {rows:,} rows were looked at",) if rows == most_rows else ()
    return replace(table, view=view, rows=rows, notes=(*table.notes, *more))
