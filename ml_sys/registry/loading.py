"""From a version's name to a model that may be used."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_sys.errors import MlsysError, SchemaDriftError
from ml_sys.model.layout import drift, feature_spec
from ml_sys.scoring.opening import open_scorer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_sys.model.artifact import Artifact
    from ml_sys.model.train import FittedModel
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer


def load_version(registry: Registry, version: str) -> FittedModel:
    """Load a version's model: files verified, features the same as then, golden rows replayed.

    Raises
    ------
    ArtifactError
        If there is no such version.
    UnverifiedError
        If its files are not what was registered, or the model computes something else than when it was made.
    SchemaDriftError
        If its features mean something else to this code; the hint names the mlsys and the versions that can.
    """
    return built(registry, registry.open(version))


def built(registry: Registry, artifact: Artifact) -> FittedModel:
    """Build the model of a version whose files are verified; raises like :func:`load_version`."""
    from ml_sys.model.contents import load_model  # who scores only, does without all that it imports

    with _drift_explained(registry, artifact):
        return load_model(artifact)


def load_scorer(registry: Registry, version: str) -> Scorer:
    """Load a version's scorer, which gives the model's probabilities; raises like :func:`load_version`."""
    return scorer_of(registry, registry.open(version))


def scorer_of(registry: Registry, artifact: Artifact) -> Scorer:
    """Build the scorer of a version whose files are verified; raises like :func:`load_version`."""
    with _drift_explained(registry, artifact):
        return open_scorer(artifact)


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
    others = f"use version {' or '.join(usable)}, which this mlsys can" if usable else "train again"
    return f"use {made}, which trained it; or {others}"


def _is_usable(registry: Registry, version: str) -> bool:
    try:
        artifact = registry.open(version)
        return not drift(feature_spec(artifact), artifact.manifest["feature_schema"])
    except MlsysError:
        return False
