"""Everything known about a version, as data; the page, the card and the terminal put it into words."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.form import PLAIN_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.experiments.backtest import Backtest
    from ml_sys.experiments.resampling import Resampling
    from ml_sys.experiments.reseeding import SeedSpread
    from ml_sys.form import Words
    from ml_sys.leaks.canary import Canary
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.metrics.calibration import CalibrationBin, Confusion, ScoreBin
    from ml_sys.metrics.curves import Curve, Decile, Depth
    from ml_sys.metrics.holdout import Evaluation
    from ml_sys.metrics.importance import Importance
    from ml_sys.metrics.money import Money
    from ml_sys.metrics.promises import Promises
    from ml_sys.metrics.segments import Segment
    from ml_sys.report.examples import Example


@dataclass(frozen=True)
class Ranking:
    """How good the order is, by ranker; ``lead`` is the model's average precision minus a rule's."""

    roc: dict[str, Curve]
    precision_recall: dict[str, Curve]
    gains: dict[str, tuple[Decile, ...]]
    depths: dict[str, tuple[Depth, ...]]
    lead: dict[str, Estimate]


@dataclass(frozen=True)
class Truthfulness:
    """How accurate the probabilities are, and what each threshold yields."""

    calibration: tuple[CalibrationBin, ...]
    distribution: tuple[ScoreBin, ...]
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True)
class Reliance:
    """What the model relies on, and example companies."""

    features: tuple[Importance, ...]
    groups: tuple[Importance, ...]
    hits: tuple[Example, ...]
    misses: tuple[Example, ...]


@dataclass(frozen=True)
class Quality:
    """What the snapshot is made of.

    Attributes
    ----------
    read : dict of str to int
        Rows read, by table.
    quarantined : dict of str to dict of str to int
        Table → reason → rows that did not get in.
    blanks : tuple of tuple
        Column, share of blanks of customers and of the others.
    """

    companies: int
    customers: int
    usage_rows: int
    read: dict[str, int]
    quarantined: dict[str, dict[str, int]]
    blanks: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Parent:
    """The version that this one is compared with.

    Attributes
    ----------
    same_holdout : bool
        Whether both were judged on the same cutoffs of the same snapshot.
    evaluation : Evaluation
        On its own holdout.
    """

    version: str
    same_holdout: bool
    evaluation: Evaluation


@dataclass(frozen=True)
class Past:
    """How a version's settings would have done in the past; None for what was not requested.

    Attributes
    ----------
    backtest : Backtest or None
        Past lists, made again, and the season of calls that they add up to.
    promises : Promises or None
        Conversions that those lists promised and got.
    money : Money or None
        What those lists were worth.
    resampling : Resampling or None
        Ways to treat the imbalance, beside each other.
    """

    backtest: Backtest | None = None
    promises: Promises | None = None
    money: Money | None = None
    resampling: Resampling | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything known about a version.

    Attributes
    ----------
    version, status, created_at, changes, message, snapshot, data_through : str
        Its line in the registry.
    confidence : float
        Of every interval.
    holdout, fit : mapping
        Facts of the rows it was judged on and learnt from.
    quality : Quality or None
        None where the snapshot is not at hand.
    settings : mapping
        Dotted key → value.
    set_otherwise : mapping
        Dotted key → (value, default), where they differ.
    lineage : mapping
        What it was made of and with.
    parent : Parent or None
        None for a first version.
    seeds : tuple of SeedSpread
        Headline figures by other seeds of the fit; empty where that was not asked for.
    words : Words
        What entities and their money are called; no evidence.
    """

    version: str
    status: str
    created_at: str
    changes: str
    message: str
    snapshot: str
    data_through: str
    horizon_days: int
    confidence: float
    holdout: Mapping[str, Any]
    fit: Mapping[str, Any]
    evaluation: Evaluation
    ranking: Ranking
    truthfulness: Truthfulness
    segments: tuple[Segment, ...]
    reliance: Reliance
    canaries: tuple[Canary, ...]
    quality: Quality | None
    settings: Mapping[str, Any]
    set_otherwise: Mapping[str, tuple[Any, Any]]
    lineage: Mapping[str, Any]
    parent: Parent | None = None
    past: Past = Past()
    seeds: tuple[SeedSpread, ...] = ()
    words: Words = PLAIN_WORDS


# The rows of every past list would be a file of their own; their season has a key of its own.
_LEFT_OUT = {"Backtest": {"lists", "ids", "season"}, "Canary": {"words"}}


def plain_evidence(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence as plain JSON data; undefined numbers become None.

    The keys are public, so the parts of the past stand next to the others.
    """
    past, back = evidence.past, evidence.past.backtest
    parts = {
        one.name: getattr(evidence, one.name) for one in fields(evidence) if one.name not in {"past", "words"}
    }
    parts |= {
        "backtest": back,
        "campaign": None if back is None else back.season,
        "promise": past.promises,
        "money": past.money,
        "resampling": past.resampling,
    }
    return {name: _plain(one) for name, one in parts.items()}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        left_out = _LEFT_OUT.get(type(value).__name__, set())
        names = [one.name for one in fields(value) if one.name not in left_out]
        names += [name for name, one in vars(type(value)).items() if isinstance(one, property)]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
