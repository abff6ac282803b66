"""Find the files that are tables: named ones, those in folders, and those that are parts of one table."""

from __future__ import annotations

import codecs
import re
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ml_sys.data.looking.headers import above_header
from ml_sys.data.looking.names import MONTHS
from ml_sys.data.reading.folder import files_below
from ml_sys.data.reading.sql import literal
from ml_sys.errors import EmptyTableError, InputError, UnreadableFileError, nearest
from ml_sys.settings.base import is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CSV, _JSON, _PARQUET = (".csv", ".tsv", ".txt"), (".json", ".jsonl", ".ndjson"), (".parquet", ".pq")
PACKED = (".gz", ".zst")
AS_UTF8 = "save it as CSV in UTF-8"
_EXPECTED = "expected CSV, JSON lines or Parquet"
_BEGINNING = 1 << 20
_MOST_IN_RUNS = 0.5
_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_SAVE_SHEETS = "save each of its sheets as a CSV file in UTF-8"
# Names of the parts of one table differ only by numbers and months.
A_PART = re.compile(
    rf"(part|chunk|export|data)|[-_.]?\d+|[0-9a-f]{{8,}}|(?<![a-z])({MONTHS})(?![a-z])", re.IGNORECASE
)


def kind_of(path: Path) -> str:
    """Return the kind of table by a file's name; empty for other files."""
    ending = path.suffix.lower()
    if ending in PACKED:
        ending = Path(path.stem).suffix.lower()
    for kind, endings in (("csv", _CSV), ("json", _JSON), ("parquet", _PARQUET)):
        if ending in endings:
            return kind
    return ""


