"""Fit a model to a snapshot and evaluate it on the holdout, without writing anything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ml_sys.engine.mapping import Engine
from ml_sys.errors import UsageError
from ml_sys.experiments.cache import own_code
from ml_sys.metrics.holdout import Evaluation, evaluate_holdout
from ml_sys.model.split import Source, TrainingPart, split
from ml_sys.model.train import FitReport, FittedModel, fit_model
from ml_sys.settings.training import BLENDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.engine.cluster import Cluster
    from ml_sys.features.panel import Panel
    from ml_sys.settings import Settings

# Called with the name of each step as it begins, and with the share that is done as it proceeds.
OnStep = Callable[..., None]


@dataclass(frozen=True)
class Fit:
    """A model fitted to a snapshot, and its results on the holdout.

    Attributes
    ----------
    part : TrainingPart
        The training rows.
    holdout : Panel
        n_rows rows.
    probability : ndarray of shape (n_rows,), float64
    """

    source: Source
    part: TrainingPart
    model: FittedModel
    report: FitReport
    holdout: Panel
    probability: NDArray[np.float64]
    evaluation: Evaluation


def fit_snapshot(snapshot: Snapshot | Outline, settings: Settings, on_step: OnStep = lambda *_: None) -> Fit:
    """Fit a model and evaluate it on the holdout, without writing anything.

    Parameters
    ----------
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    NotEnoughDataError
        If the snapshot is too small for training and a holdout.
    UsageError
        If trees are to be grown on a cluster, but the settings name none or an estimator that cannot.
    """
    check_distributed(settings)
    engine = Engine.of(settings.engine, partial(own_code, settings))
    with engine.held():
        return _fitted(snapshot, settings, None if engine.kind == "local" else engine, on_step)


def _fitted(snapshot: Snapshot | Outline, settings: Settings, engine: Engine | None, on_step: OnStep) -> Fit:
    source = Source.of(snapshot, settings, engine)
    spec = source.spec(settings)
    on_step("computing features")
    part, holdout = split(source, spec, settings)
    learned = part.validation.rows
    of_whole = (
        "" if learned.weight is None else f" to a sample: {len(learned):,} of {learned.standing_for():,} rows"
    )
    on_step(f"fitting{of_whole}")
    with _growing(settings) as cluster:
        model, report = fit_model(
            part.train,
            part.validation,
            spec,
            settings,
            share=source.share_of(part.validation),
            cluster=cluster,
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


def check_distributed(settings: Settings) -> None:
    """Check that the settings allow growing trees on a cluster, if they ask for it.

    Raises
    ------
    UsageError
        If they do not; names the setting in the way.
    """
    if not settings.model.distributed:
        return
    if settings.engine.kind != "dask":
        raise UsageError(
            "model.distributed = true grows trees on a Dask cluster, but engine.kind is "
            f"{settings.engine.kind!r}",
            hint='set engine.kind = "dask" and engine.address, or leave out model.distributed',
        )
    params = settings.model.params
    hindered = {
        f"model.estimator is {settings.model.estimator!r}": settings.model.estimator != BLENDED,
        "model.params.tree_method is 'exact'": params.get("tree_method") == "exact",
        "model.params.booster is 'gblinear'": params.get("booster") == "gblinear",
        "model.params.feature_weights is set": params.get("feature_weights") is not None,
    }
    for what, hinders in hindered.items():
        if hinders:
            raise UsageError(
                f"model.distributed = true cannot grow trees if {what}",
                hint=f"it only grows the trees of {BLENDED}, by histograms; leave out one of the two",
            )


@contextmanager
def _growing(settings: Settings) -> Iterator[Cluster | None]:
    """Return the cluster to grow trees on; None to grow them here."""
    if not settings.model.distributed:
        yield None
        return
    with Engine.of(settings.engine).cluster() as cluster:
        yield cluster
