"""The files of a snapshot: those of the version before are read as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ml_sys.data import snapshot
from ml_sys.data.parts.stored import names_of
from tests.data.tables import Tables


def test_a_snapshot_from_before_there_were_parts_is_read_as_one(tmp_path: Path) -> None:
    path = Tables(tmp_path).ingest().path
    now = snapshot.load(path)
    manifest = json.loads((path / snapshot.MANIFEST).read_text())
    del manifest["parts"]
    (path / snapshot.MANIFEST).write_text(json.dumps(manifest | {"schema_version": 2}))
    found, several = snapshot.load(path), snapshot.parts(path)
    assert found.companies.equals(now.companies)
    np.testing.assert_array_equal(found.usage_values, now.usage_values)
    assert (len(several), several.n_companies, several.n_rows) == (
        1,
        len(now.closed),
        (len(now.usage_stamp),),
    )


def test_files_are_numbered_where_there_are_several() -> None:
    assert names_of(snapshot.USAGE, 1) == ["usage.parquet"]
    assert names_of(snapshot.USAGE, 3) == [f"usage-000{part}.parquet" for part in range(3)]
