"""Measure how much the headline figures depend on the seed, by fitting the same rows with other seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.engine.mapping import Engine
from ml_sys.experiments.cache import own_code
from ml_sys.metrics.ranking import Outcomes, ranking_metrics
from ml_sys.model.train import fit_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.model.split import TrainingPart
    from ml_sys.settings import Settings

STEADINESS = ("average_precision", "precision_at_10", "roc_auc")


@dataclass(frozen=True)
class SeedSpread:
    """A holdout metric for models that differ only in their seed.

    Attributes
    ----------
    values : tuple of float
        One a seed; NaN where it is not defined.
    mean, deviation, lowest, highest : float
        Of the values; the deviation is the standard one.
    """

    metric: str
    values: tuple[float, ...]
    mean: float
    deviation: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, metric: str, values: Sequence[float]) -> SeedSpread:
        """Describe the values of a metric, one at least."""
        known = np.asarray(values, dtype=np.float64)
        figures = (float(figure) for figure in (known.mean(), known.std(), known.min(), known.max()))
        return cls(metric, tuple(values), *figures)


def seed_spreads(
    part: TrainingPart, holdout: Panel, spec: FeatureSpec, settings: Settings, *, shares: tuple[float, float]
) -> tuple[SeedSpread, ...]:
    """Fit again with the seeds that follow the settings' own, and judge each fit on the holdout.

    The seed is not chosen by it: the version keeps the seed in the settings.

    Parameters
    ----------
    part : TrainingPart
        The training part.
    settings : Settings
        ``report.seeds`` says how many; none gives nothing.
    shares : tuple of float
        Share of each whole list that the validation rows are, and that the holdout's are.

    Returns
    -------
    tuple of SeedSpread
        One for each of `STEADINESS`.
    """
    seeds = range(settings.seed + 1, settings.seed + 1 + settings.report.seeds)
    if not seeds:
        return ()
    engine = Engine.of(settings.engine, partial(own_code, settings))
    if engine.kind != "local":  # files of this machine are not there on a cluster
        holdout = replace(holdout, rows=holdout.rows.in_memory())
    found = engine.map(partial(_judged, part, holdout, spec, settings, shares), seeds)
    return tuple(SeedSpread.of(metric, [one[metric] for one in found]) for metric in STEADINESS)


def _judged(
    part: TrainingPart,
    holdout: Panel,
    spec: FeatureSpec,
    settings: Settings,
    shares: tuple[float, float],
    seed: int,
) -> dict[str, float]:
    single = settings.model_copy(update={"seed": seed, "threads": 1})
    model, _ = fit_model(part.train, part.validation, spec, single, share=shares[0])
    score = model.probabilities(holdout.rows)
    judged = Outcomes(score, holdout.label, holdout.cutoff, holdout.company, shares[1])
    return {
        name: float(value[0]) for name, value in ranking_metrics(judged, np.ones((1, score.size))).items()
    }
