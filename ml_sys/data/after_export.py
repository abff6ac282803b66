"""Warn about dates after the export, and say how to claim them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data.checking.values import day_text
from ml_sys.data.quarantine import UNCOVERED, in_words
from ml_sys.data.usage import LATER
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ml_sys.data.coverage import ExportDates
    from ml_sys.form import Words


@dataclass(frozen=True)
class DatesAfterExport:
    """Dates in the tables that are later than the export.

    Attributes
    ----------
    unclaimed : ndarray of shape (n,), int32
        Conversion days after the export.
    latest_stamp : int
        Latest stamp of any usage row, in microseconds.
    """

    export: ExportDates
    unclaimed: NDArray[np.int32]
    latest_stamp: int

    def warnings(self, rejected: Mapping[str, int], words: Words) -> list[str]:
        """Warn about anything dated after the export, and say how to claim it."""
        export, warnings = self.export, []
        day = day_text(export.as_of)
        end = "no day" if export.usage_end is None else day_text(export.usage_end)
        covered = f"by ingest.min_coverage, usage is covered up to {end}"
        if rejected.get(LATER):
            rows = counted(rejected[LATER], "usage row is", "usage rows are")
            latest = f"the latest on {day_text(self.latest_stamp // DAY_MICROSECONDS)}"
            why = f"its day was given as {day}" if export.was_given else covered
            warnings.append(f"{rows} stamped after the export ({latest}) and not used: {why}")
        uncovered = rejected.get(in_words(UNCOVERED, words))
        if uncovered:
            rows = counted(uncovered, "usage row is", "usage rows are")
            few = f"in periods in which few {words.entity.many} report"
            warnings.append(f"{rows} {few} and not used: {covered}")
        ahead = self.unclaimed > export.today
        for those, how in (
            (~ahead, f"if the tables were exported after {day}, give the date: --as-of DATE"),
            (ahead, f"that date is in the future: the clock says {day_text(export.today)}"),
        ):
            days = self.unclaimed[those]
            if days.size:
                stay = words.customer.counted(days.size, "is", "are")
                stays = "it stays a prospect" if days.size == 1 else "they stay prospects"
                latest = day_text(int(days.max()))
                warnings.append(f"{stay} dated after {day} (the latest on {latest}): {stays}; {how}")
        return warnings
