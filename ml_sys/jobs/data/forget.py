"""Remove a company from every store that may change, and list those that never do.

Each place is changed whole or not at all, and a place without the company is left alone, so repeating the
call after a crash completes it.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_sys.data import snapshot
from ml_sys.data.events import log
from ml_sys.data.parts import overflow
from ml_sys.durable import TEMPORARY_PREFIX, replacing
from ml_sys.engine import places
from ml_sys.engine.processes import clear_shared
from ml_sys.engine.storage import Storage
from ml_sys.errors import MlsysError
from ml_sys.features.stored import rows
from ml_sys.model.files.layout import EVIDENCE, HOLDOUT
from ml_sys.outcomes import store
from ml_sys.registry.store import MODELS
from ml_sys.resolve import resolve
from ml_sys.scoring import remembered
from ml_sys.scratch import clear_scratch
from ml_sys.serve import sqlite_sink
from ml_sys.serve.sinks import NONE, make_sink, predictions_place
from ml_sys.serve.sinks import STORE as SINK
from ml_sys.serve.stored import OLD_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ml_sys.settings import Settings

_LONG_AGO_SECONDS = 3600.0
LOG, STORE, COPY, LIST = "prediction log", "lists that were handed out", "copy of both", "list"
QUARANTINE, SNAPSHOT, VERSION = "quarantine", "snapshot", "version"


@dataclass(frozen=True)
class Place:
    """Where a company was found.

    Attributes
    ----------
    kind : str
        ``LOG``, ``STORE``, ``COPY``, ``LIST``, ``QUARANTINE``, ``SNAPSHOT`` or ``VERSION``.
    path : Path or str
        An address if the place is not a file.
    found : int or None
        Rows with the company; None if unknown.
    """

    kind: str
    path: Path | str
    found: int | None


@dataclass(frozen=True)
class Unchanged:
    """A place that could not be read or changed, with the reason."""

    kind: str
    path: Path | str
    problem: str


@dataclass(frozen=True)
class Forgotten:
    """Where a company was removed, and where it remains.

    Attributes
    ----------
    dry_run : bool
        Whether ``removed`` is only what would be removed.
    kept : tuple of Place
        Places with the company that are never changed: snapshots, versions, logs that cannot forget.
    """

    company: str
    dry_run: bool
    removed: tuple[Place, ...]
    kept: tuple[Place, ...]
    failed: tuple[Unchanged, ...]


def forget_company(settings: Settings, company: str, *, dry_run: bool = False) -> Forgotten:
    """Remove a company from the prediction log, handed-out lists and quarantined rows.

    Parameters
    ----------
    company : str
        Its id, exactly as the tables have it.
    dry_run : bool
        Only report what would be removed.
    """
    removed: list[Place] = []
    kept: list[Place] = []
    failed: list[Unchanged] = []
    if not dry_run:
        _clear_leftovers(settings.artifacts_dir)
    for kind, path, is_final, act in _places(settings, company, dry_run):
        try:
            found = act()
        except (
            MlsysError,
            OSError,
            ValueError,
        ) as error:  # a damaged file of Parquet or JSON is a ValueError
            message = error.message if isinstance(error, MlsysError) else str(error).partition("\n")[0]
            failed.append(Unchanged(kind, path, message))
            continue
        if found != 0:
            (kept if is_final else removed).append(Place(kind, path, found))
    return Forgotten(company, dry_run, tuple(removed), tuple(kept), tuple(failed))


_Step = tuple[str, "Path | str", bool, "Callable[[], int | None]"]


def _places(settings: Settings, company: str, dry_run: bool) -> Iterator[_Step]:
    """Yield each place's kind and path, whether it is final, and what searches and changes it."""
    root = settings.artifacts_dir
    yield from _log_places(settings, company, dry_run)
    for path in _inside(root / remembered.FOLDER, ".csv"):
        yield LIST, path, False, partial(remembered.forget, path, company, dry_run=dry_run)
    if store.exists(settings):
        where = settings.store.url or root / store.FILE
        yield STORE, where, False, partial(_in_store, settings, company, dry_run)
    for path in sorted(root.glob(f"{store.FILE}.0*")):  # from before its migration
        yield (
            COPY,
            path,
            False,
            partial(sqlite_sink.forget, path, company, dry_run=dry_run, with_lists=True),
        )
    for path in _inside(root / snapshot.QUARANTINE_FOLDER, ".parquet"):
        yield QUARANTINE, path, False, partial(_forget_rows, path, company, dry_run)
    for folder in _inside(root / snapshot.FOLDER):
        yield SNAPSHOT, folder, True, partial(_in_snapshot, folder, company)
    if settings.engine.storage:
        storage = Storage(settings.engine.storage)
        yield SNAPSHOT, storage.address, True, partial(_in_storage, storage, root / snapshot.FOLDER, company)
    for folder in _inside(root / MODELS):
        yield VERSION, folder, True, partial(_in_version, folder, company)


