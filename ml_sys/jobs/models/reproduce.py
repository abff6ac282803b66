"""Train a version again from its stored snapshot, settings and seed, and compare bit by bit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data import snapshot as snapshots
from ml_sys.jobs.models.evaluate import differences
from ml_sys.jobs.models.fit import OnStep, fit_snapshot
from ml_sys.metrics.holdout import to_plain
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE
from ml_sys.model.files.layout import BOOSTER, METRICS
from ml_sys.model.files.serialization import booster_bytes, read_holdout, read_settings
from ml_sys.registry.environment import environment

if TYPE_CHECKING:
    import pandas as pd

    from ml_sys.jobs.models.fit import Fit
    from ml_sys.registry.store import Registry
    from ml_sys.settings import EngineSettings


@dataclass(frozen=True)
class Reproduction:
    """A version trained again.

    Attributes
    ----------
    booster : bool or None
        Whether XGBoost's trees are byte for byte the same; None for other estimators.
    metrics : tuple of str
        Metrics that differ from the stored ones.
    same_rows : bool
        Whether the holdout has the same companies, cutoffs and outcomes.
    largest_difference : float or None
        Between stored and new probabilities of the holdout; None if the rows are not the same.
    environment : tuple of str
        What has changed since the version was made, such as "numpy 2.3.0 → 2.4.1".
    """

    version: str
    booster: bool | None
    metrics: tuple[str, ...]
    same_rows: bool
    largest_difference: float | None
    environment: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every bit is the same."""
        same = self.booster is not False and self.same_rows and not self.metrics
        return same and self.largest_difference == 0.0

    @property
    def close(self) -> bool:
        """Whether no probability differs by more than the golden rows may."""
        return self.largest_difference is not None and self.largest_difference <= PROBABILITY_TOLERANCE

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "identical": self.identical, "close": self.close}


def reproduce_version(
    registry: Registry,
    version: str,
    *,
    threads: int | None = None,
    engine: EngineSettings | None = None,
    on_step: OnStep = lambda _: None,
) -> Reproduction:
    """Train a version again and compare.

    Parameters
    ----------
    threads : int, optional
        Threads of the estimator; by default as many as the version was trained with.
    engine : EngineSettings, optional
        The cluster to grow trees on; by default the one that the version was trained on.
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    UnverifiedError
        If a file of the version is not the registered one.
    SnapshotError
        If its snapshot is missing or has changed.
    """
    artifact = registry.open(version)
    on_step("loading the snapshot")
    snapshot = snapshots.opened(registry.root / snapshots.FOLDER / artifact.manifest["snapshot"])
    settings = read_settings(artifact)
    if threads is not None:
        settings = settings.model_copy(update={"threads": threads})
    if engine is not None:
        settings = settings.model_copy(update={"engine": engine})
    fit = fit_snapshot(snapshot, settings, on_step)
    on_step("comparing")
    booster = booster_bytes(fit.model)
    panel, known = read_holdout(artifact)
    same_rows = _same_rows(fit, panel, known)
    gap = np.abs(fit.probability - known["probability"].to_numpy()).max(initial=0.0) if same_rows else None
    then = {
        **artifact.manifest,
        "threads": artifact.manifest["settings"]["threads"],
        "workers": artifact.manifest["fit"].get("workers", 0),
    }
    now = {**environment(), "threads": settings.threads, "workers": fit.report.workers}
    return Reproduction(
        version=version,
        booster=None if booster is None else booster == artifact.file(BOOSTER),
        metrics=tuple(differences(artifact.json(METRICS), to_plain(fit.evaluation))),
        same_rows=same_rows,
        largest_difference=None if gap is None else float(gap),
        environment=tuple(_changes(then, now)),
    )


def _same_rows(fit: Fit, panel: Any, known: pd.DataFrame) -> bool:
    ids = fit.source.ids[fit.holdout.company]
    return (
        len(fit.holdout) == len(panel)
        and bool((ids == known["id"].to_numpy(dtype=object)).all())
        and bool((fit.holdout.cutoff == panel.cutoff).all())
        and bool((fit.holdout.label == panel.label).all())
    )


def _changes(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what has changed among packages, Python, platform, threads, workers, processor and GPU."""
    names = dict.fromkeys((*then["packages"], *now["packages"]))
    pairs = [(name, then["packages"].get(name), now["packages"].get(name)) for name in names]
    pairs += [(name, then[name], now[name]) for name in ("python", "platform", "threads")]
    # Versions made by older code do not have the rest.
    late = [name for name in ("workers", "cpu", "gpu") if name in then]
    pairs += [(name, then[name] or None, now[name] or None) for name in late]
    return [f"{name} {_or_none(old)} → {_or_none(new)}" for name, old, new in pairs if old != new]


def _or_none(value: object) -> object:
    return "none" if value is None else value
