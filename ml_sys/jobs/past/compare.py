"""Compare past lists made with two settings, or with and without features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ml_sys.data import snapshot as snapshots
from ml_sys.engine.mapping import Engine
from ml_sys.errors import UsageError
from ml_sys.experiments.ablation import Ablation, groups_of, without
from ml_sys.experiments.backtest import compare_lists
from ml_sys.experiments.cache import FITTING, TermStore
from ml_sys.experiments.past_lists import joined_lists, make_lists
from ml_sys.experiments.schedule import plan_terms
from ml_sys.form import PLAIN_WORDS
from ml_sys.model.files.serialization import read_settings
from ml_sys.model.split import Source
from ml_sys.notebook import titled
from ml_sys.registry.store import open_registry
from ml_sys.settings.tree import effective
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml_sys.form import Words
    from ml_sys.metrics.paired import ListMetric, Paired
    from ml_sys.metrics.scored_lists import ScoredLists
    from ml_sys.settings import Settings

    # Called with the number of lists done, and of all lists.
    OnProgress = Callable[[int, int], None]
    Days = tuple[int | None, int | None]


class Side(NamedTuple):
    """Settings and their name: a file or a version."""

    name: str
    settings: Settings


@dataclass(frozen=True)
class Dates:
    """The lists on which the sides are compared.

    Attributes
    ----------
    cutoffs : tuple of int
        Days since 1970-01-01, ascending.
    converters : int
        Distinct companies that converted.
    """

    cutoffs: tuple[int, ...]
    converters: int
    words: Words = PLAIN_WORDS

    @classmethod
    def of(cls, lists: ScoredLists, words: Words = PLAIN_WORDS) -> Dates:
        """Return the dates of some lists."""
        cutoffs = tuple(int(day) for day in np.unique(lists.cutoff))
        return cls(cutoffs, int(np.unique(lists.company[lists.label]).size), words)

    def to_plain(self) -> dict[str, Any]:
        """Return them as plain data."""
        return {"cutoffs": [date_of(day) for day in self.cutoffs], "companies_converted": self.converters}


@dataclass(frozen=True)
class Compared:
    """Two settings on the same past lists.

    Attributes
    ----------
    settings : dict of str to tuple
        Settings that affect the fit and differ: their values in A and in B.
    paired : dict
        Population → metric → B as challenger of A.
    """

    a: str
    b: str
    settings: dict[str, tuple[Any, Any]]
    dates: Dates
    paired: dict[str, dict[ListMetric, Paired]]

    @property
    def table(self) -> pd.DataFrame:
        """Means of A and B over the lists and their difference with interval, by population and metric."""
        metrics = self.to_plain()["metrics"]
        rows = {(of, metric): one for of, found in metrics.items() for metric, one in found.items()}
        index = pd.MultiIndex.from_tuples(rows, names=("population", "metric"))
        return pd.DataFrame(list(rows.values()), index=index)

    def _repr_html_(self) -> str:
        return titled(f"{self.b} against {self.a} on {len(self.dates.cutoffs)} past lists", self.table)

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "a": self.a,
            "b": self.b,
            "settings": {key: {"a": one, "b": other} for key, (one, other) in self.settings.items()},
            **self.dates.to_plain(),
            "metrics": _renamed(
                self.paired,
                {"a": "champion", "b": "challenger", "difference": "difference"},
                better="probability_b_better",
            ),
        }


@dataclass(frozen=True)
class Ablated:
    """What each group of features adds."""

    groups: tuple[Ablation, ...]
    dates: Dates

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        names = {"with": "challenger", "without": "champion", "adds": "difference"}
        return {
            **self.dates.to_plain(),
            "groups": [
                {
                    "group": one.group,
                    "features": one.features,
                    "metrics": _renamed(one.paired, names, better="probability_helps"),
                }
                for one in self.groups
            ],
        }


def side_of(name: str, base: Settings, read: Callable[[Path], Settings]) -> Side:
    """Return the settings of a file or a version.

    Parameters
    ----------
    name : str
        A TOML file, or a version.
    base : Settings
        With the folder of the versions.
    read : callable
        Reads settings from a TOML file.

    Raises
    ------
    ArtifactError
        If there is no such version, or its files do not verify.
    """
    if Path(name).suffix.lower() == ".toml":
        return Side(name, read(Path(name)))
    registry = open_registry(base)
    return Side(name, read_settings(registry.open(registry.resolve(name))))


def compare_settings(base: Settings, a: Side, b: Side, days: Days, on_progress: OnProgress) -> Compared:
    """Make past lists with both sides and compare them.

    Parameters
    ----------
    base : Settings
        Decides which lists are made and how intervals are drawn.
    days : tuple of int or None
        First and last list; by default those of the settings.

    Raises
    ------
    UsageError
        If the two do not predict the same thing.
    """
    sides = [at_dates_of(base, one.settings) for one in (a, b)]
    if sides[0].label != sides[1].label or sides[0].usage != sides[1].usage:
        raise UsageError(
            f"{a.name} and {b.name} do not predict the same thing: [label] or [usage] differ",
            hint="compare settings with the same [label] and [usage]",
        )
    one, other = _lists_of(base, sides, days, on_progress)
    paired = compare_lists(other, one, base.bootstrap, base.seed)
    return Compared(a.name, b.name, differing(*sides), Dates.of(other, base.schema_.words.words()), paired)


def ablate_groups(settings: Settings, groups: Sequence[str], days: Days, on_progress: OnProgress) -> Ablated:
    """Make past lists with all features and without each group, and report what each group adds.

    Parameters
    ----------
    groups : sequence of str
        Groups or features; by default each group.
    """
    sizes = groups_of(settings, groups, snapshots.parts(snapshots.latest_path(settings.artifacts_dir)).form)
    sides = [settings, *(without(settings, name) for name in sizes)]
    whole, *reduced = _lists_of(settings, sides, days, on_progress)
    found = tuple(
        Ablation(name, size, compare_lists(whole, left, settings.bootstrap, settings.seed))
        for (name, size), left in zip(sizes.items(), reduced, strict=True)
    )
    return Ablated(found, Dates.of(whole, settings.schema_.words.words()))


def differing(a: Settings, b: Settings) -> dict[str, tuple[Any, Any]]:
    """Return the settings that affect the fit and differ, with their values in A and in B."""
    one, other = effective(a), effective(b)
    keys = [
        key
        for key in dict.fromkeys([*one, *other])
        if key.partition(".")[0] in FITTING or key == "backtest.window"
    ]
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def at_dates_of(base: Settings, side: Settings) -> Settings:
    """Return a side's settings with the base's lists and folder; its training data stay its own."""
    backtest = base.backtest.model_copy(update={"window": side.backtest.window})
    return side.model_copy(update={"backtest": backtest, "engine": base.engine})


def _lists_of(
    base: Settings, sides: Sequence[Settings], days: Days, on_progress: OnProgress
) -> list[ScoredLists]:
    """Make the lists of all settings on the same days."""
    snapshot = snapshots.opened_latest(base.artifacts_dir)
    plans = [
        plan_terms(
            Source.of(snapshot, one).timeline, one.backtest, one.panel.step_days, first=days[0], last=days[1]
        )
        for one in sides
    ]
    terms = max(plans, key=lambda plan: plan[0].trained)  # each then has enough to learn from
    lists = sum(len(term.cutoffs) for term in terms)
    on_progress(0, lists * len(sides))
    made = []
    with Engine.of(base.engine).held():
        for at, settings in enumerate(sides):
            store = TermStore(base.artifacts_dir, snapshot.id, settings, plain=False)

            def told(done: int, before: int = at * lists) -> None:
                on_progress(before + done, lists * len(sides))

            found, _ = make_lists(snapshot, terms, settings, store=store, plain=False, on_progress=told)
            made.append(joined_lists(snapshot, found))
    return made


def _renamed(
    paired: dict[str, dict[ListMetric, Paired]], names: dict[str, str], *, better: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Return pairs by population and metric, with the names used in this comparison."""
    names = {**names, "low": "low", "high": "high", better: "probability_better"}
    return {
        population: {
            metric: {name: getattr(one, field) for name, field in names.items()}
            for metric, one in metrics.items()
        }
        for population, metrics in paired.items()
    }
