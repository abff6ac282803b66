"""Log-odds of rows that differ in few features: trees are walked once for rows that they cannot tell apart.

Prospects without usage are alike in all that usage tells. The bits are those of each row alone: the same
leaves and the same terms are added in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.scoring.compiled.line import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.scoring.compiled.trees import Trees

# Features up to which rows are compared, which for more takes as long as to walk the trees.
FEW = 16
_MOST_CELLS = 2**62


@dataclass(frozen=True)
class AlikeRows:
    """Trees and line for rows that are as one row in all but some features.

    Attributes
    ----------
    trees : Trees
    line : Line
        Over the features kept; what the first terms add is in its intercept.
    row : ndarray of shape (n_features,), float32
        The numbers that all rows share, NaN where blank.
    differs : ndarray of shape (n_differing,), int
        Places of the features that rows differ in.
    kept : ndarray of shape (n_kept,), int
        Places of those and of the others that the line still asks for, which come after them.
    """

    trees: Trees
    line: Line
    row: NDArray[np.float32]
    differs: NDArray[np.intp]
    kept: NDArray[np.intp]

    @classmethod
    def of(cls, trees: Trees, line: Line, row: NDArray[np.float32], differs: Sequence[int]) -> AlikeRows:
        """Work out what rows share.

        Parameters
        ----------
        row : ndarray of shape (n_features,), float32
            One of the rows.
        differs : sequence of int
            Places of the features that they may differ in.
        """
        feature, varies = line.terms["feature"], np.zeros(row.size, dtype=np.bool_)
        varies[list(differs)] = True
        varied = np.flatnonzero(varies[feature])
        settled = int(varied[0]) if varied.size else feature.size
        kept = list(dict.fromkeys([*differs, *feature[settled:].tolist()]))
        place = np.zeros(row.size, dtype=np.intp)
        place[kept] = np.arange(len(kept))
        first, terms = Line(line.terms[:settled].copy(), 0.0, line.intercept), line.terms[settled:].copy()
        begin = first.log_odds(row[None], np.zeros(1, dtype=np.float32))
        terms["feature"] = place[terms["feature"]]
        rest = Line(terms, line.slope, float(begin[0]))
        return cls(trees, rest, row, np.array(differs, dtype=np.intp), np.array(kept, dtype=np.intp))

    def log_odds(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of rows of shape (n_rows, n_kept), before calibration."""
        _, first, which = np.unique(self.cells(rows), return_index=True, return_inverse=True)
        each = np.repeat(self.row[None], first.size, axis=0)
        each[:, self.differs] = rows[first, : self.differs.size]
        return self.line.log_odds(rows, self.trees.margins(each)[which])

    def cells(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Give the same number to rows of shape (n_rows, n_kept) on the same side of every threshold."""
        cells, n_cells = np.zeros(len(rows), dtype=np.int64), 1
        for place, feature in enumerate(self.differs.tolist()):
            thresholds = self.trees.thresholds.get(feature)
            if thresholds is None:
                continue
            column = rows[:, place]
            side = np.searchsorted(thresholds, column, side="right")
            side[np.isnan(column)] = thresholds.size + 1
            sides = thresholds.size + 2
            if n_cells > _MOST_CELLS // sides:
                found, cells = np.unique(cells, return_inverse=True)
                n_cells = found.size
            cells, n_cells = cells * sides + side, n_cells * sides
        return cells
