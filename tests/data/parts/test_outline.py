"""An outline says of companies what the snapshot says, and when they were seen, without their usage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ml_sys.data import snapshot
from ml_sys.data.parts.outline import NEVER_USED, Outline
from tests.data.tables import Tables, usage_row


def test_an_outline_of_several_parts_says_what_the_snapshot_says_but_for_its_usage(tmp_path: Path) -> None:
    many = Tables(tmp_path)
    many.noncustomers += [f"{n},6 to 10,RETAIL,m{n}" for n in range(30)]
    many.usage += [usage_row(f"m{n}", f"2020-01-{6 + n % 4 * 7:02d}") for n in range(2, 30)]
    path = many.ingest(partitions=3).path
    whole, found = snapshot.load(path), snapshot.opened(path)
    assert isinstance(found, Outline)
    assert (found.id, found.path, found.as_of, found.form) == (whole.id, path, whole.as_of, whole.form)
    assert (len(found.parts), found.n_usage_rows) == (3, whole.n_usage_rows)
    pd.testing.assert_frame_equal(found.companies, whole.companies)
    for name in ("closed", "since"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    np.testing.assert_array_equal(found.usage_stamp, np.unique(whole.usage_stamp))
    first = [whole.usage_stamp[whole.usage_company == one] for one in range(len(whole.closed))]
    assert found.first_stamp.tolist() == [int(min(one, default=NEVER_USED)) for one in first]


def test_a_snapshot_of_one_part_is_opened_whole(tmp_path: Path) -> None:
    path = Tables(tmp_path).ingest().path
    assert isinstance(snapshot.opened(path), snapshot.Snapshot)
