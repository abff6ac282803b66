"""Features of prospects by batch: read from the file, or computed from attributes and usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.scoring.cooldown import days_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.features.windows import UsageLog


class FeatureBlock(NamedTuple):
    """Rows of a batch whose features are computed in the same way.

    Attributes
    ----------
    places : ndarray of shape (n_part,), int, or slice
        Positions of the rows in the batch.
    columns : dict of str to ndarray of shape (n_part,)
        A feature that is equal for all of them may have stride 0.
    """

    places: NDArray[np.intp] | slice
    columns: Columns


class Features(Protocol):
    """Computes the features of prospects."""

    def ranked(self, rows: pa.RecordBatch, /) -> NDArray[np.bool_]:
        """Return which rows of a batch are ranked, and count the others."""

    def __call__(self, start: int, rows: pa.RecordBatch, /) -> list[FeatureBlock]:
        """Return the features of a batch that begins at a position; every row is in one part."""

    def of(self, places: NDArray[np.integer[Any]], rows: pa.RecordBatch, /) -> Columns:
        """Return the features of the rows at some positions."""


@dataclass(frozen=True)
class ReadyFeatures:
    """Features in the file; see :class:`Features`."""

    spec: FeatureSpec

    def ranked(self, rows: pa.RecordBatch, /) -> NDArray[np.bool_]:
        """Return True for all rows."""
        return np.ones(rows.num_rows, dtype=bool)

    def __call__(self, _start: int, rows: pa.RecordBatch, /) -> list[FeatureBlock]:
        """Return the features of the rows."""
        return [FeatureBlock(slice(None), self._columns(rows))]

    def of(self, _places: NDArray[np.integer[Any]], rows: pa.RecordBatch, /) -> Columns:
        """Return the features of rows."""
        return self._columns(rows)

    def _columns(self, rows: pa.RecordBatch) -> Columns:
        return {name: rows.column(name).to_numpy(zero_copy_only=False) for name in self.spec.names()}


@dataclass
class ComputedFeatures:
    """Features from attributes and usage complete by a cutoff; counts prospects that are not ranked.

    See :class:`Features`.
    """

    spec: FeatureSpec
    usage: UsageLog
    cutoff: int
    customers: dict[str, int]
    were_customers: int = 0
    are_new: int = 0

    def ranked(self, rows: pa.RecordBatch, /) -> NDArray[np.bool_]:
        """Return which rows are ranked: not a customer by the cutoff, and in existence for a day."""
        closed = days_of(rows.column("id"), self.customers, other=self.cutoff)
        is_customer, is_new = closed < self.cutoff, self._since(rows) >= self.cutoff
        self.were_customers += int(is_customer.sum())
        self.are_new += int(is_new.sum())
        return ~is_customer & ~is_new

    def __call__(self, start: int, rows: pa.RecordBatch, /) -> list[FeatureBlock]:
        """Return the features of a batch; rows without usage and first day are a part of their own."""
        usage = self.usage.between(start, start + rows.num_rows)
        idle = self._since(rows) == NEVER_BEGAN
        idle[usage.company] = False
        n_idle = np.count_nonzero(idle)
        if n_idle in {0, rows.num_rows}:
            return [FeatureBlock(slice(None), self._columns(usage, rows))]
        parts = np.flatnonzero(idle), np.flatnonzero(~idle)
        return [
            FeatureBlock(places, self._columns(usage.take(places), rows.take(places))) for places in parts
        ]

    def of(self, places: NDArray[np.integer[Any]], rows: pa.RecordBatch, /) -> Columns:
        """Return the features of the rows at some positions."""
        return self._columns(self.usage.take(places), rows)

    def _columns(self, usage: UsageLog, rows: pa.RecordBatch) -> Columns:
        attributes = Attributes.from_batch(rows, self.spec.form.attributes)
        inputs = FeatureInputs.of_log(usage, attributes, self.spec, self._since(rows))
        return feature_columns(inputs, np.array([self.cutoff], dtype=np.int32), self.spec)

    def _since(self, rows: pa.RecordBatch) -> NDArray[np.int32]:
        """Return the first day of each; ``NEVER_BEGAN`` if unknown."""
        if self.spec.form.has_since and "since" in rows.schema.names:
            since: NDArray[np.int32] = rows.column("since").to_numpy()
            return since
        return np.full(rows.num_rows, NEVER_BEGAN, dtype=np.int32)
