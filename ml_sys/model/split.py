"""Split a snapshot's rows into a training part and a holdout that nothing is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.parts.outline import Outline
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.known import KnownFeatures
from ml_sys.features.panel import Panel, canonical, rolling_panel, sampled_panel, snapshot_panel
from ml_sys.features.rows import BLOCK_ROWS
from ml_sys.features.sampling import Draws, Sample, by_content, count_rows, draw, one_in
from ml_sys.features.stored.inputs import StoredInputs
from ml_sys.model.folds import stratified_share
from ml_sys.model.train import spec_from
from ml_sys.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.engine.mapping import Engine
    from ml_sys.engine.storage import Storage
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.inputs import Inputs
    from ml_sys.settings import PanelSettings, Settings, SplitSettings


@dataclass(frozen=True)
class TrainingPart:
    """Training rows, and every row of the same companies and cutoffs to validate on, or a sample of both."""

    train: Panel
    validation: Panel


@dataclass(frozen=True)
class Source:
    """A snapshot of n companies as the model layer sees it.

    Attributes
    ----------
    known : KnownFeatures
    closed : ndarray of shape (n,), int32
        Conversion days.
    ids : ndarray of shape (n,), StringDType
        They only name rows. Short ones take 16 bytes.
    timeline : Timeline
    """

    known: KnownFeatures
    closed: NDArray[np.int32]
    ids: NDArray[Any]
    timeline: Timeline

    @classmethod
    def of(cls, snapshot: Snapshot | Outline, settings: Settings, engine: Engine | None = None) -> Source:
        """Take a snapshot apart under the settings' meaning of a usage row and of the label.

        The usage of one that is an outline is read part by part, whenever it is asked for: by workers of the
        engine, if one is given.
        """
        spec, horizon = spec_from(settings, snapshot.form), settings.label.horizon_days
        inputs: Inputs = (
            StoredInputs.of(snapshot, spec, engine)
            if isinstance(snapshot, Outline)
            else FeatureInputs.from_snapshot(snapshot, spec)
        )
        return cls(
            KnownFeatures(inputs),
            snapshot.closed,
            _compact(snapshot.companies["id"]),
            Timeline.of(
                snapshot.usage_stamp,
                snapshot.as_of,
                horizon_days=horizon,
                period=spec.period,
            ),
        )

    @property
    def inputs(self) -> Inputs:
        """What features are computed from."""
        return self.known.inputs

    def elsewhere(self, storage: Storage | None) -> Source:
        """Return the same source for workers on other machines, which compute the features that they need.

        Usage that is read part by part they read from a storage or, without one, from the snapshot's folder.
        """
        if not isinstance(self.inputs, StoredInputs):
            return self
        return replace(self, known=KnownFeatures(self.inputs.shared(storage)))

    def apart(self) -> Source:
        """Return the same source; features that are computed for it alone go with it."""
        return replace(self, known=self.known.apart())

    def spec(self, settings: Settings) -> FeatureSpec:
        """Return the features that settings select of what there is."""
        return spec_from(settings, self.inputs.form)

    def share_of(self, panel: Panel) -> float:
        """Return which share of all prospects of its cutoffs a panel's rows stand for: 1 for a whole one."""
        since, cutoffs = self.inputs.since, np.unique(panel.cutoff)
        prospects = sum(int(((self.closed >= one) & (since < one)).sum()) for one in cutoffs)
        return panel.rows.standing_for() / prospects if prospects else 1.0


def split(source: Source, spec: FeatureSpec, settings: Settings) -> tuple[TrainingPart, Panel]:
    """Return the training part and the holdout that the settings ask for.

    Raises
    ------
    NotEnoughDataError
        If no mature cutoff is left for one of them.
    """
    timeline, panel = source.timeline, settings.panel
    if settings.split.kind == "stratified":
        cutoffs = _some(timeline.grid(timeline.latest_mature(), panel.step_days, panel.max_cutoffs), "mature")
        held = held_companies(source, settings.split.holdout_share, settings.seed)
        part = _part(source, cutoffs, spec, panel, settings.seed, companies=~held)
        everyone = rolling(source, cutoffs, spec)
        return part, everyone.take(held[everyone.company])
    holdout = _some(holdout_cutoffs(timeline, settings.split), "mature")
    training = training_cutoffs(source, int(holdout[0]), panel)
    sample = sampled(source, training, panel, settings.seed)
    learn(
        source, spec, holdout if sample else np.concatenate([training, holdout]), [sample] if sample else []
    )
    part = _part(source, training, spec, panel, settings.seed, sample=sample)
    return part, rolling(source, holdout, spec)


def holdout_cutoffs(timeline: Timeline, asked: SplitSettings) -> NDArray[np.int32]:
    """Return the cutoffs that a split in time holds out: the last mature ones, a horizon apart or more.

    They lie whole periods apart, so many that no conversion is counted twice.
    """
    step = max(timeline.period.whole_days(asked.holdout_step_days), timeline.days_apart)
    return timeline.grid(timeline.latest_mature(), step, asked.holdout_cutoffs)


