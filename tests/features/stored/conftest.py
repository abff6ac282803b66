"""The snapshot of the generated tables in several parts, of which few rows are read at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_sys.data import snapshot as snapshots
from ml_sys.data.snapshot import Outline
from ml_sys.features.stored import inputs
from tests import made
from tests.conftest import Once


@pytest.fixture
def outline(three_tables: Path, once: Once, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Outline]:
    """What opens the snapshot in so many parts; half of them are read at a time, and none is kept."""

    def opened(n_parts: int) -> Outline:
        folder = once(f"parts-{n_parts}", lambda to: made.snapshot(to, three_tables, n_parts))
        found = snapshots.opened_latest(folder)
        assert isinstance(found, Outline)
        monkeypatch.setattr(inputs, "ROWS_AT_ONCE", 2 * max(found.parts.n_rows))
        monkeypatch.setattr(inputs, "ROWS_KEPT", 0)
        return found

    return opened
