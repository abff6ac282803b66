"""Trains a model on a snapshot, judges it on the holdout and registers it as a version."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tomlkit

from ml_sys.configuration import effective
from ml_sys.errors import ArtifactError, UnverifiedError
from ml_sys.experiments.reseeding import SeedSpread, seed_spreads
from ml_sys.leaks.canaries import Canary, run_canaries
from ml_sys.metrics.holdout import ALL, Evaluation, evaluate_holdout, to_plain
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.files.artifact import write_artifact
from ml_sys.model.files.layout import (
    BOOSTER,
    CANARIES,
    CARD,
    EVIDENCE,
    METRICS,
    REPORT,
    SCORER,
    SETTINGS,
    as_json,
    feature_schema,
)
from ml_sys.model.files.serialization import model_files
from ml_sys.model.split import Part, Source, split
from ml_sys.model.train import FitReport, FittedModel, fit_model, spec_from
from ml_sys.registry.environment import environment, git_state
from ml_sys.registry.index import Entry, Index, latest
from ml_sys.registry.versioning import derive, parse
from ml_sys.report.card import write_card
from ml_sys.report.evidence import plain
from ml_sys.report.gathering import gather, of_version, parent_of
from ml_sys.report.past_performance import play_past
from ml_sys.report.rendering import render
from ml_sys.scoring.opening import prove_equal
from ml_sys.scoring.pipeline_scorer import PipelineScorer
from ml_sys.text import date_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.features.panel import Panel
    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings

HEADLINE = ("average_precision", "roc_auc", "precision_at_10", "calibration_error")
OnStep = Callable[..., None]


@dataclass(frozen=True)
class Fit:
    """A model fitted to a snapshot, and what it says of the holdout.

    Attributes
    ----------
    source : Source
    part : Part
        Rows that it learnt from.
    model : FittedModel
    report : FitReport
    holdout : Panel
        n_rows rows.
    probability : ndarray of shape (n_rows,), float64
    evaluation : Evaluation
    """

    source: Source
    part: Part
    model: FittedModel
    report: FitReport
    holdout: Panel
    probability: NDArray[np.float64]
    evaluation: Evaluation


@dataclass(frozen=True)
class Trained:
    """A new version, what it learnt from and how it did.

    Attributes
    ----------
    entry : Entry
        Its line in the registry.
    folder : Path
    fit : FitReport
    holdout : dict
        Cutoffs (dates), rows, positives and companies of the holdout, and its share of whole lists.
    evaluation : Evaluation
    seeds : tuple of SeedSpread
        How far headline figures hang on the seed of the fit; empty where that was not asked for.
    canaries : tuple of Canary
    compiled : bool
        Whether a scorer is compiled for it; without one its Pipeline scores, which is slower.
    git : dict
        Commit of the working folder and whether it is dirty; empty outside a repository.
    """

    entry: Entry
    folder: Path
    fit: FitReport
    holdout: dict[str, Any]
    evaluation: Evaluation
    seeds: tuple[SeedSpread, ...]
    canaries: tuple[Canary, ...]
    compiled: bool
    git: dict[str, Any]

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        fit, entry = self.fit, self.entry
        return {
            "version": entry.version,
            "changes": entry.changes,
            "snapshot": entry.snapshot,
            "folder": self.folder,
            "training": {
                "cutoffs": [date_of(c) for c in fit.cutoffs],
                "rows": fit.rows,
                "positives": fit.positives,
                "converters": fit.converters,
                "companies": fit.companies,
                "whole_rows": fit.whole_rows,
                "sampled_rows": fit.sampled_rows,
                "one_in": fit.one_in,
                "trees": fit.trees,
                "positives_after_resampling": fit.after[1],
                "rows_after_resampling": sum(fit.after),
            },
            "holdout": self.holdout,
            "metrics": to_plain(self.evaluation),
            "seeds": self.seeds,
            "status": entry.status,
            "compiled": self.compiled,
            "canaries": self.canaries,
        }


def fit_snapshot(snapshot: Snapshot, settings: Settings, on_step: OnStep = lambda *_: None) -> Fit:
    """Fit a model and judge it on the holdout; nothing is written.

    Parameters
    ----------
    snapshot : Snapshot
    settings : Settings
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    NotEnoughDataError
        If the snapshot cannot carry training and holdout.
    """
    spec = spec_from(settings)
    source = Source.of(snapshot, settings)
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


def train_version(
    registry: Registry,
    snapshot: Snapshot,
    settings: Settings,
    *,
    now: datetime,
    version: str | None = None,
    message: str = "",
    on_step: OnStep = lambda *_: None,
) -> Trained:
    """Train, judge and register a version.

    Parameters
    ----------
    registry : Registry
    snapshot : Snapshot
    settings : Settings
    now : datetime
        Moment of the training, UTC.
    version : str, optional
        Its version; derived from what changed where it is left out.
    message : str
        What its author says of it.
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    NotEnoughDataError
        If the snapshot cannot carry training and holdout.
    ArtifactError
        If the version exists already.
    """
    if version is not None:
        parse(version)
        if version in registry.read().versions:
            raise ArtifactError(
                f"version {version} exists already",
                hint="versions are never overwritten; leave --version out or name a new one",
            )
    message = message.encode(errors="replace").decode()  # half a character from a shell would fail in the end
    fit = fit_snapshot(snapshot, settings, on_step)
    on_step("looking for leaks")
    canaries = run_canaries(fit.source, fit.model.spec, settings, fit.part, fit.holdout)
    shares = fit.source.share_of(fit.part.validation), fit.source.share_of(fit.holdout)
    if settings.report.seeds:
        on_step("fitting with other seeds")
    seeds = seed_spreads(fit.part, fit.holdout, fit.model.spec, settings, shares=shares)
    contents = model_files(fit.model, fit.holdout, fit.source.ids, fit.probability)
    columns = {name: fit.holdout.rows.column(name) for name in fit.model.spec.names()}
    scorer = prove_equal(json.loads(contents[SCORER]), contents.get(BOOSTER), columns, fit.probability)
    past = play_past(registry.root, snapshot, fit.source, fit.part, settings, on_step)
    on_step("gathering the evidence")
    schema, values = feature_schema(fit.model.spec), {**effective(settings), "snapshot": snapshot.id}
    held = _holdout_facts(fit.holdout, shares[1])
    made_with = {**environment(), "git": git_state()}
    of_model = {
        "snapshot": snapshot.id,
        "seed": settings.seed,
        "horizon_days": settings.label.horizon_days,
        "fit": {**asdict(fit.report), "cutoffs": [date_of(c) for c in fit.report.cutoffs]},
        "holdout": held,
        "feature_schema": schema,
        "compiled": scorer is not None,
        "settings": values,
        **made_with,
    }
    evidence = gather(
        model=fit.model,
        scorer=scorer or PipelineScorer(fit.model),
        holdout=fit.holdout,
        ids=fit.source.ids[fit.holdout.company],
        probability=fit.probability,
        evaluation=fit.evaluation,
        canaries=canaries,
        facts=of_model,
        settings=settings,
        snapshot=snapshot,
        past=past,
        seeds=seeds,
    )
    on_step("registering")
    files = {
        **contents,
        METRICS: as_json(to_plain(fit.evaluation)),
        CANARIES: as_json([asdict(one) for one in canaries]),
        SETTINGS: tomlkit.dumps(settings.model_dump(mode="json", by_alias=True)).encode(),
    }

    def build(folder: Path, index: Index) -> Entry:
        parent, before, hash_before = _parent(registry, index)
        derived, why = derive(index.versions, before, values, (hash_before, schema["hash"]))
        entry = Entry(
            version=version or derived,
            status="rejected" if any(one.status == "failed" for one in canaries) else "candidate",
            created_at=now.isoformat(timespec="seconds"),
            changes=why,
            snapshot=snapshot.id,
            data_through=date_of(fit.source.timeline.usage_end),
            metrics=_headline(fit.evaluation),
            message=message,
        )
        facts = {
            "entry": {name: value for name, value in asdict(entry).items() if name != "seal"},
            "parent": parent,
            **of_model,
        }
        beside = None if parent is None else parent_of(registry.open(parent), facts)
        known = of_version(evidence, facts, beside)
        told = {
            CARD: write_card(entry, fit.report, fit.evaluation, held, canaries, facts).encode(),
            REPORT: render(known).encode(),
            EVIDENCE: as_json(plain(known)),
        }
        seal = write_artifact(folder, {**files, **told}, facts, registry.keys)
        return Entry(**{**asdict(entry), "seal": seal})

    entry = registry.add(build)
    folder = registry.folder(entry.version)
    return Trained(
        entry, folder, fit.report, held, fit.evaluation, seeds, canaries, scorer is not None, made_with["git"]
    )


def _holdout_facts(holdout: Panel, share: float) -> dict[str, Any]:
    return {
        "cutoffs": [date_of(c) for c in np.unique(holdout.cutoff)],
        "rows": len(holdout),
        "positives": int(holdout.label.sum()),
        "companies": int(np.unique(holdout.company).size),
        "companies_converted": int(np.unique(holdout.company[holdout.label]).size),
        "share": share,
    }


def _headline(evaluation: Evaluation) -> dict[str, float | None]:
    metrics = evaluation[ALL][MODEL]
    return {name: None if np.isnan(metrics[name].value) else metrics[name].value for name in HEADLINE}


def _parent(registry: Registry, index: Index) -> tuple[str | None, dict[str, Any] | None, str | None]:
    """Return the version that a new one is compared with, its settings and the digest of its features.

    It is the one in production or, where there is none or its files are damaged, the latest.
    """
    if not index.versions:
        return None, None, None
    for parent in dict.fromkeys((index.production or latest(index), latest(index))):
        try:
            manifest = registry.open(parent).manifest
        except UnverifiedError:
            continue
        return parent, manifest["settings"], manifest["feature_schema"]["hash"]
    return None, None, None
