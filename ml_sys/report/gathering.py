"""Gather a version's evidence for its report."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from ml_sys.data.ingest_report import blank_rates
from ml_sys.data.parts.stored import readable
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import MANIFEST, QUARANTINE
from ml_sys.metrics import calibration, curves
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import from_plain
from ml_sys.metrics.importance import importances, mean_absolute_shap
from ml_sys.metrics.ranking import Outcomes
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.metrics.segments import segments
from ml_sys.model.files.layout import METRICS
from ml_sys.registry.inspection import flat
from ml_sys.report.evidence import Evidence, Parent, Past, Quality, Ranking, Reliance, Truthfulness
from ml_sys.report.examples import examples
from ml_sys.scoring.scorer import CompiledScorer
from ml_sys.settings import Settings
from ml_sys.settings.tree import effective

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.experiments.reseeding import SeedSpread
    from ml_sys.features.panel import Panel
    from ml_sys.features.rows import Rows
    from ml_sys.leaks.canary import Canary
    from ml_sys.metrics.holdout import Evaluation
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.model.train import FittedModel
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import BootstrapSettings

WORKING_DEPTHS = (10, 25, 50, 100, 200, 400)
# Bands of curves need fewer resamples than the figures that decisions rest on.
_MOST_RESAMPLES = 300
# Shufflings of a feature; an estimator that is not compiled is slow to score again.
_REPEATS, _SLOW_REPEATS = 3, 1


@dataclass(frozen=True)
class Candidate:
    """A fitted model and its results on a holdout of n_rows rows.

    Attributes
    ----------
    scorer : Scorer
        Of the same model.
    ids : ndarray of shape (n_rows,), texts
        Id of each row's company.
    probability : ndarray of shape (n_rows,), float64
    """

    model: FittedModel
    scorer: Scorer
    holdout: Panel
    ids: NDArray[Any]
    probability: NDArray[np.float64]
    evaluation: Evaluation


def gather_evidence(
    one: Candidate,
    *,
    canaries: Sequence[Canary],
    facts: Mapping[str, Any],
    bootstrap: BootstrapSettings,
    snapshot: Snapshot | Outline,
    past: Past,
    seeds: tuple[SeedSpread, ...] = (),
) -> Evidence:
    """Gather the evidence for a model; :func:`evidence_of_version` adds the version's name and parent.

    Parameters
    ----------
    facts : mapping
        The manifest's, of which the line in the registry and the parent play no part.
    bootstrap : BootstrapSettings
        How intervals are drawn.
    snapshot : Snapshot
        That it was trained on.
    past : Past
        Sections that cost time; one that is left out is said to be missing.
    seeds : tuple of SeedSpread
        The same figures by other seeds.

    Returns
    -------
    Evidence
        The same for the same arguments.
    """
    defaults = flat(effective(Settings()))
    resamples, confidence = min(bootstrap.resamples, _MOST_RESAMPLES), bootstrap.confidence
    drawn: dict[str, Any] = {"resamples": resamples, "confidence": confidence, "seed": facts["seed"]}
    values = flat(facts["settings"])
    holdout, probability = one.holdout, one.probability
    share = facts["holdout"].get("share", 1.0)
    judged = Outcomes(probability, holdout.label, holdout.cutoff, holdout.company, share)
    return Evidence(
        version="",
        status="",
        created_at="",
        changes="",
        message="",
        snapshot="",
        data_through="",
        horizon_days=facts["horizon_days"],
        confidence=confidence,
        holdout=facts["holdout"],
        fit=facts["fit"],
        evaluation=one.evaluation,
        ranking=_ranking(judged, holdout.rules, drawn),
        truthfulness=Truthfulness(
            calibration.calibration_curve(judged, z=NormalDist().inv_cdf((1 + confidence) / 2)),
            calibration.score_distribution(judged),
            calibration.confusions(judged, one.model.threshold, WORKING_DEPTHS),
        ),
        segments=segments(holdout, probability, one.model.spec, **drawn),
        reliance=_reliance(one, facts["seed"]),
        canaries=tuple(canaries),
        quality=quality_of(snapshot),
        words=one.model.spec.form.words,
        settings=values,
        set_otherwise={
            key: (value, defaults.get(key)) for key, value in values.items() if defaults.get(key) != value
        },
        lineage={},
        past=past,
        seeds=seeds,
    )


def evidence_of_version(evidence: Evidence, facts: Mapping[str, Any], parent: Parent | None) -> Evidence:
    """Return a model's evidence with its registry entry and its parent.

    Parameters
    ----------
    evidence : Evidence
        As gathered.
    facts : mapping
        The whole manifest's.
    parent : Parent, optional
    """
    entry = facts["entry"]
    names = ("version", "status", "created_at", "changes", "message", "snapshot", "data_through")
    return replace(evidence, **{name: entry[name] for name in names}, lineage=_lineage(facts), parent=parent)


def parent_of(artifact: Artifact, facts: Mapping[str, Any]) -> Parent:
    """Return how a version's parent did, to compare it with."""
    manifest = artifact.manifest
    same = manifest["holdout"] == facts["holdout"] and manifest["snapshot"] == facts["snapshot"]
    return Parent(manifest["entry"]["version"], same, from_plain(artifact.json(METRICS)))


