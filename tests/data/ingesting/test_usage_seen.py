"""How much usage there is, when, and from which day on each company did anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_sys.data.ingesting.usage_seen import NEVER_ACTIVE, UsageSeen
from ml_sys.data.usage import UsageRows
from ml_sys.days import DAY_MICROSECONDS


def seen_of(*rows: tuple[int, int, int], companies: int) -> UsageSeen:
    company, day, count = np.array(rows, np.int64).reshape(-1, 3).T
    usage = UsageRows(company.astype(np.int32), day * DAY_MICROSECONDS, count[:, None], day)
    return UsageSeen.of(usage, companies)


def test_a_company_is_active_from_its_first_row_that_counts_anything() -> None:
    seen = seen_of((0, 5, 0), (0, 6, 1), (0, 7, 2), (2, 4, 0), companies=3)
    assert seen.active_from.tolist() == [6, NEVER_ACTIVE, NEVER_ACTIVE]
    assert (seen.n_rows, seen.days) == (4, (4, 7))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("width", range(1, 10))
def test_any_measure_makes_a_company_active_however_many_there_are_and_however_narrow(
    dtype: type[np.signedinteger[Any]], width: int
) -> None:
    for measure in range(width):
        counts = np.zeros((3, width), dtype)
        counts[1, measure] = 1
        days = np.array([5, 6, 7])
        for laid in (counts, np.asfortranarray(counts)):
            usage = UsageRows(np.zeros(3, np.int32), days * DAY_MICROSECONDS, laid, days)
            assert UsageSeen.of(usage, 2).active_from.tolist() == [6, NEVER_ACTIVE]


def test_parts_are_put_together_by_the_positions_of_their_companies() -> None:
    parts = [
        (np.array([1, 3], np.int32), seen_of((0, 5, 1), (1, 9, 1), companies=2)),
        (np.array([0, 2], np.int32), seen_of((1, 2, 1), companies=2)),
        (np.array([4], np.int32), seen_of(companies=1)),
    ]
    joined = UsageSeen.joined(parts, 5)
    assert joined.active_from.tolist() == [NEVER_ACTIVE, 5, 2, 9, NEVER_ACTIVE]
    assert (joined.n_rows, joined.days) == (3, (2, 9))
    assert UsageSeen.joined([], 0).days is None
