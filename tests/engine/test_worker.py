"""What a worker runs: a task, unless its code is not the code of the command."""

from __future__ import annotations

import os
import pickle
from functools import partial

import numpy as np
import pytest

from ml_sys.engine.versions import code_here
from ml_sys.engine.worker import checked
from ml_sys.errors import EngineError, SnapshotError
from tests.engine import tasks

pytest.importorskip("distributed", reason="Dask is an extra, and not installed")


def test_a_worker_with_other_code_is_refused_and_what_differs_is_named() -> None:
    here = code_here(dict)
    other = {**here, "numpy": "1.0", "my_features": "0123456789abcdef0123456789abcdef"}
    with pytest.raises(EngineError, match="other code") as caught:
        checked(tasks.where, dict, other, 1)
    assert f"numpy is {np.__version__} there and 1.0 here" in caught.value.message
    assert "my_features is missing there and 0123456789abcdef0123 here" in caught.value.message
    assert checked(tasks.where, dict, here, 1) == os.getpid()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # as it comes from a worker
    assert (again.message, again.hint) == (caught.value.message, caught.value.hint)


def raising(error: Exception, number: int) -> None:
    raise error


def test_what_a_worker_cannot_read_or_write_is_said_to_be_there() -> None:
    here = code_here(dict)
    with pytest.raises(SnapshotError, match=r"^Dask worker unknown: usage is gone") as caught:
        checked(partial(raising, SnapshotError("usage is gone", hint="ingest")), dict, here, 1)
    assert caught.value.hint == "ingest"
    with pytest.raises(EngineError, match=r"^Dask worker unknown: .*no space"):
        checked(partial(raising, OSError(28, "no space")), dict, here, 1)
