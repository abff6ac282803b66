"""How often the monitor rings without cause, and whether it rings for each of the faults that data have.

A version is trained on the first 70 weeks of a generated world. Then other worlds of the same process, each
with a seed of its own, are looked at with its eyes, and so is its own world week after week; both ring for
chance alone. Last, its own world twelve weeks on is spoilt in one way after the other.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import latest
from ml_sys.data.sources import open_source
from ml_sys.days import day_number
from ml_sys.errors import MlsysError
from ml_sys.jobs.models.train import train_version
from ml_sys.jobs.outcomes.monitor import monitor
from ml_sys.registry.store import Registry
from ml_sys.sample.generator import generate
from ml_sys.sample.simulation import LOG_START
from ml_sys.settings import SchemaSettings, Settings
from ml_sys.text import date_of
from tests import made

COMPANIES, TRAINED, LATER = 3000, 70, 12
MOST_FALSE = 0.05
_FIRST = day_number(LOG_START.astype(object))
_ID, _WHEN = "id", "WHEN_TIMESTAMP"


def end_of(week: int) -> int:
    """Return the day on which a week of the log was complete."""
    return _FIRST + 7 * week


@dataclass
class Tables:
    """The three tables of a world, as texts."""

    customers: pd.DataFrame
    noncustomers: pd.DataFrame
    usage: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Tables:
        names = ("customers", "noncustomers", "usage_actions")
        return cls(*(pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False) for name in names))

    def copy(self) -> Tables:
        return Tables(self.customers.copy(), self.noncustomers.copy(), self.usage.copy())

    def recent(self, weeks: int) -> pd.Series:
        """Say which usage rows are of the last weeks."""
        since = date_of(end_of(TRAINED + LATER - weeks))
        return self.usage[_WHEN].str[:10] >= since


def ingested(tables: Tables, artifacts: Path, day: int) -> None:
    """Ingest tables as of a day, whatever is wrong with them."""
    folder = Path(tempfile.mkdtemp(dir=artifacts.parent))
    for name in ("customers", "noncustomers", "usage"):
        getattr(tables, name).to_csv(folder / f"{name}.csv", index=False)
    files = {name: str(folder / f"{name}.csv") for name in ("customers", "noncustomers", "usage")}
    ingest(
        Origin(open_source("file"), SchemaSettings(), files),
        Rules(max_rejected_share=1.0, as_of=date_of(day)),
        artifacts,
        now=made.NOW,
    )
    shutil.rmtree(folder)


def doubled(tables: Tables) -> None:
    rows = tables.recent(4)
    column = "ACTIONS_CRM_CONTACTS"
    tables.usage.loc[rows, column] = tables.usage.loc[rows, column].map(lambda text: str(2 * int(text)))


def zeroed(tables: Tables) -> None:
    tables.usage.loc[tables.recent(4), ["ACTIONS_CRM_DEALS", "USERS_CRM_DEALS"]] = "0"


def stopped(tables: Tables) -> None:
    tables.usage = tables.usage[~tables.recent(2)]


def renumbered(tables: Tables) -> None:
    for table in (tables.customers, tables.noncustomers):
        table[_ID] = [str(int(one) + 5_000_000) for one in table[_ID]]


def recoded(tables: Tables) -> None:
    for table in (tables.customers, tables.noncustomers):
        table.loc[table["INDUSTRY"] == "COMPUTER_SOFTWARE", "INDUSTRY"] = "NAICS 511210"


def halved(tables: Tables) -> None:
    tables.noncustomers = tables.noncustomers.iloc[::2]


def late(tables: Tables) -> None:
    stamp = pd.to_datetime(tables.usage[_WHEN], errors="coerce")
    moved = (stamp + pd.Timedelta(days=7)).dt.strftime("%Y-%m-%d 00:00:00.000")
    tables.usage[_WHEN] = moved.where(stamp.notna(), tables.usage[_WHEN])


def blanked(tables: Tables) -> None:
    tables.noncustomers.loc[tables.noncustomers.index % 5 == 0, "EMPLOYEE_RANGE"] = ""


def repeated(tables: Tables) -> None:
    tables.noncustomers = pd.concat([tables.noncustomers, tables.noncustomers.iloc[::3]])


def unpaid(tables: Tables) -> None:
    since = date_of(end_of(TRAINED + LATER - 9))
    gone = tables.customers["CLOSEDATE"].str[:10] >= since
    tables.noncustomers = pd.concat(
        [tables.noncustomers, tables.customers.loc[gone, tables.noncustomers.columns]]
    )
    tables.customers = tables.customers[~gone]


# What is done to the tables, and a check that has to ring.
FAULTS: dict[str, tuple[Callable[[Tables], None], str]] = {
    "a measure doubled": (doubled, "actions_crm_contacts, of those"),
    "usage stops": (stopped, "days since usage ends"),
    "ids of the companies renumbered": (renumbered, "companies found again"),
    "an industry recoded": (recoded, "industry, unknown to the version"),
    "half the companies missing": (halved, "prospects"),
    "stamps a week late": (late, "past usage rows found again"),
    "blanks in the employee range": (blanked, "employee_range, blank"),
    "a measure all zero": (zeroed, "actions_crm_deals, rows with any"),
    "a third of the prospects twice": (repeated, "rows of noncustomers that are merged"),
    "conversions stop": (unpaid, "conversions of the last 30 days"),
}


def main() -> None:
    """Print how often alarms ring for nothing, and what rings for each fault."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--smallest", action="store_true")
    asked.add_argument("--draws", type=int, default=200, help="fresh draws of the same process")
    asked.add_argument("--first", type=int, default=1000, help="seed of the first one")
    options = asked.parse_args()
    draws = 2 if options.smallest else options.draws
    with tempfile.TemporaryDirectory() as folder:
        place = Place.made(Path(folder))
        rang: Counter[str] = Counter()
        false = 0
        for seed in range(options.first, options.first + draws):
            alarms = place.of_another_world(seed)
            false += bool(alarms)
            rang.update(alarms)
        print(f"{false} of {draws} fresh draws ring; by check: {dict(rang)}")
        weeks = range(TRAINED + 1, TRAINED + LATER + 1, 6 if options.smallest else 1)
        quiet = [place.of_its_own_world(week) for week in weeks]
        print(f"its own world, {len(quiet)} weeks on: {[alarms for alarms in quiet if alarms]}")
        missed = []
        for name, (spoil, due) in FAULTS.items():
            alarms = place.spoilt(spoil)
            missed += [] if due in alarms else [name]
            print(f"{'rings' if due in alarms else 'MISSED':<7}{name}: {', '.join(sorted(alarms))}")
    if missed or (false > MOST_FALSE * draws and not options.smallest):
        raise SystemExit(1)


