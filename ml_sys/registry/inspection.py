"""Describe one version, or compare two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.holdout import ALL, Evaluation, from_plain, to_plain
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.files.layout import CANARIES, METRICS, words_of
from ml_sys.registry.history import MOVES, Stint, stints
from ml_sys.registry.index import entry_at
from ml_sys.settings import Settings
from ml_sys.settings.tree import effective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.form import Words
    from ml_sys.registry.audit import Record
    from ml_sys.registry.index import Entry
    from ml_sys.registry.store import Registry

# Settings of places, which are not part of a model.
_PLACES = ("artifacts_dir", "snapshot")


@dataclass(frozen=True)
class Description:
    """Everything about a version.

    Attributes
    ----------
    facts : dict
        The manifest without the digests of files.
    set_otherwise : dict
        Settings that differ from their defaults.
    evaluation : Evaluation
        As stored.
    moves : tuple of Record
        Promotions and rollbacks that put it into production.
    words : Words
        What entities are called.
    """

    entry: Entry
    facts: dict[str, Any]
    set_otherwise: dict[str, Any]
    evaluation: Evaluation
    canaries: list[dict[str, Any]]
    moves: tuple[Record, ...]
    served: tuple[Stint, ...]
    words: Words = PLAIN_WORDS

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "entry": self.entry,
            "facts": self.facts,
            "set_otherwise": self.set_otherwise,
            "canaries": self.canaries,
            "promotions": self.moves,
            "served": self.served,
            "metrics": to_plain(self.evaluation),
        }


@dataclass(frozen=True)
class Difference:
    """How two versions differ.

    Attributes
    ----------
    settings, data : dict of str to tuple
        Values of both, by name, where they differ.
    features_gone, features_new : tuple of str
        Features that only the first has, and those that only the second has.
    metrics : dict of str to tuple of float or None
        Of the model on each one's own holdout, all prospects.
    same_holdout : bool
        Whether both were judged on the same cutoffs of the same snapshot.
    """

    versions: tuple[str, str]
    settings: dict[str, tuple[Any, Any]]
    data: dict[str, tuple[Any, Any]]
    features_gone: tuple[str, ...]
    features_new: tuple[str, ...]
    metrics: dict[str, tuple[float | None, float | None]]
    same_holdout: bool


def describe(registry: Registry, version: str) -> Description:
    """Describe a version.

    Raises
    ------
    UnverifiedError
        If one of its files is not the registered one.
    """
    artifact, records = registry.open(version), registry.trail().records
    facts = {name: value for name, value in artifact.manifest.items() if name not in {"files", "entry"}}
    defaults = flat(effective(Settings()))
    return Description(
        entry=entry_at(registry.read(), version, registry.root),
        facts=facts,
        set_otherwise={
            key: value for key, value in flat(facts["settings"]).items() if defaults.get(key) != value
        },
        evaluation=from_plain(artifact.json(METRICS)),
        canaries=artifact.json(CANARIES),
        moves=tuple(one for one in records if one.action in MOVES and one.version == version),
        served=tuple(stints(records).get(version, ())),
        words=words_of(artifact),
    )


def compare(registry: Registry, first: str, second: str) -> Difference:
    """Compare two versions.

    Raises
    ------
    UnverifiedError
        If a file of one of them is not the registered one.
    """
    a, b = describe(registry, first), describe(registry, second)
    settings = [flat(one.facts["settings"]) for one in (a, b)]
    features = [one.facts["feature_schema"]["features"] for one in (a, b)]
    of_model = [one.evaluation[ALL][MODEL] for one in (a, b)]
    return Difference(
        versions=(first, second),
        settings=_differing(*settings),
        data=_differing(_data(a), _data(b)),
        features_gone=tuple(name for name in features[0] if name not in features[1]),
        features_new=tuple(name for name in features[1] if name not in features[0]),
        metrics={
            name: (_defined(one.value), _defined(of_model[1][name].value) if name in of_model[1] else None)
            for name, one in of_model[0].items()
        },
        same_holdout=a.facts["holdout"] == b.facts["holdout"] and a.entry.snapshot == b.entry.snapshot,
    )


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key, with tables flattened and paths left out."""
    flat = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": one for name, one in value.items()})
        elif key not in _PLACES:
            flat[key] = value
    return flat


def _data(one: Description) -> dict[str, Any]:
    fit, holdout = one.facts["fit"], one.facts["holdout"]
    return {
        "snapshot": one.entry.snapshot,
        "usage through": one.entry.data_through,
        "training cutoffs": _span(fit["cutoffs"]),
        "training rows": fit["rows"],
        "sampled of": fit["whole_rows"] if fit.get("one_in", 1) > 1 else None,
        "training conversions": fit["positives"],
        "trees": fit["trees"],
        "holdout cutoffs": _span(holdout["cutoffs"]),
        "holdout rows": holdout["rows"],
        "holdout conversions": holdout["positives"],
    }


def _span(cutoffs: list[str]) -> str:
    return f"{len(cutoffs)}: {cutoffs[0]} to {cutoffs[-1]}"


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys((*a, *b))
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


def _defined(value: float) -> float | None:
    return None if value != value else value
