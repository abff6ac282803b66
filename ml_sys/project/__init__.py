"""The Python API: what the commands do, from a script or a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.data import snapshot as snapshots
from ml_sys.days import parse_day
from ml_sys.engine.places import place_of
from ml_sys.project.opened import AnyPath, Day, path_of
from ml_sys.project.outcomes import OutcomeMethods
from ml_sys.registry.store import open_registry

if TYPE_CHECKING:
    import pandas as pd

    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.jobs.lists.listed import Listed
    from ml_sys.jobs.models.evaluate import Reevaluation
    from ml_sys.jobs.models.promote import Promotion, Rollback
    from ml_sys.jobs.models.report import Report
    from ml_sys.jobs.models.train import Trained
    from ml_sys.jobs.past.backtest import PastLists
    from ml_sys.jobs.past.compare import Compared
    from ml_sys.sample.generator import SampleReport
    from ml_sys.sample.presets import Preset
    from ml_sys.sample.product.generator import ProductReport
    from ml_sys.settings import Settings


class Project(OutcomeMethods):
    """An artifacts folder and the settings that hold for it.

    Each method does what the command of its name does, and returns a frozen dataclass or a DataFrame. It
    prints nothing and never ends the process; a failure that a user can fix is an `MlsysError`. A version
    that is left out is the one in production, or else the latest; dates are texts (YYYY-MM-DD) or `date`.

    Parameters
    ----------
    artifacts : str or Path, optional
        Folder of snapshots and models; by default what the settings say.
    config : str or Path, optional
        Settings file; found as the commands find it where it is left out. ``MLSYS_`` variables hold as well.
    on_step : callable, optional
        Called with what is being done and, while it goes on, with the share of it that is done.
    **settings
        Settings by their dotted key, with ``__`` for each dot: ``seed=7``, ``model__max_trees=200``.

    Raises
    ------
    SettingsError
        If a setting is unknown or its value is not allowed.

    Examples
    --------
    >>> Project("artifacts", seed=7).settings.seed
    7
    """

    def sample(
        self, folder: AnyPath, *, companies: int = 8000, weeks: int = 104, preset: Preset = "hubspot"
    ) -> SampleReport | ProductReport:
        """Generate tables, with realistic faults, and the true probabilities; see ``mlsys sample``.

        Parameters
        ----------
        folder : str or Path
            Where the files are written; those of ``product`` with their description, mlsys.toml.
        """
        from ml_sys.sample.presets import GENERATORS

        def on_progress(done: int) -> None:
            self._on_step("companies", done / companies)

        sizes = {"companies": companies, "weeks": weeks, "seed": self.settings.seed}
        return GENERATORS[preset](Path(folder), **sizes, on_progress=on_progress)

    def ingest(
        self,
        customers: AnyPath | None = None,
        noncustomers: AnyPath | None = None,
        usage: AnyPath | None = None,
        *,
        as_of: Day | None = None,
        **tables: AnyPath,
    ) -> IngestReport:
        """Read the tables and store what is good of them as a snapshot; see ``mlsys ingest``.

        Parameters
        ----------
        customers, noncustomers, usage, **tables : str or Path, optional
            File, table or query of each described table; by default what the settings say.
        as_of : str or date, optional
            Day of the export; by default the end of covered usage.
        """
        from ml_sys.jobs.data.ingest import ingest_tables

        named = (("customers", customers), ("noncustomers", noncustomers), ("usage", usage), *tables.items())
        files = {name: str(where) for name, where in named if where is not None} or None
        chosen = {"ingest.files": files, "ingest.as_of": None if as_of is None else str(as_of)}
        asked = self._load(self._config, chosen).settings
        return ingest_tables(asked, now=datetime.now(UTC), on_step=self._on_step)

    def train(self, *, version: str | None = None, message: str = "", quick: bool = False) -> Trained:
        """Train on the latest snapshot, evaluate on the holdout and register it; see ``mlsys train``.

        Parameters
        ----------
        version : str, optional
            Its version; by default derived from what changed.
        message : str
            A note on it for the registry.
        quick : bool
            Leave past lists, resampling and other seeds out of the report; the model is the same.
        """
        from ml_sys.jobs.models import train

        settings = train.quick(self.settings) if quick else self.settings
        registry, snapshot = open_registry(settings), snapshots.opened_latest(settings.artifacts_dir)
        now, on_step = datetime.now(UTC), self._on_step
        return train.train_version(
            registry, snapshot, settings, now=now, version=version, message=message, on_step=on_step
        )

    def evaluate(self, version: str | None = None, *, truth: AnyPath | None = None) -> Reevaluation:
        """Evaluate a version on its holdout again; see ``mlsys evaluate``.

        Parameters
        ----------
        truth : str or Path, optional
            ``truth.csv`` of a sample: say how close the model comes to it.
        """
        from ml_sys.jobs.models.evaluate import evaluate_version

        return evaluate_version(open_registry(self.settings), version, path_of(truth))

    def backtest(
        self, first: Day | None = None, last: Day | None = None, *, predictions: AnyPath | None = None
    ) -> PastLists:
        """Make past lists again with the settings, and judge them; see ``mlsys evaluate --backtest``.

        Parameters
        ----------
        first, last : str or date, optional
            Days of the first and the last list; by default what the settings say.
        predictions : str or Path, optional
            File that every prediction is written to, as Parquet or CSV.
        """
        from ml_sys.jobs.past.backtest import backtest_settings

        days = parse_day(first, "first"), parse_day(last, "last")
        return backtest_settings(self.settings, days, path_of(predictions), self._on_lists)

    def compare(self, a: AnyPath, b: AnyPath, first: Day | None = None, last: Day | None = None) -> Compared:
        """Check whether settings B make better lists than A on past dates; see ``mlsys compare``.

        Parameters
        ----------
        a, b : str or Path
            A TOML file of settings, or a version.
        """
        from ml_sys.jobs.past.compare import compare_settings, side_of

        def read(config: Path) -> Settings:
            return self._load(config).settings

        one, other = (side_of(str(side), self.settings, read) for side in (a, b))
        days = parse_day(first, "first"), parse_day(last, "last")
        return compare_settings(self.settings, one, other, days, self._on_lists)

    def promote(
        self, version: str, *, dry_run: bool = False, force: bool = False, reason: str = ""
    ) -> Promotion:
        """Put a version into production if the gate passes it, as ``promoted`` says; see ``mlsys promote``.

        Parameters
        ----------
        dry_run : bool
            Judge, but change nothing.
        force : bool
            Promote in spite of the gate; needs a reason, and is recorded.
        reason : str
            Kept in the audit trail.
        """
        from ml_sys.jobs.models.promote import promote

        registry, chosen, on_step = open_registry(self.settings), self._configuration, self._on_step
        return promote(
            registry, version, chosen, dry_run=dry_run, force=force, reason=reason, on_step=on_step
        )

    def promote_rule(self, rule: str, *, dry_run: bool = False, reason: str = "") -> Promotion:
        """Let a simple rule rank until a version is promoted; see ``mlsys promote --rule``.

        Parameters
        ----------
        rule : str
            "users", "actions", "amount", "recency" or "newest".
        reason : str
            Kept in the audit trail; needed in the place of a version.
        """
        from ml_sys.jobs.models.promote import promote_rule

        registry = open_registry(self.settings)
        return promote_rule(registry, rule, self.settings, dry_run=dry_run, reason=reason)

    def rollback(self, to: str | None = None, *, reason: str = "") -> Rollback:
        """Go back to the production version before, or ``to`` an earlier one; see ``mlsys rollback``."""
        from ml_sys.jobs.models.promote import rollback

        return rollback(open_registry(self.settings), to, reason)

    def score(
        self,
        prospects: AnyPath | None = None,
        *,
        usage: AnyPath | Mapping[str, AnyPath] | None = None,
        as_of: Day | None = None,
        out: AnyPath | None = None,
        version: str | None = None,
        capacity: int | None = None,
    ) -> Listed:
        """Rank prospects by their probability of paying within the horizon; see ``mlsys score``.

        Parameters
        ----------
        prospects : str or Path, optional
            File or address; by default all that are free in the latest snapshot.
        usage : str or Path, or mapping of str to them, optional
            Their usage, or where each table of it is; by default that of the latest snapshot.
        as_of : str or date, optional
            Cutoff; by default the end of covered usage.
        out : str or Path, optional
            File or address that the whole list is written to; it is in ``.table`` in any case.
        capacity : int, optional
            Calls a week whose worth is told.
        """
        from ml_sys.jobs.lists.by_rule import rank
        from ml_sys.jobs.lists.listed import ListRequest

        day = parse_day(as_of, "as_of")
        if isinstance(usage, Mapping):
            places = {name: str(where) for name, where in usage.items()}
            asked = ListRequest(place_of(prospects), places, day, capacity, place_of(out))
        else:
            asked = ListRequest(place_of(prospects), place_of(usage), day, capacity, place_of(out))
        now, registry = datetime.now(UTC), open_registry(self.settings)
        listed = rank(registry, version, self.settings, asked, on_step=self._on_step, now=now)
        if listed.unrecorded is not None:
            raise listed.unrecorded
        return listed

    def models(self) -> pd.DataFrame:
        """List the versions, first to last, with their headline metrics; see ``mlsys models``."""
        from ml_sys.registry.history import catalogue

        return catalogue(open_registry(self.settings)).table

    def report(self, version: str | None = None) -> Report:
        """Return a version's report, the page that ``mlsys evaluate --report`` writes."""
        from ml_sys.jobs.models.report import read_report

        kept = open_registry(self.settings)
        return read_report(kept.open(kept.resolve(version)))