def training_part(
    source: Source,
    before: int,
    spec: FeatureSpec,
    panel: PanelSettings,
    seed: int,
    companies: NDArray[np.bool_] | None = None,
) -> TrainingPart:
    """Return what was mature by the day ``before``: every label window has closed by then.

    Parameters
    ----------
    before : int
        Day since 1970-01-01.
    companies : ndarray of shape (n_companies,), bool, optional
        Companies to learn from; all by default.

    Raises
    ------
    NotEnoughDataError
        If nothing was.
    """
    return _part(source, training_cutoffs(source, before, panel), spec, panel, seed, companies)


def training_cutoffs(source: Source, before: int, panel: PanelSettings) -> NDArray[np.int32]:
    """Return the cutoffs of :func:`training_part`; raises like it."""
    return _some(source.timeline.training_cutoffs(before, panel.step_days, panel.max_cutoffs), "training")


def held_companies(source: Source, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which share of the companies a stratified split holds out, a mask of shape (n_companies,).

    Strata are companies that convert while the data can speak for it, those that had converted before, and
    all others. They do not depend on the panel's step, so that a search holds out the same companies whatever
    steps it tries.
    """
    timeline, closed = source.timeline, source.closed.astype(np.int64)
    latest = timeline.latest_mature()
    stratum = np.where(
        closed < timeline.first_cutoff(latest), 2, (closed < latest + timeline.horizon_days).astype(np.int64)
    )
    ids = [str(one) for one in source.ids]
    return stratified_share(ids, stratum, share, seed)


def rolling(source: Source, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Panel:
    """Return every prospect at every cutoff, in canonical order."""
    horizon = source.timeline.horizon_days
    return canonical(rolling_panel(source.known, source.closed, cutoffs, horizon, spec))


def sampled(
    source: Source,
    cutoffs: NDArray[np.int32],
    panel: PanelSettings,
    seed: int,
    companies: NDArray[np.bool_] | None = None,
) -> Sample | None:
    """Return the training rows of a panel that is too large to learn whole; None for any other.

    This is where it is decided, for whoever trains.

    Parameters
    ----------
    cutoffs : ndarray of shape (n_cutoffs,), int32
    companies : ndarray of shape (n_companies,), bool, optional
        Companies to learn from; all by default.
    """
    horizon = source.timeline.horizon_days
    among = np.ones(source.closed.size, dtype=bool) if companies is None else companies
    rows, positives = count_rows(source.closed[among], cutoffs, horizon, source.inputs.since[among])
    rate = one_in(
        positives,
        rows - positives,
        negatives_per_positive=panel.negatives_per_positive,
        max_rows=panel.max_rows,
    )
    if rate == 1:
        return None
    return draw(source.inputs, source.closed, cutoffs, horizon, Draws(rate, panel.step_days, seed), among)


def learn(
    source: Source, spec: FeatureSpec, whole: Iterable[int] | NDArray[np.int32], samples: Sequence[Sample]
) -> None:
    """Compute the features of every prospect at some cutoffs, and those of the rows of samples."""
    source.known.learn(whole, spec)
    if samples:
        company, cutoff = (
            np.concatenate([getattr(s, name) for s in samples]) for name in ("company", "cutoff")
        )
        source.known.learn_some(company, cutoff, spec)


def _part(
    source: Source,
    cutoffs: NDArray[np.int32],
    spec: FeatureSpec,
    panel: PanelSettings,
    seed: int,
    companies: NDArray[np.bool_] | None = None,
    sample: Sample | None = None,
) -> TrainingPart:
    sample = sample or sampled(source, cutoffs, panel, seed, companies)
    if sample is None:
        every = rolling(source, cutoffs, spec)
        every = every if companies is None else every.take(companies[every.company])
    else:
        every = sampled_panel(source.known, sample, spec)
    every = replace(every, rows=every.rows.in_memory())
    if panel.kind == "rolling":
        return TrainingPart(every, every)
    order = None if sample is None else by_content(source.inputs, source.closed, int(cutoffs[-1]))
    one_each = canonical(
        snapshot_panel(source.known, source.closed, cutoffs, source.timeline.horizon_days, spec, order)
    )
    one_each = replace(one_each, rows=one_each.rows.in_memory())
    return TrainingPart(one_each if companies is None else one_each.take(companies[one_each.company]), every)


def _compact(ids: pd.Series) -> NDArray[Any]:
    """Return texts that lie in the array itself, most of them; some at a time are objects meanwhile."""
    found = np.empty(len(ids), dtype=np.dtypes.StringDType())
    for start in range(0, len(ids), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        found[block] = ids.iloc[block].to_numpy(dtype=object)
    return found


def _some(cutoffs: NDArray[np.int32], what: str) -> NDArray[np.int32]:
    if not cutoffs.size:
        raise NotEnoughDataError(
            f"the data have no {what} cutoff with usage before it and a label window that has closed",
            hint="ingest a longer history, or lower split.holdout_cutoffs or panel.step_days",
        )
    return cutoffs
