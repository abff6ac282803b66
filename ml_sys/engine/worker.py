"""What a worker of a cluster runs: a task, once its code is known to be the code of the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from ml_sys.engine.versions import Code, code_here, refuse_other_code
from ml_sys.errors import EngineError, SnapshotError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = TypeVar("P")
R = TypeVar("R")

# Codes that have been found to be the code of this worker.
_known: set[str] = set()


def checked(function: Callable[[P], R], code: Callable[[], Mapping[str, str]], theirs: Code, one: P) -> R:
    """Run a partition on a worker, once its code is known to be that of the client.

    What it cannot read or write is on another machine, which has to be named.
    """
    same_code(code, theirs)
    try:
        return function(one)
    except (EngineError, SnapshotError, StorageError) as error:
        raise type(error)(f"Dask worker {_this_worker()}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise EngineError(
            f"Dask worker {_this_worker()}: {error}",
            hint="check the disk, TMPDIR and the limits of that machine, and run the command again",
        ) from error


def same_code(code: Callable[[], Mapping[str, str]], theirs: Code) -> None:
    """Refuse to work where the code is not that of the client."""
    known = json.dumps(theirs, sort_keys=True)
    if known not in _known:
        refuse_other_code(_this_worker(), code_here(code), theirs)
        _known.add(known)


def _this_worker() -> str:
    from distributed import get_worker

    try:
        return get_worker().address
    except ValueError:  # called in a process that is none
        return "unknown"