def quality_of(snapshot: Snapshot | Outline) -> Quality:
    """Return what is in a snapshot, and what was quarantined."""
    with readable(snapshot.path / MANIFEST) as path:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    with readable(snapshot.path / QUARANTINE) as path:
        table = pq.read_table(path, columns=["table", "reason"])
    counts = table.group_by(["table", "reason"]).aggregate([([], "count_all")]).to_pylist()
    quarantined: dict[str, dict[str, int]] = {name: {} for name in manifest.get("read", {})}
    for one in sorted(counts, key=lambda row: (-row["count_all"], row["reason"])):
        quarantined.setdefault(one["table"], {})[one["reason"]] = one["count_all"]
    companies = snapshot.companies
    blanks = blank_rates(lambda name: companies[name].isna().to_numpy(), snapshot.closed, snapshot.form)
    return Quality(
        companies=len(snapshot.companies),
        customers=int((snapshot.closed != NEVER_CLOSED).sum()),
        usage_rows=snapshot.n_usage_rows,
        read={name: int(rows) for name, rows in manifest.get("read", {}).items()},
        quarantined=quarantined,
        blanks=tuple((one.column, one.customers, one.noncustomers) for one in blanks),
    )


def _ranking(model: Outcomes, scores: Mapping[str, NDArray[Any]], drawn: Mapping[str, Any]) -> Ranking:
    rules = {name: replace(model, score=score.astype(np.float64)) for name, score in scores.items()}
    chance = replace(model, score=np.zeros(model.score.size))
    everyone = {MODEL: model, **rules}
    once = {"resamples": 1, "confidence": drawn["confidence"], "seed": drawn["seed"]}
    return Ranking(
        roc={
            MODEL: curves.roc(model, **drawn),
            **{name: curves.roc(one) for name, one in {**rules, RANDOM: chance}.items()},
        },
        precision_recall={
            MODEL: curves.precision_recall(model, **drawn),
            **{name: curves.precision_recall(one) for name, one in {**rules, RANDOM: chance}.items()},
        },
        gains={name: curves.gains(one) for name, one in everyone.items()},
        depths={
            **{name: curves.working_depths(one, WORKING_DEPTHS, **drawn) for name, one in everyone.items()},
            RANDOM: tuple(map(_without_interval, curves.working_depths(chance, WORKING_DEPTHS, **once))),
        },
        lead={name: curves.lead(model, one, **drawn) for name, one in rules.items()},
    )


def _without_interval(one: curves.Depth) -> curves.Depth:
    """Return a random order's depth, of which only the mean is known."""
    precision, recall = (Estimate(each.value, each.value, each.value) for each in (one.precision, one.recall))
    return curves.Depth(one.depth, precision, recall)


def _reliance(one: Candidate, seed: int) -> Reliance:
    model, scorer, holdout = one.model, one.scorer, one.holdout
    groups = model.spec.groups()
    compiled = isinstance(scorer, CompiledScorer)
    if not compiled:  # the columns of its rows are the encoder's
        groups = {str(name): groups[str(name)] for name in model.pipeline["encode"].get_feature_names_out()}
    rows = _Encoded(scorer, holdout.rows, tuple(groups))
    shap = mean_absolute_shap(scorer, rows, seed) if isinstance(scorer, CompiledScorer) else None
    single, together = importances(
        rows,
        holdout.label,
        holdout.cutoff,
        groups,
        scorer.probabilities,
        gain=_gain(model) if compiled else None,
        shap=shap,
        repeats=_REPEATS if compiled else _SLOW_REPEATS,
        seed=seed,
    )
    hits, misses = examples(holdout, one.probability, one.ids, scorer)
    return Reliance(single, together, hits, misses)


@dataclass(frozen=True)
class _Encoded:
    """Rows as a scorer takes them, made of those alone that are asked for."""

    scorer: Scorer
    rows: Rows
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: NDArray[np.intp]) -> NDArray[np.float32]:
        few = self.rows.take(at).frame()
        return self.scorer.rows({name: few[name].to_numpy() for name in self.names})


def _gain(model: FittedModel) -> dict[str, float]:
    """Return each feature's share of the trees' gain; features that no tree uses are left out."""
    names = [str(name) for name in model.pipeline["encode"].get_feature_names_out()]
    booster = model.pipeline["model"].get_booster()
    gain = {
        names[int(column.removeprefix("f"))]: float(value)
        for column, value in booster.get_score(importance_type="total_gain").items()
    }
    total = sum(gain.values())
    return {name: value / total for name, value in gain.items()}


def _lineage(facts: Mapping[str, Any]) -> dict[str, Any]:
    schema = facts["feature_schema"]
    return {
        "parent": facts["parent"],
        "snapshot": facts["snapshot"],
        "feature_schema": {"hash": schema["hash"], "features": len(schema["features"])},
        "seed": facts["seed"],
        "git": facts.get("git") or None,
        "python": facts["python"],
        "platform": facts["platform"],
        "cpu": facts.get("cpu"),
        "packages": facts["packages"],
    }
