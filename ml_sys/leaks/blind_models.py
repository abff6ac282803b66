"""Rankings by models that should know nothing, or almost nothing, about who converts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.metrics.ranking import Outcomes
from ml_sys.model.pipeline import build_estimator, fit_pipeline, raw_scores
from ml_sys.model.split import Source, TrainingPart
from ml_sys.model.train import pipeline_from
from ml_sys.settings import XGBOOST, ResampleSettings
from ml_sys.settings.checking.xgboost_params import is_xgboost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.settings import Settings

Split = Callable[[Source, "FeatureSpec", "Settings"], tuple[TrainingPart, Panel]]

# Negative rows that a model of shuffled labels is fitted to, beside all positive ones. A sample costs little
# however large the tables are, and what a model remembers of positive rows is not drowned by the others.
_OTHERS = 5000
# The same of a panel that is sampled, for each positive one; features of few more rows are then computed.
_OTHERS_EACH = 10
_SHUFFLES, _ATTEMPTS = 2, 6
_TREES = 50
# Trees that may remember single rows. A model's own parameters may not: leaves of thousands of rows remember
# nobody, and the whole holdout among the training rows went unnoticed on the tables we know.
_REMEMBER: dict[str, Any] = {"max_depth": 8, "learning_rate": 0.3, "min_child_weight": 0.0}
# Trees that tell ranges of ids apart, but not single ids.
_RANGES: dict[str, Any] = {"max_depth": 2, "learning_rate": 0.3, "min_child_weight": 1.0}


def shuffled_ranking(source: Source, spec: FeatureSpec, settings: Settings, cut: Split) -> Outcomes | None:
    """Shuffle conversion days among companies, and rank a holdout by a model of that.

    Parameters
    ----------
    cut : callable
        Cuts a source into what is learnt from and what is held out.

    Returns
    -------
    Outcomes or None
        Holdout rows of all shuffles. Scores are ranks within a cutoff, so that cutoffs with more conversions
        do not rank by themselves. None if no shuffle can be judged.
    """
    fewer = min(settings.panel.negatives_per_positive, _OTHERS_EACH)
    panel = settings.panel.model_copy(update={"negatives_per_positive": fewer})
    settings, rng = settings.model_copy(update={"panel": panel}), np.random.default_rng(settings.seed)
    shuffles: list[Outcomes] = []
    for _ in range(_ATTEMPTS):
        part, holdout = cut(replace(source.apart(), closed=rng.permutation(source.closed)), spec, settings)
        train = _sample(part.train, rng)
        if not _can_be_judged(train, holdout):
            continue
        place = _place_within_cutoff(_remembered(train, holdout, spec, settings), holdout.cutoff)
        company = holdout.company + np.int32(len(shuffles) * source.ids.size)
        shuffles.append(Outcomes(place, holdout.label, holdout.cutoff, company))
        if len(shuffles) == _SHUFFLES:
            break
    if not shuffles:
        return None
    return Outcomes(
        np.concatenate([one.score for one in shuffles]),
        np.concatenate([one.label for one in shuffles]),
        np.concatenate([one.cutoff for one in shuffles]),
        np.concatenate([one.company for one in shuffles]),
    )


def id_rankings(
    ids: NDArray[Any], train: Panel, holdout: Panel, *, seed: int, threads: int
) -> tuple[Outcomes, ...]:
    """Rank a holdout's companies by a model of the order of their ids, and by that order itself.

    Companies have one row each here, since an id is the same in all rows of one.

    Parameters
    ----------
    ids : ndarray of shape (n_companies,), texts
        By position. Ordered as numbers if all are, otherwise as text.

    Returns
    -------
    tuple of Outcomes
        By a model, by rising and by falling ids; empty if there is nothing to learn from or to judge by.
    """
    known, judged = _by_company(train), _by_company(holdout)
    if not _can_be_judged(known, judged):
        return ()
    rank = _ranks(ids)
    model = build_estimator(XGBOOST, _RANGES, max_trees=_TREES, seed=seed, threads=threads)
    model.fit(rank[known.company][:, None], known.label.astype(np.int64))
    order = rank[judged.company]
    learnt = model.predict_proba(order[:, None])[:, 1]
    return tuple(replace(judged, score=score.astype(np.float64)) for score in (learnt, order, -order))


def _by_company(panel: Panel) -> Outcomes:
    """Return one row per company, unranked: whether it converts at any of the panel's cutoffs."""
    company = np.unique(panel.company)
    label = np.isin(company, panel.company[panel.label])
    return Outcomes(np.zeros(company.size), label, np.zeros(company.size, dtype=np.int32), company)


def _remembered(train: Panel, holdout: Panel, spec: FeatureSpec, settings: Settings) -> NDArray[np.float64]:
    plain = ResampleSettings(sampling_strategy="none")  # the sample is rich in positives already
    pipeline = pipeline_from(settings.model_copy(update={"resample": plain}), spec)
    if is_xgboost(settings.model.estimator):
        pipeline["model"].set_params(n_estimators=_TREES, **_REMEMBER)
    fit_pipeline(pipeline, train.rows, train.label)
    return raw_scores(pipeline, holdout.rows)


def _sample(panel: Panel, rng: np.random.Generator) -> Panel:
    others = np.flatnonzero(~panel.label)
    n = max(_OTHERS, int(panel.label.sum()))
    keep = panel.label.copy()
    keep[rng.choice(others, min(n, others.size), replace=False)] = True
    kept = panel.take(keep)
    return replace(kept, rows=Rows(kept.rows.different, kept.rows.which))  # each stands for itself


def _can_be_judged(train: Panel | Outcomes, holdout: Panel | Outcomes) -> bool:
    learnt, judged = int(train.label.sum()), int(holdout.label.sum())
    return 2 <= learnt < train.label.size and 0 < judged < holdout.label.size


def _place_within_cutoff(score: NDArray[np.float64], cutoff: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the share of rows at the same cutoff that each row scores at least as high as."""
    place = np.empty(score.size)
    for one in np.unique(cutoff):
        rows = cutoff == one
        ordered = np.sort(score[rows])
        place[rows] = np.searchsorted(ordered, score[rows], side="right") / ordered.size
    return place


def _ranks(ids: NDArray[Any]) -> NDArray[np.float32]:
    try:
        order = sorted(range(ids.size), key=[int(one) for one in ids].__getitem__)
    except ValueError:
        order = sorted(range(ids.size), key=[str(one) for one in ids].__getitem__)
    rank = np.empty(ids.size, dtype=np.float32)
    rank[order] = np.arange(ids.size)
    return rank
