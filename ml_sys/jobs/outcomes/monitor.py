"""Compare the latest data with what the version in production was judged on, and report what is unusual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data import snapshot as snapshots
from ml_sys.days import day_number
from ml_sys.engine.mapping import Engine
from ml_sys.engine.places import replacing_at
from ml_sys.errors import SnapshotError
from ml_sys.experiments.cache import own_code
from ml_sys.jobs.outcomes.judged_on import JudgedOn
from ml_sys.jobs.outcomes.observed import (
    Prospects,
    Scored,
    earlier_checks_of,
    number_of,
    population,
    prospects_in,
    prospects_of,
    usage_checks_of,
)
from ml_sys.jobs.outcomes.promises import promises_kept
from ml_sys.jobs.outcomes.served import Held, watched
from ml_sys.jobs.outcomes.shadow import MadeAgain, Shadow, made_again, matured_cutoffs
from ml_sys.jobs.outcomes.today import Today, today_of
from ml_sys.outcomes.arrival import in_words, volume_check
from ml_sys.outcomes.last_monitoring import keep
from ml_sys.outcomes.monitoring import Challenger, Check, Limits, Matured, Monitoring, rung
from ml_sys.outcomes.populations import MOST_COMPANIES, Comparison
from ml_sys.outcomes.realised import age_check, matured, promise_check, rate_check
from ml_sys.outcomes.served import is_of_one_company
from ml_sys.registry.index import entry_at
from ml_sys.registry.loading import scorer_of
from ml_sys.scoring.from_snapshot.free import covered_by
from ml_sys.text import date_of
from ml_sys.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_sys.data.snapshot import Everyone
    from ml_sys.engine.places import Place
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.registry.index import Entry
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import Settings

_MADE_AGAIN = "conversions that matured lists promised"
_HANDED_OUT = "conversions that lists handed out promised"


def monitor(
    registry: Registry,
    settings: Settings,
    *,
    day: int,
    version: str | None = None,
    prospects: Place | None = None,
    page: Place | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Monitoring:
    """Compare the latest snapshot with what a version was judged on, and keep the result.

    Parameters
    ----------
    day : int
        The day taken as today, since 1970-01-01.
    version : str, optional
        By default the one in production, or else the latest.
    prospects : Path or Address, optional
        File of prospects; by default all free companies of the snapshot.
    page : Path or Address, optional
        File to write the page to.
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    SnapshotError
        If there is no snapshot.
    ArtifactError
        If there is no such version, or its files do not verify.
    StorageError
        If the page or the result cannot be written.
    """
    on_step("loading the version")
    chosen = registry.resolve(version)
    with Engine.of(settings.engine).held():
        watch = _Watch.of(registry, chosen, settings, prospects)
        found = replace(watch.found(registry, chosen, day, on_step), page=page)
    keep(found, settings.artifacts_dir)
    if page is not None:
        from ml_sys.report.monitoring_page import monitoring_page  # what draws pictures takes time to import

        with replacing_at(page) as sink:
            sink.write(monitoring_page(found, watch.scorer.spec.form.words).encode())
    return found


@dataclass(frozen=True)
class _Watch:
    """A version, the data that it scores today, and the data that it was judged on."""

    settings: Settings
    engine: Engine
    limits: Limits
    scorer: Scorer
    horizon_days: int
    held: JudgedOn
    latest: Everyone
    then: Everyone | None
    learnt_until: int
    cutoff: int
    prospects: Prospects
    n_prospects: int
    today: Today
    again: MadeAgain
    notes: tuple[str, ...]

    @classmethod
    def of(cls, registry: Registry, version: str, settings: Settings, path: Place | None) -> _Watch:
        artifact = registry.open(version)
        scorer, entry = scorer_of(registry, artifact), entry_at(registry.read(), version, registry.root)
        latest = snapshots.everyone(settings.artifacts_dir)
        cutoff = covered_by(latest, scorer.spec)
        if cutoff is None:  # no row of any company: the first check rings
            cutoff = latest.as_of
        then, notes = _snapshot_of(entry, settings.artifacts_dir)
        learnt_until = _data_end(entry) if then is None else then.as_of
        prospects = (
            prospects_of(latest, cutoff)
            if path is None
            else prospects_in(path, settings.schema_, scorer.spec, latest, cutoff)
        )
        n_prospects, held = number_of(prospects, latest, cutoff), JudgedOn.of(artifact)
        share = MOST_COMPANIES / max(n_prospects, len(held.panel), 1)
        engine = Engine.of(settings.engine, partial(own_code, settings))
        today = today_of(prospects, latest, cutoff, scorer, share, held.columns(scorer.spec), engine)
        horizon = int(artifact.manifest["horizon_days"])
        lists = matured_cutoffs(_timeline(latest, scorer.spec, horizon), learnt_until, settings.monitor.lists)
        return cls(
            settings,
            engine,
            Limits(**settings.monitor.model_dump(exclude={"challengers", "lists"})),
            scorer,
            horizon,
            held,
            latest,
            then,
            learnt_until,
            cutoff,
            prospects,
            n_prospects,
            today,
            made_again(latest, scorer, lists, horizon, engine),
            notes,
        )

    def found(self, registry: Registry, version: str, day: int, on_step: Callable[[str], None]) -> Monitoring:
        """Compare everything."""
        on_step("looking at the data")
        checks = self.arrival(day)
        on_step("comparing with the holdout")
        compared = self.comparison()
        checks += compared
        judged_on = Held(
            self.held.known["probability"].to_numpy(dtype=np.float64),
            {one.name: one.reference for one in compared if is_of_one_company(one.name)},
        )
        served, unserved = watched(self.settings, version, judged_on, day, self.limits)
        checks += served
        on_step("checking outcomes")
        promised, outcomes = self.outcomes()
        handed_out, probabilities, unread = promises_kept(self.settings, version, self.latest)
        checks += [*outcomes, *promise_check(_HANDED_OUT, probabilities, handed_out, self.limits)]
        checks += [age_check(day - self.learnt_until, self.limits)]
        on_step("scoring with challengers")
        return Monitoring(
            version=version,
            snapshot=self.latest.id,
            day=date_of(day),
            cutoff=date_of(self.cutoff),
            reference=date_of(self.held.cutoff),
            prospects=self.n_prospects,
            checks=rung(checks, self.limits.alpha),
            features=self.today.moves,
            matured=promised,
            handed_out=handed_out,
            challengers=self.challengers(registry, version),
            notes=(*self.notes, *unread, *unserved),
        )

    def arrival(self, day: int) -> list[Check]:
        """Check whether the data have arrived."""
        spec, limits = self.scorer.spec, self.limits
        checks = usage_checks_of(self.latest, spec, day, limits, self.engine)
        checks.append(volume_check(self.n_prospects, len(self.held.panel) / self.held.share, limits))
        if self.then is not None:
            checks += earlier_checks_of(self.latest, self.then, self.prospects, spec, limits, self.engine)
        return in_words(checks, spec.form.words)

    def comparison(self) -> list[Check]:
        """Check whether companies look like those that the version was judged on."""
        limits, now = self.limits, self.today.some
        share = MOST_COMPANIES / max(self.n_prospects, len(self.held.panel), 1)
        panel, known = self.held.panel, self.held.known
        before = Scored(
            known["id"].to_numpy(dtype=object),
            panel.cutoff,
            self.held.columns(self.scorer.spec),
            known["probability"].to_numpy(dtype=np.float64),
        )
        compared = Comparison(
            population(now, self.scorer, self.latest, limits.weeks, share, self.engine),
            population(before, self.scorer, self.then or self.latest, limits.weeks, share, self.engine),
            limits,
            self.settings.seed,
        )
        return [*compared.input_checks(), *compared.score_checks()]

    def outcomes(self) -> tuple[tuple[Matured, ...], list[Check]]:
        """Compare what lists promised with what came, and check both."""
        lists = np.unique(self.again.outcomes.cutoff).tolist()
        promised = tuple(matured(one, *self.again.of(one)) for one in lists)
        since = _timeline(self.latest, self.scorer.spec, self.horizon_days).first_usage
        return promised, [
            *rate_check(self.latest.closed, self.latest.as_of, since, self.horizon_days, self.limits),
            *promise_check(_MADE_AGAIN, [self.again.of(one)[0] for one in lists], promised, self.limits),
        ]

    def challengers(self, registry: Registry, production: str) -> tuple[Challenger, ...]:
        """Score with the latest candidates what production scores."""
        settings, index = self.settings, registry.read()
        others = [
            one for one in index.versions.values() if one.status == "candidate" and one.version != production
        ]
        shadow = Shadow(
            self.latest,
            self.cutoff,
            self.prospects,
            self.today.probability,
            self.again,
            self.horizon_days,
            settings.threshold.capacity,
            self.engine,
        )
        return tuple(
            shadow.challenge(registry, one.version, _data_end(one), settings.bootstrap, settings.seed)
            for one in others[len(others) - min(settings.monitor.challengers, len(others)) :]
        )


def _timeline(snapshot: Everyone, spec: FeatureSpec, horizon_days: int) -> Timeline:
    stamps = snapshot.usage_stamp
    return Timeline.of(
        stamps if stamps.size else np.array([snapshot.as_of], dtype=np.int32),
        snapshot.as_of,
        horizon_days=horizon_days,
        period=spec.period,
    )


def _snapshot_of(entry: Entry, artifacts_dir: Path) -> tuple[Everyone | None, tuple[str, ...]]:
    """Return the snapshot that a version was trained on, or None and a note if it is missing."""
    try:
        path = artifacts_dir / snapshots.FOLDER / entry.snapshot
        return snapshots.Everyone.of(snapshots.parts(path)), ()
    except SnapshotError:
        return None, (
            f"snapshot {entry.snapshot}, which version {entry.version} was trained on, is missing: usage is "
            "compared within the latest snapshot, and changes of the past are not checked",
        )


def _data_end(entry: Entry) -> int:
    return day_number(date.fromisoformat(entry.data_through))
