"""The names of a version's files, and the contents of the plain ones.

Nothing here needs the libraries that models are trained with, so that a service can do without them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, ZipInfo

from ml_sys.days import Period
from ml_sys.errors import MlsysError, SchemaDriftError
from ml_sys.features.compute import FeatureSpec
from ml_sys.form import PLAIN_WORDS, Form, Words, form_from_plain
from ml_sys.resolve import refuse_unnamed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ml_sys.model.files.artifact import Artifact

PIPELINE, BOOSTER, SCORER = "pipeline.skops", "booster.json", "scorer.json"
METRICS, HOLDOUT, SETTINGS, CARD = "metrics.json", "holdout.parquet", "settings.toml", "card.md"
GOLDEN, CANARIES = "golden.json", "canaries.json"
REPORT, EVIDENCE = "report.html", "evidence.json"
# The file in a Pipeline file that says what the others are.
_SCHEMA = "schema.json"


def feature_spec(artifact: Artifact) -> FeatureSpec:
    """Return the features that a version takes.

    Raises
    ------
    ResolveError
        If it names a feature to import that the current settings do not.
    """
    spec = spec_from_plain(artifact.json(SCORER)["features"])
    refuse_unnamed(spec.extra, artifact.named, artifact.folder / SCORER)
    return spec


def spec_from_plain(plain: Mapping[str, Any]) -> FeatureSpec:
    """Rebuild from JSON what :func:`dataclasses.asdict` took apart."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    form = _one_object(form_from_plain(values["form"]))
    return FeatureSpec(**{**values, "period": Period(**values["period"]), "form": form})


def words_of(artifact: Artifact) -> Words:
    """Return what a version's form calls things; the common words where it is older than forms."""
    form = artifact.json(SCORER)["features"].get("form")
    return form_from_plain(form).words if form else PLAIN_WORDS


@lru_cache(maxsize=8)
def _one_object(form: Form) -> Form:
    """Return one object for equal forms: comparing what is the same object costs nothing."""
    return form


def usable_spec(artifact: Artifact) -> FeatureSpec:
    """Return the features that a version takes, if this code still produces them.

    Raises
    ------
    SchemaDriftError
        If it does not.
    ResolveError
        If it names a feature to import that the current settings do not.
    """
    spec = feature_spec(artifact)
    problem = drift(spec, artifact.manifest["feature_schema"])
    if problem:
        raise SchemaDriftError(f"{artifact.folder}: {problem}")
    return spec


def feature_schema(spec: FeatureSpec) -> dict[str, Any]:
    """Return the features' entry in the manifest: the digest of their meaning, and each one's group."""
    return {"hash": spec.schema_hash(), "features": spec.groups()}


def drift(spec: FeatureSpec, schema: Mapping[str, Any]) -> str:
    """Describe how a version's features differ from what this code computes for the same specification.

    Parameters
    ----------
    schema : mapping
        What :func:`feature_schema` gave when the version was trained.

    Returns
    -------
    str
        Empty where they do not.
    """
    try:
        now = feature_schema(spec)
    except MlsysError as error:
        return f"this mlsys cannot produce its features: {error.message}"
    if now["hash"] == schema["hash"]:
        return ""
    gone = [name for name in schema["features"] if name not in now["features"]]
    new = [name for name in now["features"] if name not in schema["features"]]
    changes = [f"{', '.join(gone)} gone"] * bool(gone) + [f"{', '.join(new)} new"] * bool(new)
    return "this mlsys does not produce its features: " + (" and ".join(changes) or "their meaning changed")


def as_json(content: Any) -> bytes:
    """Return plain data as the bytes of a JSON file that people can read."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def settled(content: bytes) -> bytes:
    """Return a Pipeline file with names that say nothing, so that the same Pipeline has the same bytes.

    skops names objects and their files by where the objects lay in memory, and files have the time at which
    they were packed. Here they are numbered in the order in which the schema has them, and have no time.
    """
    with ZipFile(BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema, numbers = json.loads(files.pop(_SCHEMA)), dict[Any, int]()
    names = {name: name for name in files}
    for node in _nodes(schema):
        for key, value in node.items():
            if key == "__id__":
                # Whether equal texts or numbers are one object is a matter of chance, and of no account.
                who = (value, len(numbers)) if node.get("__loader__") == "JsonNode" else value
                node[key] = numbers.setdefault(who, len(numbers))
            elif isinstance(value, str) and value in files:
                stem, dot, suffix = value.partition(".")
                names[value] = node[key] = f"{numbers.setdefault(stem, len(numbers))}{dot}{suffix}"
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, held in files.items():
            archive.writestr(ZipInfo(names[name]), held)
        archive.writestr(ZipInfo(_SCHEMA), json.dumps(schema, indent=2))
    return packed.getvalue()


def _nodes(plain: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping of plain data, those that hold others first."""
    if isinstance(plain, dict):
        yield plain
    for one in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        yield from _nodes(one)


def unpacked_as_held(content: bytes) -> bytes:
    """Return a Pipeline file, having refused one that unpacks to more than it holds; ours are not compressed.

    Raises
    ------
    ValueError
        If it does, or is no such file.
    """
    with ZipFile(BytesIO(content)) as archive:
        size = sum(one.file_size for one in archive.infolist())
    if size > len(content):
        raise ValueError(f"of {len(content):,} bytes, it unpacks to {size:,} bytes")
    return content