@dataclass
class Place:
    """A version in a folder, and the world that it has learnt from."""

    folder: Path
    settings: Settings
    tables: Tables

    @classmethod
    def made(cls, folder: Path) -> Place:
        data, artifacts = folder / "data", folder / "artifacts"
        generate(data, companies=COMPANIES, weeks=TRAINED + LATER, seed=11)
        tables = Tables.read(data)
        ingested(tables, artifacts, end_of(TRAINED))
        settings = made.cheaper(made.quick_settings(artifacts))
        train_version(Registry(artifacts), latest(artifacts), settings, now=made.NOW)
        return cls(folder, settings, tables)

    def of_another_world(self, seed: int) -> set[str]:
        """Return what rings in a fresh draw of the same process, as of the same day."""
        data = self.folder / "other"
        generate(data, companies=COMPANIES, weeks=TRAINED, seed=seed)
        return self._rings(Tables.read(data), end_of(TRAINED))

    def of_its_own_world(self, week: int) -> set[str]:
        """Return what rings at the end of a later week."""
        return self._rings(self.tables, end_of(week))

    def spoilt(self, spoil: Callable[[Tables], None]) -> set[str]:
        """Return what rings after a fault, at the end of the log."""
        tables = self.tables.copy()
        spoil(tables)
        return self._rings(tables, end_of(TRAINED + LATER))

    def _rings(self, tables: Tables, day: int) -> set[str]:
        artifacts = self.settings.artifacts_dir
        try:
            ingested(tables, artifacts, day)
            found = monitor(Registry(artifacts), self.settings, day=day)
        except MlsysError as error:
            return {f"error: {error}"}
        return {one.name for one in found.alarms}


if __name__ == "__main__":
    main()
