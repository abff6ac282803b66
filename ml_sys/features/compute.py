"""The one feature function: train, evaluate, score and serve all call :func:`feature_columns`.

Its input type carries neither id nor MRR nor CLOSEDATE, so none of them can reach a feature.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_sys.data.schema import ACTIONS, MEASURES
from ml_sys.days import WEEKLY, Period
from ml_sys.errors import ResolveError, SettingsError, nearest
from ml_sys.features.derived import FEATURES, WINDOWS_DAYS, Feature, Usage
from ml_sys.features.firmographics import (
    CATEGORIES,
    MISSINGNESS,
    NUMBERS,
    Firmographics,
    firmographic_columns,
)
from ml_sys.features.windows import UsageLog, window_stats
from ml_sys.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ml_sys.data.snapshot import Snapshot

# One array per feature, each of the same length.
Columns = dict[str, NDArray[Any]]
# Raised whenever the meaning of a feature changes while its name stays.
FEATURE_CODE_VERSION = 2
BASE_GROUP = "windows"
FIRMOGRAPHIC_GROUP = "firmographics"


@dataclass(frozen=True)
class FeatureInputs:
    """All that features may be computed from: usage and firmographics of the same anonymous companies."""

    usage: UsageLog
    firmographics: Firmographics

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, period: Period) -> FeatureInputs:
        """Take usage and firmographics out of a snapshot and leave everything else behind."""
        return cls.of(
            snapshot.usage_company,
            snapshot.usage_stamp,
            snapshot.usage_values,
            Firmographics.from_companies(snapshot.companies),
            period,
        )

    @classmethod
    def of(
        cls,
        company: NDArray[np.int32],
        stamp_day: NDArray[np.int32],
        values: NDArray[np.int32],
        firmographics: Firmographics,
        period: Period,
    ) -> FeatureInputs:
        """Put usage and firmographics together: the only way from rows, of whatever kind, to features.

        Parameters
        ----------
        company, stamp_day, values : ndarray
            As of :meth:`UsageLog.from_rows`, of rows that :func:`ml_sys.data.usage.one_of_each` kept.
        firmographics : Firmographics
            Of all the companies, those without usage included.
        period : Period
            What a row covers.
        """
        usage = UsageLog.from_rows(
            company,
            stamp_day,
            values,
            n_companies=firmographics.rank.size,
            n_actions=len(ACTIONS),
            period=period,
        )
        return cls(usage, firmographics)

    def take(self, companies: NDArray[np.integer[Any]]) -> FeatureInputs:
        """Return the inputs of some companies, in the order given."""
        return FeatureInputs(self.usage.take(companies), self.firmographics.take(companies))


@dataclass(frozen=True)
class FeatureSpec:
    """Which features a model uses; part of the model.

    Attributes
    ----------
    windows_days : tuple of int
        Windows whose sums and maxima are features of their own.
    off : tuple of str
        Features and groups left out.
    extra : tuple of str
        Import paths of features registered elsewhere.
    firmographic_missingness : bool
        Whether a blank rank or employee range is a feature.
    period : Period
        What a usage row covers.
    """

    windows_days: tuple[int, ...]
    off: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    firmographic_missingness: bool = False
    period: Period = WEEKLY

    def groups(self) -> dict[str, str]:
        """Return the group of every feature that is on, in the order of the frame's columns.

        Raises
        ------
        SettingsError
            If ``off`` names a feature or group that does not exist or leaves nothing, or two features share a
            name.
        """
        everything = list(self._all())
        known = dict(everything)
        for name, n in Counter(name for name, _ in everything).items():
            if n > 1:
                raise SettingsError("features.extra", name, "is there twice", hint="name each feature once")
        off = set(self.off)
        for name in sorted(off - set(known) - set(known.values())):
            near = nearest(name, [*known, *known.values()])
            raise SettingsError(
                "features.off",
                name,
                "is neither a feature nor a group",
                hint=f"did you mean {near!r}?" if near else "",
            )
        on = {name: group for name, group in known.items() if name not in off and group not in off}
        if not on:
            raise SettingsError(
                "features.off", ", ".join(self.off), "leaves no feature", hint="leave at least one on"
            )
        return on

    def names(self) -> list[str]:
        """Return the names of the frame's columns, in order."""
        return list(self.groups())

    def categories(self) -> list[str]:
        """Return the names of the categorical columns."""
        return [name for name in self.names() if name in CATEGORIES]

    def schema_hash(self) -> str:
        """Digest of the feature list and of the code's meaning of it."""
        text = json.dumps([FEATURE_CODE_VERSION, asdict(self), list(self.groups().items())], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def derived(self) -> list[Feature]:
        """Return the registered features of this package and those that ``extra`` names."""
        extra = [_registered(path) for path in self.extra]
        ours = [
            entry
            for entry in FEATURES.values()
            if entry.function.__module__.startswith(__package__ or "ml_sys")
        ]
        return ours + extra

    def _all(self) -> Iterator[tuple[str, str]]:
        for days in sorted(set(self.windows_days)):
            for measure in MEASURES:
                yield f"{measure}_sum_{days}d", BASE_GROUP
                yield f"{measure}_max_{days}d", BASE_GROUP
            yield f"weeks_present_{days}d", BASE_GROUP
            yield f"weeks_active_{days}d", BASE_GROUP
        for entry in self.derived():
            yield entry.name, entry.group
        for name in NUMBERS + CATEGORIES + (MISSINGNESS if self.firmographic_missingness else ()):
            yield name, FIRMOGRAPHIC_GROUP


def feature_columns(inputs: FeatureInputs, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Columns:
    """Compute every feature of every (company, cutoff).

    A feature is a function of the firmographics and of usage complete by the cutoff. Nothing else.

    Parameters
    ----------
    inputs : FeatureInputs
        Of n_companies companies.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01, strictly ascending.
    spec : FeatureSpec
        The features wanted.

    Returns
    -------
    dict of str to ndarray of shape (n_companies * n_cutoffs,)
        Company by company, cutoffs ascending within. Numbers are float32 with NaN for blanks, categories
        object with None for blanks.
    """
    names = spec.names()
    parts = [_block(block, cutoffs, spec, names) for block in inputs.usage.blocks()]
    firm = firmographic_columns(inputs.firmographics, with_missingness=spec.firmographic_missingness)
    columns: Columns = {}
    for name in names:
        if name in firm:
            columns[name] = np.repeat(firm[name], cutoffs.size)
        else:
            columns[name] = (
                np.concatenate([part[name] for part in parts]) if parts else np.empty(0, np.float32)
            )
    return columns


def feature_frame(inputs: FeatureInputs, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> pd.DataFrame:
    """Return :func:`feature_columns` as a DataFrame of shape (n_companies * n_cutoffs, n_features)."""
    import pandas as pd  # the service computes features without it

    return pd.DataFrame(feature_columns(inputs, cutoffs, spec), copy=False)


def _block(
    log: UsageLog, cutoffs: NDArray[np.int32], spec: FeatureSpec, names: list[str]
) -> dict[str, NDArray[np.float32]]:
    windows = sorted({*spec.windows_days, *WINDOWS_DAYS})
    usage = Usage(window_stats(log, cutoffs, windows), cutoffs, windows)
    columns: dict[str, NDArray[np.float32]] = {}
    assert usage.stats.maxima is not None  # noqa: S101 - asked for above
    for days in spec.windows_days:
        at = windows.index(days)
        for number, measure in enumerate(MEASURES):
            columns[f"{measure}_sum_{days}d"] = usage.stats.sums[:, :, at, number].ravel()
            columns[f"{measure}_max_{days}d"] = usage.stats.maxima[:, :, at, number].ravel()
        columns[f"weeks_present_{days}d"] = usage.weeks_present(days)
        columns[f"weeks_active_{days}d"] = usage.weeks_active(days)
    wanted = set(names)
    for entry in spec.derived():
        if entry.name in wanted:
            columns[entry.name] = np.asarray(entry.function(usage), dtype=np.float32)
    return columns


def _registered(path: str) -> Feature:
    function = resolve(path)
    for entry in FEATURES.values():
        if entry.function is function:
            return entry
    raise ResolveError(
        f"features.extra: {path} is not a registered feature",
        hint="decorate the function with @feature(group=…)",
    )