def _log_places(settings: Settings, company: str, dry_run: bool) -> Iterator[_Step]:
    """Yield the step for the prediction log; the user's own log needs a method ``forget``."""
    name, place, root = settings.serve.prediction_log, predictions_place(settings), settings.artifacts_dir
    if name not in {SINK, NONE}:
        can_forget = hasattr(resolve(name), "forget")

        def ask() -> int | None:
            return _forgotten_by_sink(settings, company) if can_forget and not dry_run else None

        yield LOG, place, not can_forget, ask
        return
    # A log that was switched off, or a file that was not imported, may still be there.
    files = [place] if isinstance(place, Path) else []
    if not files:
        yield LOG, place, False, partial(_in_postgresql_log, settings, company, dry_run)
    for path in (*files, root / OLD_FILE):
        yield LOG, path, False, partial(sqlite_sink.forget, path, company, dry_run=dry_run)


def _forgotten_by_sink(settings: Settings, company: str) -> int:
    sink: Any = make_sink(settings)
    try:
        return int(sink.forget(company))
    finally:
        sink.close()


def _in_postgresql_log(settings: Settings, company: str, dry_run: bool) -> int:
    from ml_sys.serve.postgresql_sink import PostgresqlSink

    sink = PostgresqlSink(settings.store.url, settings.artifacts_dir, settings.registry.lock_timeout_seconds)
    try:
        return sink.forget(company, dry_run=dry_run)
    finally:
        sink.close()


def _in_store(settings: Settings, company: str, dry_run: bool) -> int:
    with store.opened_store(settings) as opened:
        return opened.forget(company, dry_run=dry_run)


def _clear_leftovers(root: Path) -> None:
    """Remove what killed commands left, half-written or in temporary folders: it may hold the company."""
    for folder in (root / remembered.FOLDER, root / snapshot.QUARANTINE_FOLDER):
        for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if time() - path.stat().st_mtime > _LONG_AGO_SECONDS:
                    path.unlink()
    for name in (log.SCRATCH, overflow.SCRATCH, places.SCRATCH, rows.SCRATCH):
        clear_scratch(name)
    clear_shared()


def _inside(folder: Path, suffix: str = "") -> list[Path]:
    """Return the files with a suffix in a folder, or its folders if no suffix is given; it may be missing."""
    if not folder.is_dir():
        return []
    every = sorted(path for path in folder.iterdir() if not path.name.startswith(TEMPORARY_PREFIX))
    return [path for path in every if (path.suffix == suffix if suffix else path.is_dir())]


def _forget_rows(path: Path, company: str, dry_run: bool) -> int:
    table = pq.read_table(path)
    names_it = _rows_that_name(table, company)
    found = sum(names_it)
    if found and not dry_run:
        with replacing(path) as sink:
            pq.write_table(table.filter(pa.array([not one for one in names_it])), sink)
    return found


def _rows_that_name(quarantine: pa.Table, company: str) -> list[bool]:
    """Flag the quarantined rows, kept as raw text, that have the id in a cell."""
    ids = "|".join(re.escape(one) for one in {company, company.replace('"', '""')})
    named = re.compile(rf"""(?:^|[,;\t\n"'])\s*(?:{ids})\s*(?:$|[,;\t\r\n"'])""")
    return [bool(named.search(raw or "")) for raw in quarantine["raw"].to_pylist()]


def _in_snapshot(folder: Path, company: str) -> int:
    found = sum(_rows_with_id(path, company) for path in sorted(folder.glob(snapshot.COMPANIES_FILES)))
    rejects = folder / snapshot.QUARANTINE
    return found + (sum(_rows_that_name(pq.read_table(rejects), company)) if rejects.exists() else 0)


def _in_storage(storage: Storage, snapshots: Path, company: str) -> int | None:
    """Count rows in the files of a storage that belong to snapshots that are here as well."""
    folders = [snapshots / name for name in storage.folders()]
    if not all(map(Path.is_dir, folders)):
        return None
    files = [path for folder in folders for path in sorted(folder.glob(snapshot.COMPANIES_FILES))]
    return sum(_rows_with_id(path, company) for path in files)


def _in_version(folder: Path, company: str) -> int:
    evidence = folder / EVIDENCE
    told = _count_text(json.loads(evidence.read_bytes()), company) if evidence.exists() else 0
    return _rows_with_id(folder / HOLDOUT, company) + told


def _rows_with_id(path: Path, company: str) -> int:
    if not path.exists():
        return 0
    try:
        wanted = pa.scalar(company, pa.string())
    except UnicodeEncodeError:  # lone surrogates, which no file can hold
        return 0
    ids = pq.read_table(path, columns=["id"])["id"].cast(pa.string())
    return sum(one is True for one in pc.equal(ids, wanted).to_pylist())


def _count_text(content: Any, text: str) -> int:
    """Count how often a text occurs as a value in plain data."""
    if isinstance(content, dict):
        return sum(_count_text(one, text) for one in content.values())
    if isinstance(content, list):
        return sum(_count_text(one, text) for one in content)
    return int(content == text)
