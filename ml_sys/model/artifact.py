"""A model version on disk: written once, verified before a byte of it is parsed, never a pickle.

A version's folder holds the fitted Pipeline (skops), XGBoost's own booster file, what the scorer needs beside
it, the holdout it is judged on, its metrics, settings and card, and a manifest with the SHA-256 of each of
them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd
import skops.io

from ml_sys.errors import ArtifactError
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.panel import Panel
from ml_sys.model.calibration import Calibrator
from ml_sys.model.threshold import Tiers
from ml_sys.model.train import FittedModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PIPELINE, BOOSTER, SCORER = "pipeline.skops", "booster.ubj", "scorer.json"
METRICS, HOLDOUT, SETTINGS, CARD, MANIFEST = (
    "metrics.json",
    "holdout.parquet",
    "settings.toml",
    "card.md",
    "manifest.json",
)
FORMAT = 1
# Types that a Pipeline file may contain beside those skops trusts itself. A constant, never read from the
# file.
TRUSTED_TYPES = (
    "imblearn.pipeline.Pipeline",
    "ml_sys.model.encoder.FrameEncoder",
    "ml_sys.model.resample.AdaptiveSMOTENC",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "numpy.random._mt19937.__randomstate_ctor",
)
_FEATURE_PREFIX = "feature:"
_RULE_PREFIX = "rule:"


def write_artifact(
    folder: Path,
    model: FittedModel,
    *,
    holdout: Panel,
    ids: Any,
    probability: Any,
    metrics: Mapping[str, Any],
    settings_toml: str,
    card: str,
    facts: Mapping[str, Any],
) -> None:
    """Write a version's files and, last, their manifest.

    Parameters
    ----------
    folder : Path
        An existing, empty folder.
    model : FittedModel
    holdout : Panel
        Rows that the model is judged on; n_rows.
    ids : sequence of str
        Company of each position.
    probability : ndarray of shape (n_rows,), float64
        The model's, of each holdout row.
    metrics : mapping
        Plain data.
    settings_toml, card : str
        The effective settings and the human-readable description.
    facts : mapping
        What else the manifest says: version, snapshot, data, code, lineage.

    Raises
    ------
    ArtifactError
        If the Pipeline holds a type that would not be loaded again.
    """
    skops.io.dump(model.pipeline, folder / PIPELINE)
    unknown = set(skops.io.get_untrusted_types(file=folder / PIPELINE)) - set(TRUSTED_TYPES)
    if unknown:
        raise ArtifactError(
            f"the fitted Pipeline holds {', '.join(sorted(unknown))}, which would not be loaded again",
            hint="use another estimator, or review the type and add it to TRUSTED_TYPES in artifact.py",
        )
    estimator = model.pipeline["model"]
    if hasattr(estimator, "get_booster"):
        (folder / BOOSTER).write_bytes(bytes(estimator.get_booster().save_raw("ubj")))
    scorer = {
        "features": asdict(model.spec),
        "calibrator": asdict(model.calibrator),
        "threshold": model.threshold,
        "tiers": asdict(model.tiers),
    }
    _write_json(folder / SCORER, scorer)
    _write_json(folder / METRICS, metrics)
    _holdout_frame(holdout, ids, probability).to_parquet(folder / HOLDOUT, index=False)
    (folder / SETTINGS).write_text(settings_toml, encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    digests = {path.name: _digest(path.read_bytes()) for path in sorted(folder.iterdir())}
    names = model.spec.groups()
    manifest = {
        "format": FORMAT,
        **facts,
        "feature_schema": {"hash": model.spec.schema_hash(), "features": names},
        "files": digests,
    }
    _write_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a version's manifest.

    Raises
    ------
    ArtifactError
        If it is missing or no manifest.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{folder / MANIFEST}: cannot be read: {error}", hint="restore the version's folder"
        ) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ArtifactError(f"{folder / MANIFEST}: is no manifest", hint="restore the version's folder")
    return manifest


def verified_bytes(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a version, having checked each against the manifest.

    Raises
    ------
    ArtifactError
        If a file is missing, extra, a link, or differs from its digest.
    """
    digests = read_manifest(folder)["files"]
    present = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
    for name in sorted(set(present) ^ set(digests)):
        problem = "is not in the manifest" if name in present else "is missing"
        raise ArtifactError(f"{folder / name}: {problem}", hint="restore the version's folder from a copy")
    contents = {}
    for name, path in present.items():
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{path}: is no plain file", hint="restore the version's folder from a copy")
        contents[name] = path.read_bytes()
        if _digest(contents[name]) != digests[name]:
            raise ArtifactError(
                f"{path}: differs from its digest in the manifest", hint="restore it from a copy"
            )
    return contents


def load_model(folder: Path) -> FittedModel:
    """Load a version's model after verifying every file of it.

    Raises
    ------
    ArtifactError
        If a file does not verify, holds an untrusted type, or means features that this code does not produce.
    """
    contents = verified_bytes(folder)
    unknown = set(skops.io.get_untrusted_types(data=contents[PIPELINE])) - set(TRUSTED_TYPES)
    if unknown:
        raise ArtifactError(f"{folder / PIPELINE}: holds untrusted types: {', '.join(sorted(unknown))}")
    scorer = json.loads(contents[SCORER])
    features: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in scorer["features"].items()
    }
    spec = FeatureSpec(**features)
    if spec.schema_hash() != read_manifest(folder)["feature_schema"]["hash"]:
        raise ArtifactError(
            f"{folder}: was trained on features that this version of mlsys does not produce",
            hint="score with the mlsys version that trained it, or train again",
        )
    calibrator = scorer["calibrator"]
    return FittedModel(
        pipeline=skops.io.loads(contents[PIPELINE], trusted=list(TRUSTED_TYPES)),
        calibrator=Calibrator(
            **{**calibrator, "knots": tuple(calibrator["knots"]), "values": tuple(calibrator["values"])}
        ),
        spec=spec,
        threshold=scorer["threshold"],
        tiers=Tiers(**scorer["tiers"]),
    )


def read_holdout(folder: Path) -> tuple[Panel, pd.DataFrame]:
    """Read the rows that a version is judged on, and their ids and stored probabilities."""
    frame = pd.read_parquet(folder / HOLDOUT)
    names = [str(name) for name in frame.columns]
    features = frame[[name for name in names if name.startswith(_FEATURE_PREFIX)]]
    features = features.rename(columns=lambda name: name.removeprefix(_FEATURE_PREFIX))
    panel = Panel(
        features=features,
        company=frame["company"].to_numpy(),
        cutoff=frame["cutoff"].to_numpy(),
        label=frame["label"].to_numpy(),
        seen=frame["seen"].to_numpy(),
        rules={
            name.removeprefix(_RULE_PREFIX): frame[name].to_numpy()
            for name in names
            if name.startswith(_RULE_PREFIX)
        },
    )
    return panel, frame[["id", "probability"]]


def _holdout_frame(panel: Panel, ids: Any, probability: Any) -> pd.DataFrame:
    known = pd.DataFrame(
        {
            "id": ids[panel.company],
            "company": panel.company,
            "cutoff": panel.cutoff,
            "label": panel.label,
            "seen": panel.seen,
            "probability": probability,
            **{_RULE_PREFIX + name: score for name, score in panel.rules.items()},
        }
    )
    return pd.concat([known, panel.features.add_prefix(_FEATURE_PREFIX)], axis=1)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
