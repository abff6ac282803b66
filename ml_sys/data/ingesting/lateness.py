"""Find usage that was not complete when covered usage ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.quarantine import UNCOVERED
from ml_sys.data.usage import LATER, UNFINISHED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.coverage import Coverage, ExportDates


def late_rows(
    export: ExportDates, stamps: NDArray[np.int64], coverage: Coverage
) -> tuple[NDArray[np.intp], list[str]]:
    """Return the positions of rows that were not complete by then, and the reason for each."""
    end = export.as_of if export.usage_end is None else export.usage_end
    complete_on = coverage.complete_on(stamps)
    day = complete_on[late := np.flatnonzero(complete_on > end)]
    conditions = [day <= export.as_of, day <= coverage.period.shifted(export.as_of, 1)]
    reasons: list[str] = np.select(conditions, [UNCOVERED, UNFINISHED], LATER).tolist()
    return late, reasons
