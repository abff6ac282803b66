"""Fit a model to a snapshot and evaluate it on the holdout, without writing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.metrics.holdout import Evaluation, evaluate_holdout
from ml_sys.model.split import Part, Source, split
from ml_sys.model.train import FitReport, FittedModel, fit_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.features.panel import Panel
    from ml_sys.settings import Settings

# Called with the name of each step as it begins and, as it goes on, with the share of it that is done.
OnStep = Callable[..., None]


@dataclass(frozen=True)
class Fit:
    """A model fitted to a snapshot, and its results on the holdout.

    Attributes
    ----------
    part : Part
        Rows that it learnt from.
    holdout : Panel
        n_rows rows.
    probability : ndarray of shape (n_rows,), float64
    """

    source: Source
    part: Part
    model: FittedModel
    report: FitReport
    holdout: Panel
    probability: NDArray[np.float64]
    evaluation: Evaluation


def fit_snapshot(snapshot: Snapshot, settings: Settings, on_step: OnStep = lambda *_: None) -> Fit:
    """Fit a model and evaluate it on the holdout, without writing anything.

    Parameters
    ----------
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    NotEnoughDataError
        If the snapshot cannot carry training and holdout.
    """
    source = Source.of(snapshot, settings)
    spec = source.spec(settings)
    on_step("computing features")
    part, holdout = split(source, spec, settings)
    learned = part.validation.rows
    of_whole = (
        "" if learned.weight is None else f" to a sample: {len(learned):,} of {learned.standing_for():,} rows"
    )
    on_step(f"fitting{of_whole}")
    model, report = fit_model(
        part.train, part.validation, spec, settings, share=source.share_of(part.validation)
    )
    on_step("judging on the holdout")
    probability = model.probabilities(holdout.rows)
    evaluation = evaluate_holdout(
        holdout,
        probability,
        threshold=model.threshold,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        share=source.share_of(holdout),
    )
    return Fit(source, part, model, report, holdout, probability, evaluation)
