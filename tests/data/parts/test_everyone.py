"""All companies of a snapshot without their usage, in however many parts it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_sys.data import snapshot
from ml_sys.errors import SnapshotError
from tests.data.tables import Tables, usage_row


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    many = Tables(tmp_path_factory.mktemp("everyone"))
    many.noncustomers += [f"{n},6 to 10,RETAIL,m{n}" for n in range(30)]
    many.usage += [usage_row(f"m{n}", f"2020-01-{6 + n % 4 * 7:02d}") for n in range(2, 30)]
    return many


@pytest.mark.parametrize("n_parts", [1, 3, 16])
def test_everyone_is_there_as_in_the_whole_snapshot(tables: Tables, tmp_path: Path, n_parts: int) -> None:
    path = tables.ingest(artifacts_dir=tmp_path, partitions=n_parts).path
    found, whole = snapshot.everyone(tmp_path), snapshot.load(path)
    assert (found.id, found.path, found.as_of, found.form) == (whole.id, path, whole.as_of, whole.form)
    assert found.ids.to_pylist() == whole.companies["id"].tolist()
    for name in ("closed", "since"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    np.testing.assert_array_equal(found.value, whole.companies["value"].to_numpy(np.float64))
    assert found.usage_stamp.tolist() == [whole.usage_stamp.min(), whole.usage_stamp.max()]
    assert found.named(found.customers) == ["c1", "c2", "c3"]
    days = dict(zip(whole.companies["id"], whole.closed.tolist(), strict=True))
    assert found.days_by_name() == days
    assert found.days_by_name(["c2", "stranger", "m3"]) == {name: days[name] for name in ("c2", "m3")}


def test_usage_that_was_changed_is_said_once_its_days_are_asked_for(tables: Tables, tmp_path: Path) -> None:
    path = tables.ingest(artifacts_dir=tmp_path).path
    (path / snapshot.USAGE).write_bytes(b"changed")
    found = snapshot.everyone(tmp_path)
    with pytest.raises(SnapshotError, match="differs from its manifest"):
        _ = found.usage_stamp
