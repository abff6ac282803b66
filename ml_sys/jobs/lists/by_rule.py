"""Rank by a simple rule: before a model can be judged, or while a rule is in production."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml_sys.data import snapshot
from ml_sys.errors import StorageError, UsageError
from ml_sys.jobs.lists.handing_out import Handing, hand_out
from ml_sys.jobs.lists.listed import Listed
from ml_sys.jobs.lists.score import keep_rejects, score_by, score_prospects
from ml_sys.scoring.ranking import write_pages
from ml_sys.scoring.rule_scorer import RuleScorer, without_probabilities
from ml_sys.text import is_rule, rule_version

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ml_sys.form import Form
    from ml_sys.jobs.lists.handing_out import HandedOut
    from ml_sys.jobs.lists.listed import ListRequest
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scored_list import ScoredList
    from ml_sys.settings import Settings


def rank(
    registry: Registry,
    version: str | None,
    settings: Settings,
    asked: ListRequest,
    *,
    on_step: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
) -> Listed:
    """Rank prospects by the given version or rule, or else by what is in production.

    See :func:`ml_sys.jobs.lists.score.score_prospects` and :func:`rank_by_rule` for other arguments and
    errors.

    Parameters
    ----------
    version : str, optional
        A version, or a rule in the form of :func:`ml_sys.text.rule_version`.
    """
    if version is None and not asked.rule:
        version = registry.read().production
    if is_rule(version) or asked.rule:
        return rank_by_rule(settings, asked, version or "", on_step=on_step, now=now)
    return score_prospects(registry, version, settings, asked, on_step=on_step, now=now)


def rank_by_rule(
    settings: Settings,
    asked: ListRequest,
    standing: str = "",
    *,
    on_step: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
) -> Listed:
    """Rank prospects by a simple rule, write the list, and hand it out if the settings say so.

    Every row says that a rule made it.

    Parameters
    ----------
    asked : ListRequest
        Its ``rule`` names the rule.
    standing : str
        The rule to use if it names none, in the form of :func:`ml_sys.text.rule_version`.

    Raises
    ------
    UsageError
        If the tables do not allow the rule, or if the list is to be valued or drawn by lot, which needs
        probabilities.
    InputError, SnapshotError, OtherListError
        As for :func:`ml_sys.jobs.lists.score.score_prospects`.
    """
    handing = settings.score.hand_out
    if asked.capacity is not None and not handing:
        raise UsageError(
            "a rule gives no probabilities, so its list cannot be valued",
            hint="leave out --capacity, or train a model",
        )
    if handing and settings.experiment.design != "none":
        raise UsageError(
            f"a rule gives no probabilities, which a {settings.experiment.design} is drawn by",
            hint='set experiment.design = "none" until a model is in production',
        )
    root = settings.artifacts_dir
    if asked.rule:
        scorer = RuleScorer.of(asked.rule, _form(settings), settings.usage.row_period)
    else:
        scorer = standing_rule(settings, standing)
    plain = settings.model_copy(update={"score": settings.score.model_copy(update={"reasons": 0})})
    scored = score_by(scorer, scorer.name, plain, asked, capacity=0, on_step=on_step, now=now)
    scored = without_probabilities(scored, scorer)
    handed_out, unrecorded = None, None
    if handing and len(scored):
        on_step("recording the list")
        try:
            handed_out = _recorded(settings, asked, scored, scorer.name, now)
        except StorageError as error:  # the list is there and is shown first
            unrecorded = StorageError(f"the list is not recorded: {error.message}", hint=error.hint)
    if asked.out is not None:
        write_pages(lambda: scored.pages(keep_order=asked.keep_order), asked.out)
    kept, unkept = keep_rejects(scored, root)
    return Listed(
        scored,
        settings.score.top,
        out=asked.out,
        kept=kept,
        unkept=unkept,
        handed_out=handed_out,
        unrecorded=unrecorded,
    )


def standing_rule(settings: Settings, version: str) -> RuleScorer:
    """Return the scorer of a rule that stands in for a version.

    Raises
    ------
    UsageError
        If the tables no longer allow the rule.
    """
    name = version.removeprefix(rule_version(""))
    return RuleScorer.named(name, _form(settings), settings.usage.row_period)


def _form(settings: Settings) -> Form:
    root = settings.artifacts_dir
    return (
        snapshot.parts(snapshot.latest_path(root)).form if snapshot.exists(root) else settings.schema_.form()
    )


def _recorded(
    settings: Settings, asked: ListRequest, scored: ScoredList, rule: str, now: datetime | None
) -> HandedOut:
    """Record the list under the rule's name, with probabilities of 0, as a rule promises nothing."""
    calls = settings.threshold.capacity if asked.capacity is None else asked.capacity
    handing = Handing(
        replace(scored, ranked=scored.table.assign(probability=0.0), excluded=_unpromised(scored)),
        rule_version(rule),
        settings.label.horizon_days,
        calls,
        asked.replace_other,
        asked.reason,
    )
    return hand_out(settings, handing, now or datetime.now(UTC))


def _unpromised(scored: ScoredList) -> pd.DataFrame | None:
    return None if scored.excluded is None else scored.excluded.assign(probability=0.0, tier="")
