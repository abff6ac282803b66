"""The part of the Python API about lists that were handed out: the week, their impact, and the monitor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml_sys.days import parse_day, today
from ml_sys.engine.places import place_of
from ml_sys.errors import UsageError
from ml_sys.project.opened import AnyPath, Day, Opened
from ml_sys.registry.store import open_registry

if TYPE_CHECKING:
    from ml_sys.jobs.outcomes.experiment import ExperimentPlan
    from ml_sys.jobs.outcomes.impact import Brought
    from ml_sys.jobs.outcomes.weekly import WeeklyRequest
    from ml_sys.outcomes.monitoring import Monitoring
    from ml_sys.report.week import Week


class OutcomeMethods(Opened):
    """What is asked once lists are handed out."""

    def weekly(self, asked: WeeklyRequest | None = None, *, as_of: Day | None = None) -> Week:
        """Do all that is done once a week, or was ``as_of`` a day of the past; see ``mlsys weekly``."""
        from ml_sys.jobs.outcomes import weekly

        chosen = self._load(self._config, {} if as_of is None else {"ingest.as_of": str(as_of)})
        registry, asked, now = (
            open_registry(self.settings),
            asked or weekly.WeeklyRequest(),
            datetime.now(UTC),
        )
        return weekly.weekly(registry, chosen, asked, now=now, on_step=self._on_step)

    def impact(
        self,
        *,
        since: Day | None = None,
        customers: AnyPath | None = None,
        as_of: Day | None = None,
        called: AnyPath | None = None,
        page: AnyPath | None = None,
    ) -> Brought:
        """Say what the lists have brought, and what being called did; see ``mlsys impact``.

        Parameters
        ----------
        since : str or date, optional
            Day of the first list that counts.
        customers : str or Path, optional
            File to take conversions from; by default the latest snapshot has them.
        as_of : str or date, optional
            Day up to which that file is complete; by default that of its last conversion.
        called : str or Path, optional
            File with the ids of the companies that were really called and, in ``called_on``, when.
        page : str or Path, optional
            File that the page is written to.
        """
        from ml_sys.jobs.outcomes import impact

        if as_of is not None and customers is None:
            raise UsageError("as_of is about a file of customers", hint="name it: customers=FILE")
        asked = impact.ImpactRequest(
            parse_day(since, "since"),
            place_of(customers),
            parse_day(as_of, "as_of"),
            place_of(called),
            place_of(page),
        )
        return impact.impact_of_lists(self.settings, asked, self._on_step)

    def plan(
        self, *, capacity: int | None = None, effect: float = 0.5, version: str | None = None
    ) -> ExperimentPlan:
        """Estimate how many lists each design of an experiment needs; see ``mlsys experiment plan``.

        Parameters
        ----------
        capacity : int, optional
            Calls per list; by default as in the settings.
        effect : float
            Of a call on the probability: 0.5 means half as much again.
        """
        from ml_sys.jobs.outcomes.experiment import plan_experiment

        settings, on_step = self.settings, self._on_step
        calls = capacity or settings.threshold.capacity
        registry = open_registry(settings)
        return plan_experiment(registry, version, settings, capacity=calls, effect=effect, on_step=on_step)

    def monitor(
        self,
        prospects: AnyPath | None = None,
        *,
        on: Day | None = None,
        version: str | None = None,
        page: AnyPath | None = None,
    ) -> Monitoring:
        """Hold the latest data against those that a version was judged on; see ``mlsys monitor``.

        Nothing is raised where an alarm rings: ``alarms`` of the result names those that do.

        Parameters
        ----------
        prospects : str or Path, optional
            By default the free companies of the latest snapshot.
        on : str or date, optional
            Day taken as today, for data of the past.
        page : str or Path, optional
            File that the page is written to.
        """
        from ml_sys.jobs.outcomes.monitor import monitor

        chosen = parse_day(on, "on")
        return monitor(
            open_registry(self.settings),
            self.settings,
            day=today(datetime.now(UTC)) if chosen is None else chosen,
            version=version,
            prospects=place_of(prospects),
            page=place_of(page),
            on_step=self._on_step,
        )
