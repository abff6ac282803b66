"""Makes what keeps predictions: the SQLite file, nothing, or a class of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys.errors import MlsysError, ResolveError
from ml_sys.resolve import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.serve.prediction_log import Sink

SQLITE, NONE = "sqlite", "none"


def make_sink(name: str, path: Path) -> Sink | None:
    """Return the sink that ``serve.prediction_log`` names, or None for ``"none"``.

    Parameters
    ----------
    name : str
        ``sqlite``, ``none`` or ``package.module:Class``.
    path : Path
        Given to the class.

    Raises
    ------
    ResolveError
        If the class cannot be found or made, or is no sink.
    StorageError
        If the file cannot be used.
    """
    if name == NONE:
        return None
    if name == SQLITE:
        from ml_sys.serve.sqlite_sink import SqliteSink  # another sink needs no SQLite

        return SqliteSink(path)
    return _own_sink(name, path)


def _own_sink(name: str, path: Path) -> Sink:
    made = resolve(name)
    try:
        sink: Any = made(path)
    except MlsysError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise ResolveError(
            f"{name}: {type(error).__name__}: {error}", hint="a sink is made with the path of its file"
        ) from error
    for method in ("write", "close"):
        if not callable(getattr(sink, method, None)):
            raise ResolveError(
                f"{name}: has no method {method}", hint="a sink has write(predictions) and close()"
            )
    own: Sink = sink
    return own
