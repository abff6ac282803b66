"""How close a model comes to the best possible ranking, when the true probabilities are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_sys.errors import EmptyTableError, MissingColumnError, MissingFileError, NotEnoughDataError
from ml_sys.metrics.ranking import Outcomes, ranking_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.features.panel import Panel

COLUMNS = ("cutoff", "id", "probability")


@dataclass(frozen=True)
class Closeness:
    """A model compared with the truth on the same holdout rows.

    Attributes
    ----------
    rows, positives : int
        Holdout rows whose true probability is known, and conversions among them.
    model, truth : dict of str to float
        Ranking metrics of the model and of the true probabilities.
    model_expected, truth_expected : dict of str to float
        The same over all outcomes that the true probabilities allow: few conversions are much luck.
    correlation : float
        Spearman's rank correlation between the two probabilities.
    """

    rows: int
    positives: int
    model: dict[str, float]
    truth: dict[str, float]
    model_expected: dict[str, float]
    truth_expected: dict[str, float]
    correlation: float

    @property
    def share(self) -> float:
        """Average precision of the model over that of the truth."""
        return self.model["average_precision"] / self.truth["average_precision"]

    @property
    def expected_share(self) -> float:
        """The same over all outcomes that the true probabilities allow."""
        return self.model_expected["average_precision"] / self.truth_expected["average_precision"]


def compare_with_truth(
    path: Path, panel: Panel, ids: NDArray[np.object_], probability: NDArray[np.float64], share: float = 1.0
) -> Closeness:
    """Compare a model with the true probabilities of generated data.

    Parameters
    ----------
    path : Path
        The ``truth.csv`` of ``mlsys sample``.
    panel : Panel
        Holdout rows; n_rows.
    ids : ndarray of shape (n_rows,), object
    probability : ndarray of shape (n_rows,), float64
        The model's.
    share : float
        Share of each whole list that the panel's rows are; depths are those of whole lists.

    Raises
    ------
    InputError
        If the file is missing or is no such table.
    NotEnoughDataError
        If it knows no conversion of the holdout.
    """
    known = _read(path)
    rows = pd.DataFrame({"cutoff": [str(np.datetime64(int(day), "D")) for day in panel.cutoff], "id": ids})
    truth = rows.merge(known, on=["cutoff", "id"], how="left", validate="many_to_one")["probability"]
    found = truth.notna().to_numpy()
    if not panel.label[found].any():
        raise NotEnoughDataError(
            f"{path}: knows no conversion of the holdout's cutoffs",
            hint="name the sample the model was trained on",
        )

    known_rows = panel.take(found)
    ours, exact = probability[found], truth.to_numpy(dtype=np.float64)[found]
    judged = Outcomes(ours, known_rows.label, known_rows.cutoff, known_rows.company, share)
    ranks = pd.DataFrame({"model": ours, "truth": exact}).rank()
    return Closeness(
        rows=len(known_rows),
        positives=int(known_rows.label.sum()),
        model=_judged(judged),
        truth=_judged(replace(judged, score=exact)),
        model_expected=_expected(judged, exact),
        truth_expected=_expected(replace(judged, score=exact), exact),
        correlation=float(np.corrcoef(ranks["model"], ranks["truth"])[0, 1]),
    )


def _judged(outcomes: Outcomes) -> dict[str, float]:
    return _weighted(outcomes, np.ones(outcomes.score.size))


def _expected(outcomes: Outcomes, chance: NDArray[np.float64]) -> dict[str, float]:
    """Count each row as both outcomes, weighted by their probability."""
    both = replace(
        outcomes,
        score=np.tile(outcomes.score, 2),
        label=np.repeat([True, False], outcomes.score.size),
        cutoff=np.tile(outcomes.cutoff, 2),
        company=np.tile(outcomes.company, 2),
    )
    return _weighted(both, np.concatenate([chance, 1 - chance]))


def _weighted(outcomes: Outcomes, weight: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in ranking_metrics(outcomes, weight[None]).items()}


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise MissingFileError(path, "truth")
    try:
        table = pd.read_csv(path, dtype={"cutoff": str, "id": str})
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise EmptyTableError(path) from error
    for column in COLUMNS:
        if column not in table:
            raise MissingColumnError(path, column, list(map(str, table.columns)))
    return table[list(COLUMNS)]
