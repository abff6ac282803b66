"""Rank by a simple rule: the list there is before a model can be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data import snapshot
from ml_sys.errors import UsageError
from ml_sys.jobs.lists.listed import Listed
from ml_sys.jobs.lists.score import keep_rejects, score_by
from ml_sys.scoring.ranking import write_pages
from ml_sys.scoring.rule_scorer import RuleScorer, without_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ml_sys.jobs.lists.listed import Request
    from ml_sys.settings import Settings


def rank_by_rule(
    settings: Settings,
    asked: Request,
    *,
    on_step: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
) -> Listed:
    """Rank prospects by a simple rule and write the list; it says in every row that a rule made it.

    Parameters
    ----------
    asked : Request
        Its ``rule`` names the rule.

    Raises
    ------
    UsageError
        If the tables do not allow the rule, or the list was to be handed out or valued: what is not
        promised can be held against nothing.
    InputError, SnapshotError
        As of :func:`ml_sys.jobs.lists.score.score_file`.
    """
    if settings.score.hand_out or asked.capacity is not None:
        raise UsageError(
            "a rule gives no probabilities: its list cannot be handed out or valued",
            hint="leave --hand-out and --capacity out, or train a model",
        )
    root = settings.artifacts_dir
    form = snapshot.latest(root).form if snapshot.exists(root) else settings.schema_.form()
    scorer = RuleScorer.of(asked.rule, form, settings.usage.row_period)
    plain = settings.model_copy(update={"score": settings.score.model_copy(update={"reasons": 0})})
    scored = score_by(scorer, scorer.name, plain, asked, capacity=0, on_step=on_step, now=now)
    scored = without_probabilities(scored, scorer)
    if asked.out is not None:
        write_pages(lambda: scored.pages(keep_order=asked.keep_order), asked.out)
    kept, unkept = keep_rejects(scored, root)
    return Listed(scored, settings.score.top, out=asked.out, kept=kept, unkept=unkept)
