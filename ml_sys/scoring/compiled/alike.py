"""Compute log-odds of rows that differ in few features, walking trees once for rows they cannot distinguish.

Prospects without usage have the same usage features. The results have the same bits as for each row alone:
the same leaves and the same terms are added in the same order.
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

# Up to this many differing features are compared; with more it would take as long as walking the trees.
FEW = 16
_MOST_CELLS = 2**62


@dataclass(frozen=True)
class AlikeRows:
    """Trees and linear part for rows that equal one row in all but some features.

    Attributes
    ----------
    trees : Trees
    line : Line
        Over the kept features; the other terms are in its intercept.
    row : ndarray of shape (n_features,), float32
        The numbers that all rows share, NaN for blanks.
    differs : ndarray of shape (n_differing,), int
        Positions of the features in which rows differ.
    kept : ndarray of shape (n_kept,), int
        Positions of these, followed by those of other features that the line needs.
    """

    trees: Trees
    line: Line
    row: NDArray[np.float32]
    differs: NDArray[np.intp]
    kept: NDArray[np.intp]

    @classmethod
    def of(cls, trees: Trees, line: Line, row: NDArray[np.float32], differs: Sequence[int]) -> AlikeRows:
        """Precompute what the rows share.

        Parameters
        ----------
        row : ndarray of shape (n_features,), float32
            One of the rows.
        differs : sequence of int
            Positions of the features in which they may differ.
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
        """Assign numbers to rows of shape (n_rows, n_kept), equal on the same side of all thresholds."""
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
