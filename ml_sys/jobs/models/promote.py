"""Promote a version through the gate, or roll back to an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.data import snapshot as snapshots
from ml_sys.engine.mapping import Engine
from ml_sys.errors import ChampionChangedError, UsageError
from ml_sys.registry.audit import Change
from ml_sys.registry.judging import judge_version
from ml_sys.registry.loading import judged
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.text import is_rule, rule_version

if TYPE_CHECKING:
    from ml_sys.jobs.models.fit import OnStep
    from ml_sys.registry.gate import Verdict
    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings
    from ml_sys.settings.loading import Configuration

# How often to judge again because another process changed the champion meanwhile.
_ATTEMPTS = 5


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Attributes
    ----------
    version : str
        The version, or the rule.
    verdict : Verdict or None
        None if the version was in production already, and for a rule, which the gate does not judge.
    replaced : str or None
        The version in production before; it still is if nothing was promoted.
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
    """The version in production again, and the one it replaced."""

    production: str
    left: str


def promote(
    registry: Registry,
    version: str,
    configuration: Configuration,
    *,
    dry_run: bool = False,
    force: bool = False,
    reason: str = "",
    on_step: OnStep = lambda _: None,
) -> Promotion:
    """Judge a version against the one in production, and promote it if it passes.

    Parameters
    ----------
    configuration : Configuration
        Criteria laxer than in its settings file need ``force``.
    dry_run : bool
        Judge, but change nothing.
    force : bool
        Promote despite the verdict, but never a version whose files do not verify.
    reason : str
        Kept in the audit trail; required with ``force``.
    on_step : callable
        Called with the name of each step as it begins.

    Returns
    -------
    Promotion
        ``promoted`` is False if the gate refused, or for a dry run.

    Raises
    ------
    UsageError
        If ``force`` is given without a reason.
    UnverifiedError, SchemaDriftError
        If ``force`` is given for a version that cannot be used.
    """
    if force and not reason.strip():
        raise UsageError("--force needs a reason", hint='give one: --force --reason "…"')
    if not dry_run:
        registry.recover()  # registers a version whose writer was killed before it could
    version, settings = registry.resolve(version), configuration.settings
    for attempt in range(_ATTEMPTS):
        champion = registry.read().production
        if champion == version:
            return Promotion(version, None, champion, promoted=True)
        with Engine.of(settings.engine).held():
            verdict = judge_version(registry, version, champion, settings, on_step, configuration.gate)
        if dry_run or not (verdict.passed or force):
            return Promotion(version, verdict, champion, promoted=False)
        if force:
            judged(
                registry, registry.open(version)
            )  # raises where its files do not verify: that cannot be forced
        change = Change(reason, forced=not verdict.passed, verdict=verdict.to_plain())
        try:
            registry.promote(version, champion, change)
        except ChampionChangedError:
            if attempt + 1 == _ATTEMPTS:
                raise
            continue
        return Promotion(version, verdict, champion, promoted=True)
    raise AssertionError  # the loop returns or raises


def promote_rule(
    registry: Registry, rule: str, settings: Settings, *, dry_run: bool = False, reason: str = ""
) -> Promotion:
    """Put a simple rule into production, to rank lists until a version takes its place.

    Parameters
    ----------
    rule : str
        One of :data:`ml_sys.scoring.rule_scorer.RULES`.
    dry_run : bool
        Change nothing.
    reason : str
        Kept in the audit trail; required if a version leaves production, as no gate judges that.

    Raises
    ------
    UsageError
        If the tables do not allow the rule, or a reason is missing.
    """
    root = registry.root
    latest = snapshots.parts(snapshots.latest_path(root)) if snapshots.exists(root) else None
    form = settings.schema_.form() if latest is None else latest.form
    named = rule_version(RuleScorer.of(rule, form, settings.usage.row_period).name)
    champion = registry.read().production
    if champion is not None and not is_rule(champion) and not reason.strip():
        raise UsageError(
            f"replacing version {champion} by a rule needs a reason, as no gate judges it",
            hint='give one: --reason "…"',
        )
    if champion != named and not dry_run:
        registry.promote(named, champion, Change(reason))
    return Promotion(named, None, champion, promoted=champion == named or not dry_run)


def rollback(registry: Registry, to: str | None = None, reason: str = "") -> Rollback:
    """Go back to the previous production version or an earlier one, after checking that it can be used.

    Raises
    ------
    ArtifactError
        If there is none to go back to, or it cannot be used.
    """
    left, now = registry.rollback(Change(reason), lambda target: judged(registry, registry.open(target)), to)
    return Rollback(now, left)
