"""Usage that was not complete when covered usage ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.quarantine import UNCOVERED
from ml_sys.data.usage import LATER, UNFINISHED, set_aside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.company_index import CompanyIndex
    from ml_sys.data.coverage import Coverage, Export
    from ml_sys.data.ingesting.run import IngestRun, UsageOfTable


def known_by(
    export: Export, usage: UsageOfTable, coverage: Coverage, run: IngestRun, index: CompanyIndex
) -> UsageOfTable:
    """Set usage aside that was not complete when covered usage ended, and return the rest."""
    late, reasons = late_rows(export, usage.rows.stamp, coverage)
    if not late.size:
        return usage
    place = run.place(usage.measures.table)
    return usage.with_rows(set_aside(usage.rows, late, reasons, index, place, run.quarantine))


def late_rows(
    export: Export, stamps: NDArray[np.int64], coverage: Coverage
) -> tuple[NDArray[np.intp], list[str]]:
    """Return which rows were not complete when covered usage ended, and why each does not count."""
    end = export.as_of if export.usage_end is None else export.usage_end
    complete_on = coverage.complete_on(stamps)
    day = complete_on[late := np.flatnonzero(complete_on > end)]
    conditions = [day <= export.as_of, day <= coverage.period.shifted(export.as_of, 1)]
    reasons: list[str] = np.select(conditions, [UNCOVERED, UNFINISHED], LATER).tolist()
    return late, reasons
