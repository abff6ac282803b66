"""Which cutoffs the data can speak for: covered by usage, with an outcome that is known.

Invariant: the label window of a training cutoff has closed by the cutoff that it precedes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.days import Period, latest_cutoff
from ml_sys.errors import NotEnoughDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Timeline:
    """What part of time the data can speak for; all in days since 1970-01-01.

    Attributes
    ----------
    first_usage : int
        Day on which the first usage row was complete.
    usage_end : int
        Day up to which usage is covered; never after ``as_of``.
    as_of : int
        Day of the snapshot.
    horizon_days : int
        Length of the label window.
    period : Period
        What a usage row covers; cutoffs lie whole periods before ``usage_end``.
    """

    first_usage: int
    usage_end: int
    as_of: int
    horizon_days: int
    period: Period

    @classmethod
    def of(
        cls, stamps: NDArray[np.integer[Any]], as_of: int, *, horizon_days: int, period: Period
    ) -> Timeline:
        """Read the timeline of a snapshot off the days of its usage stamps.

        Raises
        ------
        NotEnoughDataError
            If there are none.
        """
        if not stamps.size:
            raise NotEnoughDataError(
                "the snapshot holds no usage rows", hint="ingest a usage table that has some"
            )
        return cls(
            first_usage=int(period.complete_on(stamps).min()),
            usage_end=latest_cutoff(stamps, as_of, period),
            as_of=as_of,
            horizon_days=horizon_days,
            period=period,
        )

    def is_mature(self, cutoff: int) -> bool:
        """Return whether the outcome of a cutoff is known and its usage covered."""
        return cutoff + self.horizon_days <= self.as_of and cutoff <= self.usage_end

    def latest_mature(self) -> int:
        """Return the latest cutoff on the grid of periods that is mature and covered."""
        return self.on_grid(min(self.as_of - self.horizon_days, self.usage_end))

    def on_grid(self, day: int) -> int:
        """Return the latest day not after ``day`` that ends a period."""
        return self.period.last_end(day, self.usage_end)

    def first_cutoff(self, last: int) -> int:
        """Return the first cutoff with usage before it, whole periods before ``last``; or ``last`` itself."""
        return min(last, self.period.shifted(self.period.last_end(self.first_usage, last), 1))

    def grid(self, last: int, step_days: int, at_most: int) -> NDArray[np.int32]:
        """Return up to ``at_most`` cutoffs up to ``last``, ``step_days`` apart, with usage before each.

        Those of months lie as many days apart at least, and each ends a month.
        """
        import numpy as np  # here, since commands that load no data load this module

        if self.period.unit != "month":
            wanted = last - step_days * np.arange(at_most)
            return wanted[wanted > self.first_usage][::-1].astype(np.int32)
        months: list[int] = []
        while last > self.first_usage and len(months) < at_most:
            months.append(last)
            last = self.period.earlier(last, step_days)
        return np.array(months[::-1], dtype=np.int32)

    def forward(self, first: int, last: int, step_days: int) -> list[int]:
        """Return the cutoffs from ``first`` up to ``last``, ``step_days`` apart; months end months."""
        if self.period.unit != "month":
            return list(range(first, last + 1, step_days))
        cutoffs = []
        while first <= last:
            cutoffs.append(first)
            first = self.period.later(first, step_days)
        return cutoffs

    def training_cutoffs(self, before: int, step_days: int, at_most: int) -> NDArray[np.int32]:
        """Return cutoffs whole periods before ``before`` whose label windows close by it (the embargo)."""
        before = min(before, self.as_of)
        return self.grid(self.period.earlier(before, self.horizon_days), step_days, at_most)

    @property
    def days_apart(self) -> int:
        """Days from one cutoff to the next at least for their label windows not to overlap."""
        return self.period.whole_days(self.horizon_days)
