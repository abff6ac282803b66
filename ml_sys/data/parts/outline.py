"""A snapshot without its usage, which stays on disk and is read part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.parts.parted import InParts

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.parts.parted import Parts

# Marks a company without usage.
NEVER_USED = np.iinfo(np.int32).min


@dataclass(frozen=True)
class Outline(InParts):
    """The n companies of a snapshot, and the days with usage; see `Snapshot` for other attributes.

    Attributes
    ----------
    companies : pandas.DataFrame
    closed, since : ndarray of shape (n,), int32
    first_stamp : ndarray of shape (n,), int32
        Day of each company's first stamp; `NEVER_USED` if it has none.
    usage_stamp : ndarray of shape (n_days,), int32
        The distinct days with stamps, ascending.
    """

    companies: pd.DataFrame
    closed: NDArray[np.int32]
    since: NDArray[np.int32]
    first_stamp: NDArray[np.int32]
    usage_stamp: NDArray[np.int32]

    @classmethod
    def read(cls, parts: Parts) -> Outline:
        """Read all parts, one at a time.

        Raises
        ------
        SnapshotError
            If a file is missing or was changed.
        """
        import pandas as pd  # not loaded by the service, which looks companies up in their part

        n = parts.n_companies
        closed, since = np.empty(n, np.int32), np.empty(n, np.int32)
        first = np.full(n, NEVER_USED, np.int32)
        frames, places, days = [], [], np.empty(0, np.int32)
        for number in range(len(parts)):
            one, mine = parts.part(number), parts.positions(number)
            closed[mine], since[mine] = one.closed, one.since
            begins = np.flatnonzero(np.diff(one.usage_company, prepend=-1))
            first[mine[one.usage_company[begins]]] = one.usage_stamp[begins]
            days = np.union1d(days, one.usage_stamp)
            frames.append(one.companies)
            places.append(mine)
        order = np.argsort(np.concatenate(places))
        companies = pd.concat(frames, ignore_index=True).take(order).reset_index(drop=True)
        return cls(parts, companies, closed, since, first, days)

    @property
    def n_usage_rows(self) -> int:
        """Number of usage rows."""
        return sum(self.parts.n_rows)
