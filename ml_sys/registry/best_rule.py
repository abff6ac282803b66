"""Compare a version with the best simple rule, which costs nothing to follow."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ml_sys.data import snapshot as snapshots
from ml_sys.errors import MlsysError
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.rules import rule_scores
from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.names import label
from ml_sys.metrics.paired import converters_of, paired_bootstrap
from ml_sys.metrics.ranking import CumulatedRanking
from ml_sys.metrics.reach import compare_reach, reached
from ml_sys.registry.criteria import Finding, finite, not_judged
from ml_sys.text import between

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.engine.mapping import Engine
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.form import Noun
    from ml_sys.metrics.ranking import Outcomes
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.registry.loading import Judged
    from ml_sys.registry.store import Registry
    from ml_sys.settings import GateSettings

R = TypeVar("R")

# Numbers of calls per list at which converters are counted; their mean gives more weight to the top.
DEPTHS = (10, 25, 50)


def as_good_as_rules(
    model: Outcomes,
    rules: Mapping[str, NDArray[np.float32]],
    settings: GateSettings,
    seed: int,
    entity: Noun = PLAIN_WORDS.entity,
    *,
    standing: bool = False,
) -> Finding:
    """Check that a version ranks at least as well as the best rule, and reaches at least as many converters.

    The best rule by the metric and the best by converters reached may differ. As with a champion, the version
    fails if being worse by more than the tolerance is more probable than the settings allow.

    Parameters
    ----------
    model : Outcomes
        n_rows rows.
    rules : mapping of str to ndarray of shape (n_rows,)
        Scores of each rule.
    standing : bool
        Whether a rule is in production: it is then compared like a champion, however few convert.
    """
    converters, least = converters_of(model), 1 if standing else settings.rule_converters
    required = settings.require_rule or standing
    if converters < least:
        return replace(not_judged(f"{converters} of {least} {entity.many} that convert"), blocking=standing)
    if not rules:
        return replace(not_judged("the holdout has no rules"), blocking=required)
    ranked = {name: replace(model, score=rules[name].astype(np.float64)) for name in sorted(rules)}
    drawn: dict[str, Any] = {
        "tolerance": settings.tolerance,
        "resamples": settings.resamples,
        "confidence": settings.confidence,
        "seed": seed,
    }
    precise = max(ranked, key=lambda name: _metric(ranked[name], settings))
    metric = paired_bootstrap(model, ranked[precise], settings.primary_metric, **drawn)
    far = max(ranked, key=lambda name: sum(reached(ranked[name], depth).sum() for depth in DEPTHS))
    reach = compare_reach(model, ranked[far], DEPTHS, **drawn)
    figures = finite(
        model=metric.challenger,
        rule=metric.champion,
        difference=metric.difference,
        low=metric.low,
        high=metric.high,
        probability_worse=metric.probability_worse,
        converters=converters,
        model_reached=float(np.mean(reach.ours)),
        rule_reached=float(np.mean(reach.theirs)),
        reached_difference=reach.difference.value,
        reached_low=reach.difference.low,
        reached_high=reach.difference.high,
        probability_fewer=reach.probability_fewer,
    )
    most = settings.max_probability_worse
    depths = ", ".join(map(str, DEPTHS))
    return Finding(
        bool(metric.probability_worse <= most and reach.probability_fewer <= most),
        f"{label(settings.primary_metric)} {metric.challenger:.3g}, "
        f"{precise} {metric.champion:.3g}, difference {between(metric.low, metric.high)}; "
        f"converters in the first {depths} of each list {_counts(reach.ours)}, "
        f"{far} {_counts(reach.theirs)}, difference of the means "
        f"{between(reach.difference.low, reach.difference.high)}; worse by over {settings.tolerance:.0%} "
        f"with probability {metric.probability_worse:.2g} and {reach.probability_fewer:.2g}",
        figures,
        blocking=required,
    )


def rules_of(
    registry: Registry, artifact: Artifact, found: Judged, engine: Engine
) -> dict[str, NDArray[np.float32]]:
    """Return the simple rules' scores on a holdout, from its snapshot if that is there, else as stored.

    Raises
    ------
    MlsysError
        If workers of a cluster cannot read the snapshot: then it is not known whether it is there.
    """
    panel = found.panel
    told: dict[str, NDArray[np.float32]] = {}
    n_told = 0

    def tell(rows: NDArray[np.intp], scores: dict[str, NDArray[np.float32]]) -> None:
        nonlocal n_told
        for name, score in scores.items():
            told.setdefault(name, np.empty(len(panel), score.dtype))[rows] = score
        n_told += rows.size

    try:
        over_parts(registry, artifact, panel, partial(_rules, spec=found.scorer.spec), tell, engine)
    except MlsysError:
        if engine.kind != "local":
            raise
        return panel.rules
    # The gate refuses a holdout that is not from this snapshot.
    return told if n_told == len(panel) else panel.rules


def _rules(
    part: Snapshot, cutoffs: NDArray[np.int32], at: NDArray[np.intp], *, spec: FeatureSpec
) -> dict[str, NDArray[np.float32]]:
    _, scores = rule_scores(FeatureInputs.from_snapshot(part, spec), cutoffs)
    return {name: score[at] for name, score in scores.items()}


def over_parts(
    registry: Registry,
    artifact: Artifact,
    panel: Panel,
    function: Callable[[Snapshot, NDArray[np.int32], NDArray[np.intp]], R],
    on_done: Callable[[NDArray[np.intp], R], object],
    engine: Engine,
) -> None:
    """Have each part of a version's snapshot worked on, and tell what becomes of the holdout's rows.

    Parameters
    ----------
    function : callable
        Pure. It takes a part, the cutoffs of the holdout, and which (company, cutoff) of the part its rows
        are, counted company by company.
    on_done : callable
        Called here with rows of the holdout and what was made of them.

    Raises
    ------
    SnapshotError
        If the snapshot is not there any more, or changed.
    """
    parts = snapshots.stored(registry.root, artifact.manifest["snapshot"])
    cutoffs, which = np.unique(panel.cutoff, return_inverse=True)
    order = np.argsort(panel.company, kind="stable")
    company, rows, tasks = panel.company[order], [], []
    for number in range(len(parts)):
        position = parts.positions(number)
        start, end = (np.searchsorted(company, position, side=side) for side in ("left", "right"))
        place = np.repeat(np.arange(position.size), end - start)
        first = np.repeat(start - np.cumsum(end - start) + (end - start), end - start)
        rows.append(order[first + np.arange(place.size)])
        tasks.append((number, place * cutoffs.size + which[rows[-1]]))
    asked = partial(_of_part, function, parts.shared(engine.storage), cutoffs)
    engine.for_parts(len(parts)).each(asked, tasks, lambda number, found: on_done(rows[number], found))


def _of_part(
    function: Callable[[Snapshot, NDArray[np.int32], NDArray[np.intp]], R],
    parts: snapshots.Parts,
    cutoffs: NDArray[np.int32],
    task: tuple[int, NDArray[np.intp]],
) -> R:
    number, at = task
    return function(parts.part(number), cutoffs, at)


def _metric(ranked: Outcomes, settings: GateSettings) -> float:
    found = CumulatedRanking.build(ranked.score, ranked.label, np.ones((1, ranked.score.size)))
    value = found.average_precision() if settings.primary_metric == "average_precision" else found.roc_auc()
    return float(np.nan_to_num(value[0]))


def _counts(reach: tuple[float, ...]) -> str:
    return ", ".join(f"{one:.3g}" for one in reach)
