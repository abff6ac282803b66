"""Features of a large holdout in the bytes of its Parquet file, read where they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.features.rows import Different, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow.parquet as pq
    from numpy.typing import NDArray


class InParquet(Different):
    """Rows of features that stay in the bytes of a Parquet file, each row for itself.

    Parameters
    ----------
    file : ParquetFile
    prefix : str
        How the names of the columns begin that are features.
    """

    def __init__(self, file: pq.ParquetFile, prefix: str) -> None:
        self._file, self._prefix = file, prefix
        groups = range(self._file.num_row_groups)
        self._ends = np.cumsum([self._file.metadata.row_group(number).num_rows for number in groups])
        self._columns = [name for name in self._file.schema_arrow.names if name.startswith(prefix)]
        super().__init__(self._read([0]).iloc[:0])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def is_stored(self) -> bool:
        """Whether reading them takes its time: yes."""
        return True

    def rows(self) -> Rows:
        """Return all rows, in the order of the file."""
        return Rows(self, np.arange(len(self), dtype=np.int32))

    def beside(self) -> pd.DataFrame:
        """Return the columns that are no features."""
        others = [name for name in self._file.schema_arrow.names if not name.startswith(self._prefix)]
        return self._file.read(others).to_pandas()

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, a value for each row."""
        column = self._prefix + name
        values: NDArray[Any] = self._file.read([column]).to_pandas()[column].to_numpy()
        return values

    def taken(self, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Return some rows, in the order given."""
        group = np.searchsorted(self._ends, rows, side="right")
        wanted = np.unique(group)
        starts = np.concatenate(([0], self._ends[:-1]))[wanted]
        sizes = self._ends[wanted] - starts
        moved = np.cumsum(sizes) - sizes - starts
        at = rows + moved[np.searchsorted(wanted, group)]
        return self._read(wanted.tolist()).take(at).reset_index(drop=True)

    def digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row."""
        if self._digests is None:
            self._digests = np.concatenate([one.digests() for one in self._groups()])
        return self._digests

    def exact_digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row that tells zeros of either sign apart as well."""
        return np.concatenate([one.exact_digests() for one in self._groups()])

    def _groups(self) -> Iterator[Different]:
        for number in range(self._file.num_row_groups):
            yield Different(self._read([number]))

    def _read(self, groups: list[int]) -> pd.DataFrame:
        return without_prefix(self._file.read_row_groups(groups, self._columns).to_pandas(), self._prefix)


def without_prefix(frame: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return the columns whose names begin so, by the rest of their names."""
    found = frame[[name for name in map(str, frame.columns) if name.startswith(prefix)]]
    return found.rename(columns=lambda name: name.removeprefix(prefix))
