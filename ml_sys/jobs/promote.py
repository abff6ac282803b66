"""Moves the production pointer: forwards through the gate, backwards to what was in production before.

Nothing that is stored is believed: both models score the challenger's holdout anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data import snapshot as snapshots
from ml_sys.errors import ChampionChangedError, MlsysError, UsageError
from ml_sys.features.compute import FeatureInputs, feature_frame
from ml_sys.model.files.layout import CANARIES
from ml_sys.registry.best_rule import rules_of
from ml_sys.registry.gate import Contender, Evidence, Verdict, judge
from ml_sys.registry.loading import columns_of, judged
from ml_sys.registry.store import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.jobs.train import OnStep
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.registry.loading import Judged
    from ml_sys.registry.store import Registry
    from ml_sys.settings import GateSettings

# How often a verdict is made anew because another process changed the champion meanwhile.
_ATTEMPTS = 5


@dataclass(frozen=True)
class Promotion:
    """What came of a promotion.

    Attributes
    ----------
    version : str
    verdict : Verdict or None
        None where the version was in production already.
    replaced : str or None
        The version in production before; it still is where nothing was promoted.
    promoted : bool
        Whether the version is in production now.
    """

    version: str
    verdict: Verdict | None
    replaced: str | None
    promoted: bool

    @property
    def refused(self) -> bool:
        """Whether the gate kept it out."""
        return self.verdict is not None and not self.verdict.passed and not self.promoted

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "production": self.version if self.promoted else self.replaced,
            "replaced": self.replaced if self.promoted else None,
            "promoted": self.promoted,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Rollback:
    """The version in production again, and the one that it took the place of."""

    production: str
    left: str


def promote(
    registry: Registry,
    version: str,
    gate: GateSettings,
    *,
    seed: int,
    standard: GateSettings | None = None,
    dry_run: bool = False,
    force: bool = False,
    reason: str = "",
    on_step: OnStep = lambda _: None,
) -> Promotion:
    """Judge a version against the one in production and, if it passes, put it there.

    Parameters
    ----------
    registry : Registry
    version : str
    gate : GateSettings
    seed : int
        Of the bootstrap.
    standard : GateSettings, optional
        What the settings file asks, where ``gate`` may be laxer: that has to be forced.
    dry_run : bool
        Judge, but change nothing.
    force : bool
        Promote in spite of the verdict; never a version whose files do not verify.
    reason : str
        Kept in the audit trail; needed with ``force``.
    on_step : callable
        Called with the name of each step as it begins.

    Returns
    -------
    Promotion
        With ``promoted`` False where the gate refused, or for a dry run.

    Raises
    ------
    UsageError
        If ``force`` comes without a reason.
    UnverifiedError, SchemaDriftError
        If ``force`` is asked for a version that cannot be used.
    """
    if force and not reason.strip():
        raise UsageError("--force needs a reason", hint='say why: --force --reason "…"')
    if not dry_run:
        registry.recover()  # a version whose writer was killed before it could register it may be promoted
    version = registry.resolve(version)
    for attempt in range(_ATTEMPTS):
        champion = registry.read().production
        if champion == version:
            return Promotion(version, None, champion, promoted=True)
        verdict = judge_version(registry, version, champion, gate, seed, on_step, standard)
        if dry_run or not (verdict.passed or force):
            return Promotion(version, verdict, champion, promoted=False)
        if force:
            judged(
                registry, registry.open(version)
            )  # raises where its files do not verify: that cannot be forced
        change = Change(reason, forced=not verdict.passed, evidence=verdict.to_plain())
        try:
            registry.promote(version, champion, change)
        except ChampionChangedError:
            if attempt + 1 == _ATTEMPTS:
                raise
            continue
        return Promotion(version, verdict, champion, promoted=True)
    raise AssertionError  # the loop returns or raises


def rollback(registry: Registry, to: str | None = None, reason: str = "") -> Rollback:
    """Go back to the production version before, or to an earlier one, after proving that it can be used.

    Raises
    ------
    ArtifactError
        If there is none to go back to, or it cannot be used.
    """
    left, now = registry.rollback(Change(reason), lambda target: judged(registry, registry.open(target)), to)
    return Rollback(now, left)


def judge_version(
    registry: Registry,
    version: str,
    champion: str | None,
    gate: GateSettings,
    seed: int,
    on_step: OnStep,
    standard: GateSettings | None = None,
) -> Verdict:
    """Let champion and challenger score the challenger's holdout and judge them; nothing is changed.

    Parameters
    ----------
    registry : Registry
    version : str
        The challenger.
    champion : str or None
        The version in production.
    gate : GateSettings
    seed : int
    on_step : callable
    standard : GateSettings, optional
        See :func:`promote`.
    """
    on_step("verifying files")
    try:
        artifact = registry.open(version)
        found = judged(registry, artifact)
    except MlsysError as error:
        return judge(_unverified(version, error.message), gate, seed=seed, standard=standard)
    panel = found.panel
    on_step("scoring the holdout")
    evidence = Evidence(
        champion=None,
        challenger=Contender(version, found.probability, _doubts(registry, artifact, panel, found.known)),
        label=panel.label,
        cutoff=panel.cutoff,
        company=panel.company,
        share=artifact.manifest["holdout"].get("share", 1.0),
        failed_canaries=tuple(
            f"{one['name']}: {one['found']}" for one in artifact.json(CANARIES) if one["status"] == "failed"
        ),
        rules=rules_of(registry, artifact, found),
    )
    if champion is not None:
        evidence = _with_champion(registry, champion, evidence, artifact, found)
    on_step("comparing" if champion else "judging")
    return judge(evidence, gate, seed=seed, standard=standard)


def _unverified(version: str, problem: str) -> Evidence:
    nothing = np.empty(0, dtype=np.int32)
    return Evidence(Contender(version, None, (problem,)), None, nothing.astype(bool), nothing, nothing)


def _with_champion(
    registry: Registry,
    champion: str,
    evidence: Evidence,
    artifact: Artifact,
    ours: Judged,
) -> Evidence:
    panel = ours.panel
    try:
        theirs = registry.open(champion)
        held = judged(registry, theirs)
    except MlsysError as error:
        return replace(evidence, champion=Contender(champion, None, (error.message,)))
    unmatched, probability = "", None
    horizons = theirs.manifest["horizon_days"], artifact.manifest["horizon_days"]
    if horizons[0] != horizons[1]:
        unmatched = (
            f"{champion} looks {horizons[0]} days ahead, and {evidence.challenger.version} {horizons[1]}"
        )
    else:
        try:
            scorer = held.scorer
            features = _features_for(registry, scorer.spec, artifact, ours.scorer.spec, panel)
            probability = scorer.probabilities(scorer.rows(columns_of(features, scorer.spec)))
        except MlsysError as error:
            unmatched = f"{champion} needs other features, and they cannot be computed: {error.message}"
    both = replace(
        evidence,
        champion=Contender(champion, probability, ()),
        overlap=overlap(theirs.manifest, artifact.manifest),
        unmatched=unmatched,
    )
    if _by_company(theirs.manifest, artifact.manifest):
        ids, theirs_ids = (one.known["id"].to_numpy(dtype=object).astype(str) for one in (ours, held))
        return both.only(np.isin(ids, theirs_ids))
    return both


def _features_for(
    registry: Registry, theirs: FeatureSpec, artifact: Artifact, spec: FeatureSpec, panel: Panel
) -> pd.DataFrame:
    """Return the champion's features of the challenger's holdout rows, from the challenger's snapshot."""
    if theirs == spec:
        return panel.features
    snapshot = snapshots.stored(registry.root, artifact.manifest["snapshot"])
    inputs = FeatureInputs.from_snapshot(snapshot, period_days=theirs.period_days, stamp=theirs.stamp)
    cutoffs, at = np.unique(panel.cutoff, return_inverse=True)
    everyone = feature_frame(inputs, cutoffs, theirs)
    return everyone.take(panel.company.astype(np.intp) * cutoffs.size + at).reset_index(drop=True)


