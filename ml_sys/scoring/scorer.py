"""The compiled scorer: a dictionary of features, one row of float32, trees, a probability.

It gives the Pipeline's results: encoding is monotone, so each threshold of the trees was translated to the
raw number whose encoding reaches it (:mod:`ml_sys.scoring.compiled.compile`). It needs neither pandas nor
scikit-learn nor XGBoost.
"""

from __future__ import annotations

import copyreg
import math
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ml_sys.elementary import sigmoids
from ml_sys.features.spellings import MISSING
from ml_sys.scoring.compiled.alike import FEW, AlikeRows
from ml_sys.scoring.compiled.loops import predict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.model.calibration import Calibrator
    from ml_sys.model.threshold import Tiers
    from ml_sys.scoring.compiled.line import Line
    from ml_sys.scoring.compiled.trees import Trees

_FLOAT32 = np.dtype(np.float32)
_NAN = math.nan
# Rows at a time: what is worked on stays in the processor's cache; the more rows, the more are alike.
_SLICE_ROWS, _ALIKE_ROWS = 1 << 12, 1 << 16
# So that a scorer can be sent to the processes that score parts of a snapshot.
copyreg.pickle(Struct, lambda packer: (Struct, (packer.format,)))


class Scorer(Protocol):
    """Anything that gives a version's probabilities: its compiled scorer, or its Pipeline.

    Attributes
    ----------
    threshold : float
        Decision threshold: the lowest probability that counts as a predicted conversion.
    """

    @property
    def spec(self) -> FeatureSpec: ...  # noqa: D102
    @property
    def threshold(self) -> float: ...  # noqa: D102
    @property
    def tiers(self) -> Tiers: ...  # noqa: D102

    def row(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Return a row of shape (1, n_features) from values in the order of the features, None for blanks."""

    def rows(self, columns: Columns) -> NDArray[np.float32]:
        """Return rows of shape (n_rows, n_features) from feature columns."""

    def probability(self, row: NDArray[np.float32]) -> float:
        """Return P(conversion within the horizon) of one row."""

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return P(conversion within the horizon) of each row."""

    def is_known(self, category: str, level: str) -> bool:
        """Return whether any training row had this value of a category."""

    def usual_levels(self) -> dict[str, str]:
        """Return the most frequent value of each category that has any but blanks."""


@dataclass(frozen=True)
class CompiledScorer:
    """A version's trees and calibration; see :class:`Scorer`.

    Attributes
    ----------
    trees : Trees
        Over raw features, in the order of ``spec.names()``; categories as codes.
    line : Line
        The linear part over raw features.
    codes : dict of int to dict of str to float
        Code of each level, by the column of the category.
    other : dict of int to float
        Code of all other levels.
    known : dict of str to frozenset of str
        Levels of the training rows, by category, including rare ones that have no code.
    arguments : tuple
        The arguments of the loop for one row.
    packer : Struct
        Packs a row's numbers into bytes.
    calibration, threshold, tiers
        As in the fitted model.
    """

    spec: FeatureSpec
    trees: Trees
    line: Line
    codes: dict[int, dict[str, float]]
    other: dict[int, float]
    known: dict[str, frozenset[str]]
    arguments: tuple[Any, ...]
    packer: Struct
    calibration: Calibrator
    threshold: float
    tiers: Tiers

    def row(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Return a row of shape (1, n_features) from values in the order of the features, None for blanks.

        A number too large for float32 becomes infinite.
        """
        plain = [_NAN if one is None else one for one in values]
        for at, codes in self.codes.items():
            level = values[at]
            if level is not None:
                plain[at] = codes.get(level, self.other[at])
        return np.ndarray((1, len(plain)), _FLOAT32, self.packer.pack(*plain))

    def rows(self, columns: Columns) -> NDArray[np.float32]:
        """Return rows of shape (n_rows, n_features) from feature columns."""
        return self._some(columns, np.arange(len(self.spec.names())))

    def of_columns(self, columns: Columns) -> NDArray[np.float64]:
        """Return P(conversion within the horizon) of each row of feature columns.

        The result is that of :meth:`probabilities`. A column with stride 0 holds one number for all rows,
        which is processed only once.
        """
        names = self.spec.names()
        n_rows = len(columns[names[0]])
        differ = [at for at, name in enumerate(names) if columns[name].strides[0]]
        alike = None
        if n_rows and len(differ) <= FEW:
            row = self.rows({name: column[:1] for name, column in columns.items()})[0]
            alike = AlikeRows.of(self.trees, self.line, row, differ)
        step = _SLICE_ROWS if alike is None else _ALIKE_ROWS
        out = np.empty(n_rows)
        for start in range(0, n_rows, step):
            part = {name: column[start : start + step] for name, column in columns.items()}
            log_odds = (
                self.log_odds(self.rows(part))
                if alike is None
                else alike.log_odds(self._some(part, alike.kept))
            )
            out[start : start + step] = self.calibration(sigmoids(log_odds))
        return out

    def probability(self, row: NDArray[np.float32]) -> float:
        """Return P(conversion within the horizon) of one row."""
        return float(predict.run(row, *self.arguments))  # NumPy's own number before numba is loaded

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return P(conversion within the horizon) of each row."""
        return self.calibration(sigmoids(self.log_odds(rows)))

    def log_odds(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of each row, before calibration."""
        return self.line.log_odds(rows, self.trees.margins(rows))

    def is_known(self, category: str, level: str) -> bool:
        """Return whether any training row had this value of a category."""
        return level in self.known[category]

    def usual_levels(self) -> dict[str, str]:
        """Return the most frequent value of each category that has any but blanks."""
        names = self.spec.names()
        return most_frequent_levels({names[at]: list(codes) for at, codes in self.codes.items()})

    def _some(self, columns: Columns, kept: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return some features of the rows, by their places."""
        names = self.spec.names()
        rows = np.empty((len(columns[names[0]]), kept.size), dtype=np.float32)
        for place, at in enumerate(kept.tolist()):
            column = columns[names[at]]
            rows[:, place] = self._coded(at, column) if at in self.codes else column
        return rows

    def _coded(self, at: int, column: NDArray[Any]) -> NDArray[np.float32]:
        codes, other, levels = self.codes[at], self.other[at], column.tolist()
        known = {
            level: _NAN if level is None or level != level else codes.get(level, other)
            for level in set(levels)
        }
        return np.fromiter(map(known.__getitem__, levels), dtype=np.float32, count=len(levels))


def most_frequent_levels(levels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the most frequent level of each category that is not a blank."""
    found = {name: next((one for one in known if one != MISSING), "") for name, known in levels.items()}
    return {name: level for name, level in found.items() if level}
