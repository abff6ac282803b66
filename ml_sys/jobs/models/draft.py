"""Fit a model and collect everything about it before it becomes a version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tomlkit

from ml_sys.engine.mapping import Engine
from ml_sys.experiments.reseeding import SeedSpread, seed_spreads
from ml_sys.jobs.models.fit import OnStep, fit_snapshot
from ml_sys.leaks.canaries import run_canaries
from ml_sys.metrics.holdout import to_plain
from ml_sys.model.files.layout import BOOSTER, CANARIES, METRICS, SCORER, SETTINGS, as_json, feature_schema
from ml_sys.model.files.serialization import model_files
from ml_sys.registry.environment import environment, git_state
from ml_sys.report.gathering import Candidate, gather_evidence
from ml_sys.report.past_performance import play_past
from ml_sys.scoring.loading import prove_equal
from ml_sys.scoring.pipeline_scorer import PipelineScorer
from ml_sys.settings.tree import effective, nested
from ml_sys.text import date_of

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.features.panel import Panel
    from ml_sys.jobs.models.fit import Fit
    from ml_sys.leaks.canary import Canary
    from ml_sys.report.evidence import Evidence
    from ml_sys.scoring.scorer import CompiledScorer
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class Draft:
    """A fitted model and everything known about it before it becomes a version.

    Attributes
    ----------
    facts : dict
        The manifest, without the line in the registry and the parent.
    evidence : Evidence
        Without a version's name yet.
    files : dict of str to bytes
        The files that depend on neither.
    """

    fit: Fit
    canaries: tuple[Canary, ...]
    seeds: tuple[SeedSpread, ...]
    compiled: bool
    facts: dict[str, Any]
    evidence: Evidence
    files: dict[str, bytes]


def drafted(root: Path, snapshot: Snapshot | Outline, settings: Settings, on_step: OnStep) -> Draft:
    """Fit a model and make all parts of its report; past lists are cached below ``root``."""
    with Engine.of(settings.engine).held():
        return _drafted(root, snapshot, settings, on_step)


def _drafted(root: Path, snapshot: Snapshot | Outline, settings: Settings, on_step: OnStep) -> Draft:
    fit = fit_snapshot(snapshot, settings, on_step)
    on_step("looking for leaks")
    canaries = run_canaries(fit.source, fit.model.spec, settings, fit.part, fit.holdout)
    shares = fit.source.share_of(fit.part.validation), fit.source.share_of(fit.holdout)
    if settings.report.seeds:
        on_step("fitting with other seeds")
    seeds = seed_spreads(fit.part, fit.holdout, fit.model.spec, settings, shares=shares)
    contents = model_files(fit.model, fit.holdout, fit.source.ids, fit.probability)
    scorer = _compiled(fit, contents)
    past = play_past(root, snapshot, fit.source, fit.part, settings, on_step)
    on_step("gathering the evidence")
    facts = _facts(fit, snapshot.id, settings, compiled=scorer is not None, share=shares[1])
    evidence = gather_evidence(
        Candidate(
            fit.model,
            scorer or PipelineScorer(fit.model),
            fit.holdout,
            fit.source.ids[fit.holdout.company],
            fit.probability,
            fit.evaluation,
        ),
        canaries=canaries,
        facts=facts,
        bootstrap=settings.bootstrap,
        snapshot=snapshot,
        past=past,
        seeds=seeds,
    )
    files = {
        **contents,
        METRICS: as_json(to_plain(fit.evaluation)),
        CANARIES: as_json([one.to_plain() for one in canaries]),
        SETTINGS: tomlkit.dumps(nested(settings)).encode(),
    }
    return Draft(fit, canaries, seeds, scorer is not None, facts, evidence, files)


def _compiled(fit: Fit, contents: dict[str, bytes]) -> CompiledScorer | None:
    scorer, booster = json.loads(contents[SCORER]), contents.get(BOOSTER)
    return prove_equal(scorer, booster, fit.holdout.rows, fit.probability)


def _facts(fit: Fit, snapshot: str, settings: Settings, *, compiled: bool, share: float) -> dict[str, Any]:
    return {
        "snapshot": snapshot,
        "seed": settings.seed,
        "horizon_days": settings.label.horizon_days,
        "fit": {**asdict(fit.report), "cutoffs": [date_of(c) for c in fit.report.cutoffs]},
        "holdout": _holdout_facts(fit.holdout, share),
        "feature_schema": feature_schema(fit.model.spec),
        "compiled": compiled,
        "settings": {**effective(settings), "snapshot": snapshot},
        **environment(),
        "git": git_state(),
    }


def _holdout_facts(holdout: Panel, share: float) -> dict[str, Any]:
    return {
        "cutoffs": [date_of(c) for c in np.unique(holdout.cutoff)],
        "rows": len(holdout),
        "positives": int(holdout.label.sum()),
        "companies": int(np.unique(holdout.company).size),
        "companies_converted": int(np.unique(holdout.company[holdout.label]).size),
        "share": share,
    }
