"""Train a model on a snapshot, judge it on the holdout and register it as a version."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.snapshot import parts
from ml_sys.errors import ArtifactError, NotEnoughDataError, UnverifiedError
from ml_sys.form import PLAIN_WORDS
from ml_sys.jobs.models.draft import Draft, drafted
from ml_sys.metrics.holdout import ALL, Evaluation, table_of, to_plain
from ml_sys.metrics.names import HEADLINE
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.files.artifact import write_artifact
from ml_sys.model.files.layout import CARD, EVIDENCE, REPORT, as_json
from ml_sys.model.sufficiency import Sufficiency, sufficiency
from ml_sys.notebook import titled
from ml_sys.registry.index import Entry, Index, latest
from ml_sys.registry.versioning import derive, parse
from ml_sys.report.card import write_card
from ml_sys.report.evidence import plain_evidence
from ml_sys.report.gathering import evidence_of_version, parent_of
from ml_sys.report.rendering import render
from ml_sys.report.sentences import until_enough
from ml_sys.text import date_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.experiments.reseeding import SeedSpread
    from ml_sys.form import Words
    from ml_sys.jobs.models.fit import OnStep
    from ml_sys.leaks.canary import Canary
    from ml_sys.model.train import FitReport
    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class Trained:
    """A new version, its data and its results.

    Attributes
    ----------
    entry : Entry
        Its line in the registry.
    holdout : dict
        Cutoffs (dates), rows, positives and companies of the holdout, and its share of whole lists.
    seeds : tuple of SeedSpread
        How much headline figures depend on the seed of the fit; empty if not asked for.
    compiled : bool
        Whether its scorer is compiled; if not, its Pipeline scores, which is slower.
    git : dict
        Commit of the working folder and whether it is dirty; empty outside a repository.
    sufficiency : Sufficiency
        Whether there are enough conversions to judge a model, and if not, when there will be.
    words : Words
        What entities are called.
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
    sufficiency: Sufficiency
    words: Words = PLAIN_WORDS

    @property
    def table(self) -> pd.DataFrame:
        """Every metric with its interval, by population, ranker and metric."""
        return table_of(self.evaluation)

    def _repr_html_(self) -> str:
        title = f"Version {self.entry.version}, {self.entry.status}, on its holdout"
        return titled(title, self.table.loc[(ALL, MODEL), :])

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
                "synthetic_weight": fit.synthetic_weight,
            },
            "holdout": self.holdout,
            "metrics": to_plain(self.evaluation),
            "seeds": self.seeds,
            "sufficiency": self.sufficiency,
            "status": entry.status,
            "compiled": self.compiled,
            "canaries": self.canaries,
        }


def quick(settings: Settings) -> Settings:
    """Return settings without past lists, resampling and other seeds in the report; the model is the same."""
    left_out = {"backtest": False, "resampling": False, "seeds": 0}
    return settings.model_copy(update={"report": settings.report.model_copy(update=left_out)})


def train_version(
    registry: Registry,
    snapshot: Snapshot | Outline,
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
    now : datetime
        Time of the training, UTC.
    version : str, optional
        Its version number; by default derived from what changed.
    message : str
        The author's remark.
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    NotEnoughDataError
        If the snapshot is too small for training and a holdout.
    ArtifactError
        If the version exists already.
    SnapshotError
        If the artifacts folder disappeared meanwhile; nothing is registered.
    """
    if version is not None:
        parse(version)
        if version in registry.read().versions:
            raise ArtifactError(
                f"version {version} exists already",
                hint="versions are never overwritten; leave out --version, or give a new number",
            )
    message = message.encode(errors="replace").decode()  # half a character from a shell would fail at the end
    enough = sufficient(snapshot, settings)
    try:
        draft = drafted(registry.root, snapshot, settings, on_step)
    except NotEnoughDataError as error:
        until = until_enough(enough)
        raise NotEnoughDataError(error.message, hint="; ".join(filter(None, (until, error.hint)))) from error
    on_step("registering")
    parts(snapshot.path)  # if a shared folder disappeared meanwhile, a new registry would be begun

    def build(folder: Path, index: Index) -> Entry:
        parent, before, hash_before = _parent(registry, index)
        schema_hash = draft.facts["feature_schema"]["hash"]
        derived, why = derive(index.versions, before, draft.facts["settings"], (hash_before, schema_hash))
        entry = Entry(
            version=version or derived,
            status="rejected" if any(one.status == "failed" for one in draft.canaries) else "candidate",
            created_at=now.isoformat(timespec="seconds"),
            changes=why,
            snapshot=snapshot.id,
            data_through=date_of(draft.fit.source.timeline.usage_end),
            metrics=_headline(draft.fit.evaluation),
            message=message,
        )
        return _written(folder, draft, entry, parent, registry)

    entry = registry.add(build)
    return Trained(
        entry,
        registry.folder(entry.version),
        draft.fit.report,
        draft.facts["holdout"],
        draft.fit.evaluation,
        draft.seeds,
        draft.canaries,
        draft.compiled,
        draft.facts["git"],
        enough,
        snapshot.form.words,
    )


def sufficient(snapshot: Snapshot | Outline, settings: Settings) -> Sufficiency:
    """Say whether a snapshot has enough conversions to train and judge a model, and if not, when it will."""
    completed = settings.usage.row_period.complete_on(snapshot.usage_stamp)
    first = int(completed.min(initial=snapshot.as_of))
    return sufficiency(snapshot.closed, first, snapshot.as_of, settings.gate.min_positives)


def _written(folder: Path, draft: Draft, entry: Entry, parent: str | None, registry: Registry) -> Entry:
    """Write a version's files, and return its registry entry with their seal."""
    facts = {
        "entry": {name: value for name, value in asdict(entry).items() if name != "seal"},
        "parent": parent,
        **draft.facts,
    }
    beside = None if parent is None else parent_of(registry.open(parent), facts)
    known = evidence_of_version(draft.evidence, facts, beside)
    fit = draft.fit
    words = fit.model.spec.form.words
    card = write_card(entry, fit.report, fit.evaluation, facts["holdout"], draft.canaries, facts, words)
    told = {CARD: card.encode(), REPORT: render(known).encode(), EVIDENCE: as_json(plain_evidence(known))}
    seal = write_artifact(folder, {**draft.files, **told}, facts, registry.keys)
    return replace(entry, seal=seal)


def _headline(evaluation: Evaluation) -> dict[str, float | None]:
    metrics = evaluation[ALL][MODEL]
    return {name: None if np.isnan(metrics[name].value) else metrics[name].value for name in HEADLINE}


def _parent(registry: Registry, index: Index) -> tuple[str | None, dict[str, Any] | None, str | None]:
    """Return the version to compare a new one with, its settings and the digest of its features.

    It is the one in production or, if there is none or its files are damaged, the latest.
    """
    if not index.versions:
        return None, None, None
    for parent in dict.fromkeys((registry.resolve(None), latest(index))):
        try:
            manifest = registry.open(parent).manifest
        except UnverifiedError:
            continue
        return parent, manifest["settings"], manifest["feature_schema"]["hash"]
    return None, None, None