def overlap(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> str:
    """Say whether a champion has trained on rows of a challenger's holdout; empty where it has not.

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
    return f"it has learnt from outcomes up to {last}, and this holdout begins on {first}"


def _by_company(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> bool:
    """Say whether both versions hold out companies, not days; their sides may differ near the border."""
    return all(one["settings"]["split.kind"] == "stratified" for one in (champion, challenger))


def _doubts(registry: Registry, artifact: Artifact, panel: Panel, known: pd.DataFrame) -> tuple[str, ...]:
    """Name what the snapshot, where it is still there, says otherwise than the holdout."""
    try:
        snapshot = snapshots.stored(registry.root, artifact.manifest["snapshot"])
    except MlsysError:
        return ()
    horizon = artifact.manifest["horizon_days"]
    ids = snapshot.companies["id"].to_numpy(dtype=object)
    if (
        panel.company.max(initial=-1) >= ids.size
        or (ids[panel.company] != known["id"].to_numpy(dtype=object)).any()
    ):
        return ("its holdout names other companies than its snapshot",)
    day = snapshot.closed[panel.company].astype(np.int64)
    if ((day >= panel.cutoff) & (day < panel.cutoff + horizon) != panel.label).any():
        return ("its holdout has other outcomes than its snapshot",)
    return ()
