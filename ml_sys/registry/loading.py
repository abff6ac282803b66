"""Load a version's model or scorer by name."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.errors import MlsysError, SchemaDriftError, UnverifiedError
from ml_sys.model.files.layout import BOOSTER, SCORER, as_json, drift, feature_spec
from ml_sys.scoring.compiled.trees import read_trees
from ml_sys.scoring.loading import distance_from_pipeline, open_scorer, probabilities_by
from ml_sys.scoring.scorer import CompiledScorer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.model.train import FittedModel
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer


@dataclass(frozen=True)
class Judged:
    """A version as production runs it, and its probabilities for its holdout.

    Attributes
    ----------
    scorer : Scorer
        Checked against the Pipeline.
    panel : Panel
        The holdout; n_rows.
    known : DataFrame
        Ids and stored probabilities of its rows.
    probability : ndarray of shape (n_rows,), float64
        The scorer's.
    """

    scorer: Scorer
    panel: Panel
    known: pd.DataFrame
    probability: NDArray[np.float64]


def load_version(registry: Registry, version: str) -> FittedModel:
    """Load a version's model after verifying its files and features and replaying its golden rows.

    Raises
    ------
    ArtifactError
        If there is no such version.
    UnverifiedError
        If its files are not the registered ones, or the model does not reproduce its golden rows.
    SchemaDriftError
        If its features have another meaning in this code; the hint names the mlsys and the versions that
        work.
    """
    return build_model(registry, registry.open(version))


def build_model(registry: Registry, artifact: Artifact) -> FittedModel:
    """Build the model of a version whose files are verified; raises like :func:`load_version`."""
    from ml_sys.model.files.serialization import (
        load_model,  # scoring alone does not need its imports
    )

    with _drift_explained(registry, artifact):
        return load_model(artifact)


def load_scorer(registry: Registry, version: str) -> Scorer:
    """Load a version's scorer, which gives the model's probabilities; raises like :func:`load_version`."""
    return scorer_of(registry, registry.open(version))


def scorer_of(registry: Registry, artifact: Artifact) -> Scorer:
    """Build the scorer of a version whose files are verified; raises like :func:`load_version`."""
    with _drift_explained(registry, artifact):
        return open_scorer(artifact)


def judged(registry: Registry, artifact: Artifact) -> Judged:
    """Score a version's holdout as production would, and check that its Pipeline agrees.

    Raises
    ------
    UnverifiedError
        If the scorer does not have the Pipeline's encoder and trees, or differs on a row of the holdout from
        the Pipeline or from the stored probabilities; and like :func:`load_version`.
    SchemaDriftError
        Like :func:`load_version`.
    """
    from ml_sys.model.files.serialization import read_holdout

    model, scorer = build_model(registry, artifact), scorer_of(registry, artifact)
    panel, known = read_holdout(artifact)
    if isinstance(scorer, CompiledScorer):
        _refuse_other_parts(artifact, model)
    ours = probabilities_by(scorer, panel.rows)
    others = {
        "its Pipeline": model.probabilities(panel.rows),
        "what it said when it was made": known["probability"].to_numpy(),
    }
    for other, probability in others.items():
        found = distance_from_pipeline(ours, probability)
        if found:
            raise UnverifiedError(
                artifact.folder,
                f"its scorer, which production runs, differs from {other} {found} of the holdout",
            )
    return Judged(scorer, panel, known, ours)


def columns_of(features: pd.DataFrame, spec: FeatureSpec) -> Columns:
    """Convert a frame's features to the columns that a scorer takes."""
    return {name: features[name].to_numpy() for name in spec.names()}


def _refuse_other_parts(artifact: Artifact, model: FittedModel) -> None:
    """Refuse a compiled scorer with another encoder, other trees or another linear part than the Pipeline's.

    Differences that no row of the holdout touches would not show in the probabilities.
    """
    from ml_sys.model.files.serialization import blend_plain, booster_bytes

    encoder, blend = json.loads(as_json([model.pipeline["encode"].plain(), blend_plain(model)]))
    if artifact.json(SCORER).get("blend") != blend:
        raise UnverifiedError(artifact.folder / SCORER, "adds up differently from the Pipeline")
    if artifact.json(SCORER)["encoder"] != encoder:
        raise UnverifiedError(artifact.folder / SCORER, "encodes differently from the Pipeline")
    if read_trees(artifact.file(BOOSTER)).as_bytes() != read_trees(booster_bytes(model) or b"").as_bytes():
        raise UnverifiedError(artifact.folder / BOOSTER, "has different trees from the Pipeline")


@contextmanager
def _drift_explained(registry: Registry, artifact: Artifact) -> Iterator[None]:
    try:
        yield
    except SchemaDriftError as error:
        raise SchemaDriftError(error.message, hint=_way_out(registry, artifact)) from error


def _way_out(registry: Registry, artifact: Artifact) -> str:
    """Name the code that can use a version, and the versions that this code can use."""
    facts = artifact.manifest
    made = f"mlsys {facts['packages']['ml-sys']}"
    if facts["git"]:
        made += f" (commit {facts['git']['commit'][:12]}{' with changes' if facts['git']['dirty'] else ''})"
    sound = [one.version for one in registry.read().versions.values() if one.status != "rejected"]
    usable = [version for version in sound if _is_usable(registry, version)]
    others = f"use version {' or '.join(usable)}, which works with this mlsys" if usable else "train again"
    return f"use {made}, which trained it; or {others}"


def _is_usable(registry: Registry, version: str) -> bool:
    try:
        artifact = registry.open(version)
        return not drift(feature_spec(artifact), artifact.manifest["feature_schema"])
    except MlsysError:
        return False
