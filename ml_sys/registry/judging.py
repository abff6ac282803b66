"""Judge a version against the one in production.

Stored results are not trusted: both models score the challenger's holdout again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data import snapshot as snapshots
from ml_sys.engine.mapping import Engine
from ml_sys.errors import EngineError, MlsysError
from ml_sys.experiments.cache import own_code
from ml_sys.features.compute import feature_frame
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.rows import Rows
from ml_sys.model.files.layout import CANARIES
from ml_sys.registry.best_rule import over_parts, rules_of
from ml_sys.registry.gate import Case, Contender, Verdict, judge
from ml_sys.registry.loading import judged
from ml_sys.scoring.loading import probabilities_by
from ml_sys.text import is_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.features.panel import Panel
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.registry.loading import Judged
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import GateSettings, Settings


def judge_version(
    registry: Registry,
    version: str,
    champion: str | None,
    settings: Settings,
    on_step: Callable[[str], None],
    standard: GateSettings | None = None,
) -> Verdict:
    """Score the challenger's holdout with champion and challenger, and judge them; nothing is changed.

    Parameters
    ----------
    version : str
        The challenger.
    champion : str or None
        The version in production, or the rule.
    standard : GateSettings, optional
        See :func:`promote`.
    """
    gate, seed, engine = settings.gate, settings.seed, Engine.of(settings.engine, partial(own_code, settings))
    on_step("verifying files")
    try:
        artifact = registry.open(version)
        found = judged(registry, artifact)
    except MlsysError as error:
        return judge(_unverified(version, error.message), gate, seed=seed, standard=standard)
    panel = found.panel
    on_step("scoring the holdout")
    case = Case(
        champion=None,
        challenger=Contender(version, found.probability, _doubts(registry, artifact, panel, found.known)),
        label=panel.label,
        cutoff=panel.cutoff,
        company=panel.company,
        share=artifact.manifest["holdout"].get("share", 1.0),
        failed_canaries=tuple(
            f"{one['name']}: {one['found']}" for one in artifact.json(CANARIES) if one["status"] == "failed"
        ),
        rules=rules_of(registry, artifact, found, engine),
        entity=found.scorer.spec.form.words.entity,
        rule_stands=is_rule(champion),
    )
    if champion is not None and not is_rule(champion):
        case = _with_champion(registry, champion, case, artifact, found, engine)
    on_step("comparing" if champion else "judging")
    return judge(case, gate, seed=seed, standard=standard)


def _unverified(version: str, problem: str) -> Case:
    nothing = np.empty(0, dtype=np.int32)
    return Case(Contender(version, None, (problem,)), None, nothing.astype(bool), nothing, nothing)


def _with_champion(
    registry: Registry,
    champion: str,
    case: Case,
    artifact: Artifact,
    ours: Judged,
    engine: Engine,
) -> Case:
    panel = ours.panel
    try:
        theirs = registry.open(champion)
        held = judged(registry, theirs)
    except MlsysError as error:
        return replace(case, champion=Contender(champion, None, (error.message,)))
    unmatched, probability = "", None
    horizons = theirs.manifest["horizon_days"], artifact.manifest["horizon_days"]
    if horizons[0] != horizons[1]:
        unmatched = f"{champion} looks {horizons[0]} days ahead, and {case.challenger.version} {horizons[1]}"
    else:
        try:
            scorer = held.scorer
            if scorer.spec == ours.scorer.spec:
                probability = probabilities_by(scorer, panel.rows)
            else:
                probability = _scored_anew(registry, scorer, artifact, panel, engine)
        except EngineError:  # which says nothing of the champion
            raise
        except MlsysError as error:
            unmatched = f"{champion} needs other features, which cannot be computed: {error.message}"
    both = replace(
        case,
        champion=Contender(champion, probability, ()),
        overlap=overlap(theirs.manifest, artifact.manifest),
        unmatched=unmatched,
    )
    if _by_company(theirs.manifest, artifact.manifest):
        ids, theirs_ids = (one.known["id"].to_numpy(dtype=object).astype(str) for one in (ours, held))
        return both.only(np.isin(ids, theirs_ids))
    return both


def _scored_anew(
    registry: Registry, theirs: Scorer, artifact: Artifact, panel: Panel, engine: Engine
) -> NDArray[np.float64]:
    """Let a champion score a challenger's holdout by features of its own, from the challenger's snapshot."""
    probability = np.empty(len(panel))
    over_parts(
        registry, artifact, panel, partial(_probabilities, theirs=theirs), probability.__setitem__, engine
    )
    return probability


def _probabilities(
    part: Snapshot, cutoffs: NDArray[np.int32], at: NDArray[np.intp], *, theirs: Scorer
) -> NDArray[np.float64]:
    everyone = feature_frame(FeatureInputs.from_snapshot(part, theirs.spec), cutoffs, theirs.spec)
    return probabilities_by(theirs, Rows.of(everyone.take(at)))


def overlap(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> str:
    """Explain how a champion was trained on rows of a challenger's holdout; empty if it was not.

    Parameters
    ----------
    champion, challenger : mapping
        Their manifests.
    """
    last = np.datetime64(champion["fit"]["cutoffs"][-1], "D") + np.timedelta64(champion["horizon_days"], "D")
    first = np.datetime64(challenger["holdout"]["cutoffs"][0], "D")
    if last <= first:
        return ""
    if _by_company(champion, challenger):  # rows of companies that it has learnt from are left out
        return ""
    return f"it was trained on outcomes up to {last}, but this holdout begins on {first}"


def _by_company(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> bool:
    """Return whether both versions hold out companies rather than days."""
    return all(one["settings"]["split.kind"] == "stratified" for one in (champion, challenger))


def _doubts(registry: Registry, artifact: Artifact, panel: Panel, known: pd.DataFrame) -> tuple[str, ...]:
    """Return how the holdout contradicts its snapshot, if that still exists."""
    try:
        snapshot = snapshots.Everyone.of(snapshots.stored(registry.root, artifact.manifest["snapshot"]))
    except MlsysError:
        return ()
    horizon = artifact.manifest["horizon_days"]
    ids = pa.array(known["id"], pa.string())
    if panel.company.max(initial=-1) >= len(snapshot) or not snapshot.ids.take(panel.company).equals(ids):
        return (f"its holdout has other {snapshot.form.words.entity.many} than its snapshot",)
    day = snapshot.closed[panel.company].astype(np.int64)
    if ((day >= panel.cutoff) & (day < panel.cutoff + horizon) != panel.label).any():
        return ("its holdout has other outcomes than its snapshot",)
    return ()
