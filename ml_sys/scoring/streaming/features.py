"""Features of prospects by batch: read from the file, or computed from attributes and usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.scoring.cooldown import days_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.features.windows import UsageLog


class Features(Protocol):
    """Computes the features of prospects."""

    def __call__(self, start: int, rows: pa.RecordBatch, /) -> tuple[Columns, NDArray[np.bool_]]:
        """Return the features of the rows from a place on, and which of them are ranked."""

    def of(self, places: NDArray[np.integer[Any]], rows: pa.RecordBatch, /) -> Columns:
        """Return the features of the rows at some places."""


@dataclass(frozen=True)
class ReadyFeatures:
    """Features that the file holds; see :class:`Features`."""

    spec: FeatureSpec

    def __call__(self, _start: int, rows: pa.RecordBatch, /) -> tuple[Columns, NDArray[np.bool_]]:
        """Return the features of the rows; all are ranked."""
        return self._columns(rows), np.ones(rows.num_rows, dtype=bool)

    def of(self, _places: NDArray[np.integer[Any]], rows: pa.RecordBatch, /) -> Columns:
        """Return the features of rows."""
        return self._columns(rows)

    def _columns(self, rows: pa.RecordBatch) -> Columns:
        return {name: rows.column(name).to_numpy(zero_copy_only=False) for name in self.spec.names()}


@dataclass
class ComputedFeatures:
    """Features from attributes and usage complete by a cutoff; counts who is not ranked.

    See :class:`Features`.
    """

    spec: FeatureSpec
    usage: UsageLog
    cutoff: int
    customers: dict[str, int]
    were_customers: int = 0
    are_new: int = 0

    def __call__(self, start: int, rows: pa.RecordBatch, /) -> tuple[Columns, NDArray[np.bool_]]:
        """Return the features of the rows from a place on, and which of them are ranked."""
        inputs = self._inputs(self.usage.between(start, start + rows.num_rows), rows)
        closed = days_of(rows.column("id"), self.customers, other=self.cutoff)
        is_customer, is_new = closed < self.cutoff, inputs.since >= self.cutoff
        self.were_customers += int(is_customer.sum())
        self.are_new += int(is_new.sum())
        return self._columns(inputs), ~is_customer & ~is_new

    def of(self, places: NDArray[np.integer[Any]], rows: pa.RecordBatch, /) -> Columns:
        """Return the features of the rows at some places."""
        return self._columns(self._inputs(self.usage.take(places), rows))

    def _inputs(self, usage: UsageLog, rows: pa.RecordBatch) -> FeatureInputs:
        since = rows.column("since").to_numpy() if "since" in rows.schema.names else None
        attributes = Attributes.from_batch(rows, self.spec.form.attributes)
        return FeatureInputs.of_log(usage, attributes, self.spec, since)

    def _columns(self, inputs: FeatureInputs) -> Columns:
        return feature_columns(inputs, np.array([self.cutoff], dtype=np.int32), self.spec)
