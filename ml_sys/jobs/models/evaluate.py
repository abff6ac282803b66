"""Evaluate a version on its own holdout again, and compare with its stored metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.jobs.models.report import check_report, write_report
from ml_sys.metrics.holdout import ALL, Evaluation, evaluate_holdout, from_plain, table_of, to_plain
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.metrics.truth import Closeness, compare_with_truth
from ml_sys.model.files.layout import EVIDENCE, METRICS
from ml_sys.model.files.serialization import read_settings
from ml_sys.notebook import titled
from ml_sys.registry.loading import judged

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ml_sys.registry.store import Registry


# Relative: a metric is a sum over all rows, and matrix libraries add in another order on each CPU. The
# probabilities themselves have the same bits everywhere.
METRIC_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Reevaluation:
    """A version evaluated again on its holdout, and whether its metrics match the stored ones.

    Attributes
    ----------
    identical : bool
        Whether they are equal to the bit.
    differing : tuple of str
        Metrics that differ by more than `METRIC_TOLERANCE`.
    closeness : Closeness or None
        To the truth, if it was given.
    report : Path or None
        File with the report, if it was written.
    """

    version: str
    evaluation: Evaluation
    holdout: dict[str, Any]
    evidence: dict[str, Any] | None
    identical: bool
    differing: tuple[str, ...]
    closeness: Closeness | None
    report: Path | None = None

    @property
    def table(self) -> pd.DataFrame:
        """Every metric with its interval, by population, ranker and metric."""
        return table_of(self.evaluation)

    def _repr_html_(self) -> str:
        return titled(f"Version {self.version} on its holdout", self.table.loc[(ALL, MODEL), :])

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "version": self.version,
            "identical": self.identical,
            "differing": self.differing,
            "holdout": self.holdout,
            "metrics": to_plain(self.evaluation),
            "evidence": self.evidence,
            "truth": self.closeness,
        }


def evaluate_version(
    registry: Registry, version: str | None, truth: Path | None = None, report: Path | None = None
) -> Reevaluation:
    """Score a version's holdout again, and compare with the stored metrics and, if given, the truth.

    Parameters
    ----------
    version : str, optional
        By default the one in production, or the latest.
    truth : Path, optional
        The ``truth.csv`` of a generated sample.
    report : Path, optional
        File to write the version's report to.

    Raises
    ------
    ArtifactError
        If a file of the version does not verify, or it has no report to write.
    UsageError
        If no report can be written to that file.
    """
    if report is not None:
        check_report(report)
    version = registry.resolve(version)
    artifact = registry.open(version)
    found, settings = judged(registry, artifact), read_settings(artifact)
    panel, probability = found.panel, found.probability
    share = artifact.manifest["holdout"].get("share", 1.0)
    again = evaluate_holdout(
        panel,
        probability,
        threshold=found.scorer.threshold,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        share=share,
    )
    then, now = to_plain(from_plain(artifact.json(METRICS))), to_plain(again)
    differing = tuple(differences(then, now, tolerance=METRIC_TOLERANCE))
    closeness = None
    if truth is not None:
        ids = found.known["id"].to_numpy(dtype=object)
        closeness = compare_with_truth(truth, panel, ids, probability, share)
    evidence = artifact.json(EVIDENCE) if EVIDENCE in artifact.files else None
    if report is not None:
        write_report(artifact, report)
    holdout = artifact.manifest["holdout"]
    return Reevaluation(version, again, holdout, evidence, then == now, differing, closeness, report)


def differences(a: Any, b: Any, path: str = "", *, tolerance: float = 0.0) -> list[str]:
    """Return the paths at which two trees of plain data differ, with a relative tolerance for numbers."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = list(dict.fromkeys([*a, *b]))
        return [
            found
            for key in keys
            for found in differences(
                a.get(key), b.get(key), f"{path} / {key}".strip(" /"), tolerance=tolerance
            )
        ]
    numbers = isinstance(a, float) and isinstance(b, float)
    same = math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) if numbers else a == b
    return [] if same else [path]
