"""Create the sink for predictions: the store, a file, nothing, or the user's own class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_sys.errors import MlsysError, ResolveError
from ml_sys.outcomes.database.revisions import FILE as STORE_FILE
from ml_sys.resolve import resolve
from ml_sys.serve.stored import OLD_FILE

if TYPE_CHECKING:
    from ml_sys.serve.postgresql_sink import PostgresqlSink
    from ml_sys.serve.prediction_log import Sink
    from ml_sys.serve.sqlite_sink import SqliteSink
    from ml_sys.settings import Settings

STORE, NONE = "store", "none"


def make_sink(settings: Settings) -> Sink | None:
    """Return the sink that ``serve.prediction_log`` names, or None for ``"none"``.

    Raises
    ------
    ResolveError
        If a class cannot be found or made, or is not a sink.
    StorageError
        If the database cannot be used.
    """
    name = settings.serve.prediction_log
    if name == NONE:
        return None
    return _store_sink(settings) if name == STORE else _own_sink(name, Path(predictions_place(settings)))


def predictions_place(settings: Settings) -> Path | str:
    """Return the file or the address at which predictions are stored."""
    chosen, root = settings.serve, settings.artifacts_dir
    if chosen.prediction_log_path:
        return Path(chosen.prediction_log_path)
    if chosen.prediction_log not in {STORE, NONE}:
        return root / OLD_FILE
    return settings.store.url or root / STORE_FILE


def _store_sink(settings: Settings) -> Sink:
    """Open the store, and import the log's file from before there was one."""
    place, root = predictions_place(settings), settings.artifacts_dir
    wait = settings.registry.lock_timeout_seconds
    sink: PostgresqlSink | SqliteSink
    if isinstance(place, str):
        from ml_sys.serve.postgresql_sink import PostgresqlSink

        sink = PostgresqlSink(place, root, wait)
    else:
        from ml_sys.serve.sqlite_sink import SqliteSink  # another sink needs no SQLite

        if settings.serve.prediction_log_path:
            return SqliteSink(place)
        sink = SqliteSink(place, lock_folder=root, wait_seconds=wait)
    if (root / OLD_FILE).exists():
        sink.take_over(root / OLD_FILE)
    return sink


def _own_sink(name: str, path: Path) -> Sink:
    made = resolve(name)
    try:
        sink: Any = made(path)
    except MlsysError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise ResolveError(
            f"{name}: {type(error).__name__}: {error}", hint="the class must take the path of its file"
        ) from error
    for method in ("write", "close"):
        if not callable(getattr(sink, method, None)):
            raise ResolveError(
                f"{name}: has no method {method}", hint="a sink needs write(predictions) and close()"
            )
    own: Sink = sink
    return own
