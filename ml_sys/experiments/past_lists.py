"""Make past lists again, each by a model that knew only what was mature then, and join them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.metrics.scored_lists import ScoredLists

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.experiments.cache import TermStore
    from ml_sys.experiments.schedule import Term, TermScores
    from ml_sys.model.split import Source
    from ml_sys.settings import Settings


def make_lists(
    snapshot: Snapshot | Outline,
    terms: Sequence[Term],
    settings: Settings,
    *,
    store: TermStore | None = None,
    plain: bool = True,
    source: Source | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> tuple[list[TermScores], int]:
    """Make the lists of every term, side by side where `settings.engine` says, with one thread per fit.

    Parameters
    ----------
    store : TermStore, optional
        Where what was made is remembered.
    plain : bool
        Whether plain XGBoost is among the rankers.
    source : Source, optional
        Of the same snapshot and settings, where one is at hand that knows features already.
    on_progress : callable
        Called with the number of lists done.

    Returns
    -------
    found : list of TermScores
        In the order of ``terms``.
    remembered : int
        Lists among them that were not made now.

    Raises
    ------
    NotEnoughDataError
        If nothing was mature on the first day of a term.
    """
    found = {term: kept for term in terms if store is not None and (kept := store.load(term)) is not None}
    remembered = done = sum(len(term.cutoffs) for term in found)
    on_progress(done)
    missing = [term for term in terms if term not in found]

    def fitted(number: int, made: TermScores) -> None:
        nonlocal done
        if store is not None:
            store.save(missing[number], made)
        done += len(missing[number].cutoffs)
        on_progress(done)

    made = _fitted(source or snapshot, missing, settings, plain=plain, on_done=fitted)
    found |= dict(zip(missing, made, strict=True))
    return [found[term] for term in terms], remembered


def joined_lists(snapshot: Snapshot | Outline, found: Sequence[TermScores]) -> ScoredLists:
    """Join the lists of all terms, with each company's outcome."""

    def joined(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(one, name) for one in found])

    company = joined("company").astype(np.int32)
    closed = snapshot.closed[company]
    value = snapshot.companies["value"].to_numpy(dtype=np.float64)[company]
    return ScoredLists(
        cutoff=joined("cutoff").astype(np.int32),
        company=company,
        label=joined("label").astype(np.bool_),
        seen=joined("seen").astype(np.bool_),
        closed=closed,
        value=np.where(closed == NEVER_CLOSED, np.nan, value),
        scores={name: np.concatenate([one.scores[name] for one in found]) for name in found[0].scores},
        threshold=np.repeat([one.threshold for one in found], [one.cutoff.size for one in found]),
        tier=joined("tier").astype(np.str_),
    )


def _fitted(
    known: Source | Snapshot | Outline,
    terms: Sequence[Term],
    settings: Settings,
    *,
    plain: bool,
    on_done: Callable[[int, TermScores], None],
) -> list[TermScores]:
    """Fit each term, with one thread; features of all are computed first, or by workers that read usage."""
    if not terms:
        return []
    from ml_sys.engine.mapping import Engine  # what was remembered needs none of these
    from ml_sys.experiments.cache import own_code
    from ml_sys.experiments.fitting import learn_features
    from ml_sys.model.split import Source

    source = known if isinstance(known, Source) else Source.of(known, settings)
    engine = Engine.of(settings.engine, partial(own_code, settings))
    if engine.kind != "local":  # what was computed here may lie in files of this machine
        source = source.elsewhere(engine.storage)
    if engine.kind == "local" or not source.inputs.is_stored:
        learn_features(source, terms, settings)
    single = settings.model_copy(update={"threads": 1})
    fit = partial(_fit, source, single, plain)
    return engine.map(fit, terms, on_done=on_done)


def _fit(source: Source, settings: Settings, plain: bool, term: Term) -> TermScores:
    from ml_sys.experiments.fitting import fit_term  # loads what models are fitted with

    return fit_term(source.apart(), term, settings, plain=plain)
