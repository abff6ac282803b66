"""From a version's name to a model that may be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.errors import MlsysError, SchemaDriftError
from ml_sys.model.contents import drift, feature_spec, load_model

if TYPE_CHECKING:
    from ml_sys.model.artifact import Artifact
    from ml_sys.model.train import FittedModel
    from ml_sys.registry.store import Registry


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
    try:
        return load_model(artifact)
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
