"""Why usage does not count that was not complete when covered usage ended."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.data.coverage import Coverage, ExportDates
from ml_sys.data.ingesting.lateness import late_rows
from ml_sys.data.quarantine import UNCOVERED
from ml_sys.data.usage import LATER, UNFINISHED
from ml_sys.days import DAY_MICROSECONDS


@pytest.mark.parametrize(
    ("usage_end", "stamps", "late", "reasons"),
    [
        (70, [56, 63], [], []),
        (70, [63, 64, 77], [1, 2], [UNFINISHED, LATER]),
        (63, [56, 63, 70], [1, 2], [UNCOVERED, UNFINISHED]),
        (None, [63, 70], [1], [UNFINISHED]),
    ],
)
def test_a_row_is_late_by_the_day_on_which_its_period_is_complete(
    usage_end: int | None, stamps: list[int], late: list[int], reasons: list[str]
) -> None:
    export = ExportDates(as_of=70, usage_end=usage_end, today=100, was_given=False)
    found = late_rows(export, np.array(stamps, np.int64) * DAY_MICROSECONDS, Coverage())
    assert (found[0].tolist(), found[1]) == (late, reasons)
