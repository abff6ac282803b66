"""The linear part of a blended model over raw features, and how it combines with the trees' margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.scoring.compiled.loops import COUNTS, OF_TERM, TERM, added, blend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Line:
    """The map from a margin and a row of raw features to log-odds.

    Attributes
    ----------
    terms : ndarray of shape (n_numbers,), TERM
        Empty for a model of trees alone.
    slope, intercept : float
        Of the margin.
    """

    terms: NDArray[Any]
    slope: float
    intercept: float

    @classmethod
    def of(cls, plain: Mapping[str, Any] | None, encoder: Mapping[str, Any], names: Sequence[str]) -> Line:
        """Translate a linear part on encoded numbers to raw features in the order of ``names``.

        Raises
        ------
        ValueError, KeyError, TypeError
            If the files do not contain one on the encoder's numbers.
        """
        if plain is None:
            return cls(np.empty(0, dtype=TERM), 1.0, 0.0)
        weights, means = plain["weights"], plain["means"]
        numbers = encoder["numbers"] if weights else []
        if not len(weights) == len(means) == len(numbers):
            raise ValueError(f"a line of {len(weights)} weights on {len(numbers)} numbers")
        terms = np.zeros(len(weights), dtype=TERM)
        if numbers:
            terms["feature"] = [names.index(name) for name in numbers]
            terms["center"], terms["scale"] = encoder["centers"], encoder["scales"]
            terms["weight"], terms["mean"] = weights, means
            terms["at_blank"] = np.nan  # and stays so if a median is infinite
            counts = np.repeat(np.arange(float(COUNTS))[:, None], len(names), axis=1)
            terms["at_count"] = added(terms, counts).T
            row = np.zeros((1, len(names)))
            row[0, terms["feature"]] = encoder["medians"]
            terms["at_blank"] = added(terms, row)
        values = (*(terms[name] for name in (*OF_TERM, "at_count")), plain["slope"], plain["intercept"])
        if not all(np.isfinite(one).all() for one in values):
            raise ValueError("the line has a number that is not finite")
        return cls(terms, float(plain["slope"]), float(plain["intercept"]))

    def log_odds(self, rows: NDArray[np.float32], margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds, float64, of rows of shape (n_rows, n_features)."""
        out = np.empty(len(rows))
        blend.run(rows, margins, *self.arguments(), out)
        return out

    def added(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what each feature adds to the log-odds, followed by the log-odds at all features' means.

        In a linear model the Shapley value is the weight times the distance from the mean.
        """
        values = np.zeros(row.size + 1)
        values[self.terms["feature"]] = added(self.terms, row[None])
        values[-1] = self.intercept
        return values

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments for the compiled loops."""
        return self.terms, self.slope, self.intercept
