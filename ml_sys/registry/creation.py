"""Trains a model on a snapshot, judges it on the holdout and registers it as a version."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, Any

import numpy as np
import tomlkit

from ml_sys.configuration import effective
from ml_sys.errors import ArtifactError
from ml_sys.evaluation.holdout import ALL, MODEL, Evaluation, evaluate_holdout, from_plain, to_plain
from ml_sys.evaluation.truth import Closeness, compare_with_truth
from ml_sys.model.artifact import (
    METRICS,
    SETTINGS,
    load_model,
    read_holdout,
    read_manifest,
    verified_bytes,
    write_artifact,
)
from ml_sys.model.split import Source, split
from ml_sys.model.train import FitReport, fit_model, spec_from
from ml_sys.registry.card import write_card
from ml_sys.registry.store import Entry, Index, Registry, latest
from ml_sys.registry.versioning import derive, parse
from ml_sys.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ml_sys.data.snapshot import Snapshot

HEADLINE = ("average_precision", "roc_auc", "precision_at_10", "calibration_error")
_PACKAGES = ("ml-sys", "imbalanced-learn", "numpy", "pandas", "scikit-learn", "scipy", "skops", "xgboost-cpu")


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
        Cutoffs (dates), rows, positives and companies of the holdout.
    evaluation : Evaluation
    """

    entry: Entry
    folder: Path
    fit: FitReport
    holdout: dict[str, Any]
    evaluation: Evaluation


def train_version(
    registry: Registry,
    snapshot: Snapshot,
    settings: Settings,
    *,
    now: datetime,
    version: str | None = None,
    message: str = "",
    on_step: Callable[[str], None] = lambda _: None,
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
    spec = spec_from(settings)
    source = Source.of(snapshot, settings)
    on_step("computing features")
    part, holdout = split(source, spec, settings)
    on_step("fitting")
    model, fit = fit_model(part.train, part.validation, spec, settings)
    on_step("judging on the holdout")
    probability = model.probabilities(holdout.features)
    evaluation = evaluate_holdout(
        holdout, probability, threshold=model.threshold, bootstrap=settings.bootstrap, seed=settings.seed
    )
    held = {
        "cutoffs": [_date(c) for c in np.unique(holdout.cutoff)],
        "rows": len(holdout),
        "positives": int(holdout.label.sum()),
        "companies": int(np.unique(holdout.company).size),
    }
    values = effective(settings)
    schema_hash = spec.schema_hash()

    def build(folder: Path, index: Index) -> Entry:
        parent = index.production or (latest(index) if index.versions else None)
        before, hash_before = _parent(registry, parent)
        derived, why = derive(index.versions, before, values, (hash_before, schema_hash))
        entry = Entry(
            version=version or derived,
            status="candidate",
            created_at=now.isoformat(timespec="seconds"),
            changes=why,
            snapshot=snapshot.id,
            data_through=_date(source.timeline.usage_end),
            metrics=_headline(evaluation),
            message=message,
        )
        facts = {
            "entry": asdict(entry),
            "parent": parent,
            "snapshot": snapshot.id,
            "seed": settings.seed,
            "horizon_days": settings.label.horizon_days,
            "fit": {**asdict(fit), "cutoffs": [_date(c) for c in fit.cutoffs]},
            "holdout": held,
            "settings": values,
            "packages": {name: package_version(name) for name in _PACKAGES},
            "python": platform.python_version(),
            "platform": platform.platform(),
            "git": _git_state(),
        }
        write_artifact(
            folder,
            model,
            holdout=holdout,
            ids=source.ids,
            probability=probability,
            metrics=to_plain(evaluation),
            settings_toml=tomlkit.dumps(settings.model_dump(mode="json", by_alias=True)),
            card=write_card(entry, fit, held, evaluation, spec, settings.label.horizon_days),
            facts=facts,
        )
        return entry

    on_step("registering")
    entry = registry.add(build)
    return Trained(entry, registry.folder(entry.version), fit, held, evaluation)


@dataclass(frozen=True)
class Reevaluation:
    """A version judged again on its own holdout, and whether its metrics are the stored ones exactly."""

    version: str
    evaluation: Evaluation
    holdout: dict[str, Any]
    identical: bool
    differing: tuple[str, ...]
    closeness: Closeness | None


def evaluate_version(registry: Registry, version: str, truth: Path | None = None) -> Reevaluation:
    """Score a version's holdout again and compare with what was stored, and with the truth where it is known.

    Parameters
    ----------
    registry : Registry
    version : str
    truth : Path, optional
        The ``truth.csv`` of a generated sample.

    Raises
    ------
    ArtifactError
        If a file of the version does not verify.
    """
    folder = registry.folder(version)
    contents = verified_bytes(folder)
    model = load_model(folder)
    manifest = read_manifest(folder)
    settings = Settings.model_validate(tomlkit.parse(contents[SETTINGS].decode()).unwrap())
    panel, known = read_holdout(folder)
    probability = model.probabilities(panel.features)
    again = evaluate_holdout(
        panel,
        probability,
        threshold=model.threshold,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
    )
    stored = from_plain(json.loads(contents[METRICS]))
    differing = tuple(_differences(to_plain(stored), to_plain(again)))
    closeness = None
    if truth is not None:
        closeness = compare_with_truth(truth, panel, known["id"].to_numpy(dtype=object), probability)
    return Reevaluation(version, again, manifest["holdout"], not differing, differing, closeness)


def _differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Name the leaves where two trees of plain data differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = list(dict.fromkeys([*a, *b]))
        return [
            found
            for key in keys
            for found in _differences(a.get(key), b.get(key), f"{path} / {key}".strip(" /"))
        ]
    return [] if a == b else [path]


def _headline(evaluation: Evaluation) -> dict[str, float | None]:
    metrics = evaluation[ALL][MODEL]
    return {name: None if np.isnan(metrics[name].value) else metrics[name].value for name in HEADLINE}


def _parent(registry: Registry, parent: str | None) -> tuple[dict[str, Any] | None, str | None]:
    if parent is None:
        return None, None
    manifest = read_manifest(registry.folder(parent))
    return manifest["settings"], manifest["feature_schema"]["hash"]


def _git_state() -> dict[str, Any]:
    """Return the commit that the working folder is on and whether it is dirty; empty outside a repository."""
    try:
        commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": bool(status)}


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    return done.stdout.strip()


def _date(day: int | np.integer[Any]) -> str:
    return str(np.datetime64(int(day), "D"))