def files_of(named: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the files to look at; a folder stands for all files in and below it."""
    found: list[Path] = []
    notes = []
    for text in named:
        if is_address(text):
            raise InputError(
                f"{text}: only files of this machine are looked at",
                hint="download some of each table for it; then name the address in the description",
            )
        path = Path(text)
        if path.is_dir():
            inside = _inside(path)
            tables = [one for one in inside if kind_of(one) and one.stat().st_size]
            notes += [_skipped(one) for one in inside if one not in tables]
            if not tables and all(map(kind_of, inside)) and inside:
                raise EmptyTableError(path)
            if not tables:
                sheets = next((one for one in inside if one.suffix.lower() in _SHEETS), None)
                hint = f"{sheets} is a workbook: {_SAVE_SHEETS}" if sheets else _EXPECTED
                raise InputError(f"{path}: contains no tables", hint=hint)
            found += tables
        elif not path.exists():
            near = nearest(
                path.name, [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
            )
            hint = f"did you mean {path.parent / near}?" if near else "check the path"
            raise InputError(f"{path}: there is no such file", hint=hint)
        elif not kind_of(path):
            hint = "export its tables as CSV or Parquet, or name a database of DuckDB or SQLite"
            hint = _SAVE_SHEETS if path.suffix.lower() in _SHEETS else hint
            raise UnreadableFileError(
                path, f"{path.suffix or 'files without an ending'} is not a supported file type", hint=hint
            )
        else:
            found.append(path)
    return list(dict.fromkeys(found)), notes


def _skipped(path: Path) -> str:
    if path.suffix.lower() in _SHEETS:
        return f"{path}: skipped, as workbooks are not read: {_SAVE_SHEETS}"
    return f"{path}: skipped, as it is {'empty' if kind_of(path) else 'not a table'}"


def encoding_of(path: Path) -> str:
    """Return DuckDB's name of a file's encoding, by its beginning; empty for UTF-8 and compressed files."""
    with path.open("rb") as file:
        begins = file.read(_BEGINNING)
    if begins.startswith(codecs.BOM_UTF16_BE):
        raise UnreadableFileError(path, "it is encoded in UTF-16, high byte first", hint=AS_UTF8)
    if begins.startswith(codecs.BOM_UTF16_LE):
        return "utf-16"
    if path.suffix.lower() in PACKED:
        return ""
    try:
        begins[: begins.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError as error:
        if _is_of_another_alphabet(begins):
            said = "it is neither in UTF-8 nor in Latin-1: its letters are in an older encoding"
            raise UnreadableFileError(path, f"{said}, such as Shift-JIS or GBK", hint=AS_UTF8) from error
        return "latin-1"
    return ""


def _is_of_another_alphabet(begins: bytes) -> bool:
    """Return whether text that is not in UTF-8 has hardly any letters without accents between others.

    In Latin-1, letters with accents stand alone; in other encodings, all letters are such bytes.
    """
    runs = re.findall(rb"[\x80-\xff]+", begins)
    return sum(len(one) for one in runs if len(one) > 1) > _MOST_IN_RUNS * sum(map(len, runs))


def parts_together(connection: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> list[list[Path]]:
    """Group the parts of one table: of the same folder and kind, with names that differ by a number."""
    groups: dict[tuple[Any, ...], list[Path]] = {}
    for path in files:
        stem = A_PART.sub("", path.name.partition(".")[0]).strip("-_. ")
        folder = path.parent
        if kind_of(path) == "parquet" and "=" in folder.name:  # a partitioned folder
            folder, stem = next(one for one in path.parents if "=" not in one.name), ""
        groups.setdefault((folder, path.suffix, stem.casefold()), []).append(path)
    together = []
    for paths in groups.values():
        headers = {tuple(_header(connection, path)) for path in paths} if len(paths) > 1 else set()
        together += [paths] if len(headers) <= 1 else [[path] for path in paths]
    return together


def _header(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    kind = kind_of(path)
    reader = {"csv": "read_csv", "json": "read_json_auto", "parquet": "read_parquet"}[kind]
    skip = (
        f", comment = '', skip = {above.lines}"
        if kind == "csv" and (above := above_header(path)).lines
        else ""
    )
    try:
        found = connection.execute(f"DESCRIBE FROM {reader}({literal(escape(str(path)))}{skip})").fetchall()
        return [str(one[0]) for one in found]
    except duckdb.Error:
        return [str(path)]


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the deepest folder that contains all files."""
    return next(one for one in paths[0].parents if all(one in path.parents for path in paths))


def is_whole_folder(paths: Sequence[Path]) -> bool:
    """Return whether files are all that are in and below a folder, so that it can be named instead.

    Empty files, which are passed over, do not matter. A folder is not if names of folders in it hold values,
    which only a query reads.
    """
    folder = common_folder(paths)
    named = any("=" in name for path in paths for name in path.relative_to(folder).parts[:-1])
    return not named and {one for one in _inside(folder) if one.stat().st_size} == set(paths)


def _inside(folder: Path) -> list[Path]:
    return [one for one in files_below(folder) if isinstance(one, Path)]


def paths_sql(paths: Sequence[Path]) -> str:
    """Return SQL that names the files."""
    if len(paths) == 1:
        return literal(escape(str(paths[0])))  # DuckDB takes [1] for a pattern
    folder, ending = common_folder(paths), paths[0].suffix
    if {one for one in folder.rglob(f"*{ending}") if one.is_file()} == set(paths):
        depth = "**/" if any(one.parent != folder for one in paths) else ""
        return literal(f"{escape(str(folder))}/{depth}*{ending}")
    first, last = min(one.name for one in paths), max(one.name for one in paths)
    alike = first[
        : next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    ]
    for begin in (re.sub(r"[^-_. ]+$", "", alike), alike.rstrip("0123456789")):
        if begin and escape(begin) == begin and set(folder.glob(f"{begin}*{ending}")) == set(paths):
            return literal(f"{escape(str(folder))}/{begin}*{ending}")  # which will include next month's file
    return "[" + ", ".join(literal(escape(str(path))) for path in paths) + "]"
