"""The one feature function: train, evaluate, score and serve all call :func:`feature_columns`.

Its input type has neither id nor money nor conversion day, so none of them can reach a feature.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.days import Period
from ml_sys.errors import ResolveError, SettingsError, nearest
from ml_sys.features.attributes import attribute_columns, category_names, feature_names
from ml_sys.features.derived import FEATURES, Feature, History, Usage
from ml_sys.features.families import FAMILIES
from ml_sys.features.family import HISTORY
from ml_sys.features.spans import Spans, spans_of
from ml_sys.features.windows import NEVER, window_stats
from ml_sys.resolve import resolve
from ml_sys.settings.description import default_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ml_sys.features.inputs import FeatureInputs
    from ml_sys.features.windows import UsageLog
    from ml_sys.form import Form

# One array per feature, each of the same length.
Columns = dict[str, NDArray[Any]]
# Raised whenever the meaning of a feature changes while its name stays.
FEATURE_CODE_VERSION = 2
BASE_GROUP = "windows"
ATTRIBUTE_GROUP = "attributes"
# Longer than all time before any cutoff.
_EVER = 10**6


@dataclass(frozen=True)
class FeatureSpec:
    """The features that a model uses; part of the model.

    Attributes
    ----------
    windows_days : tuple of int
        Windows whose sums and maxima are features of their own.
    off : tuple of str
        Features and groups left out.
    extra : tuple of str
        Import paths of features registered elsewhere.
    attribute_missingness : bool
        Whether blanks that get filled in for converters are features.
    period : Period
        What a usage row covers.
    history : {"auto", "on", "off"}
        Whether there are features of an entity's whole history; by default if its first day is known.
    form : Form
        The measures and attributes that features are made of.
    """

    windows_days: tuple[int, ...]
    off: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    attribute_missingness: bool = False
    period: Period = field(default_factory=Period)
    history: Literal["auto", "on", "off"] = "auto"
    # Forms are large and few: comparing them is enough, hashing them is slow.
    form: Form = field(default_factory=default_form, hash=False, repr=False)

    @property
    def spans(self) -> Spans:
        """The windows of its period, by role."""
        return spans_of(self.period)

    @property
    def with_history(self) -> bool:
        """Whether there are features of an entity's whole history."""
        return self.history == "on" or (self.history == "auto" and self.form.has_since)

    def groups(self) -> dict[str, str]:
        """Return the group of every feature that is on, in the order of the frame's columns.

        Raises
        ------
        SettingsError
            If ``off`` names a feature or group that does not exist or leaves nothing, or two features share a
            name.
        """
        # Features of one's own may be defined anew; those of a form stay.
        return self._groups() if self.extra else dict(_groups_of(self))

    def _groups(self) -> dict[str, str]:
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
        texts = set(category_names(self.form.attributes))
        return [name for name in self.names() if name in texts]

    def schema_hash(self) -> str:
        """Digest of the feature list and of the code's meaning of it."""
        text = json.dumps([FEATURE_CODE_VERSION, asdict(self), list(self.groups().items())], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def derived(self) -> list[Feature]:
        """Return the features that the form has, and those that ``extra`` names."""
        return [*_of_form(self), *(_registered(path) for path in self.extra)]

    def _all(self) -> Iterator[tuple[str, str]]:
        for days in sorted(set(self.windows_days)):
            for measure in self.form.measures:
                yield f"{measure.name}_sum_{days}d", BASE_GROUP
                yield f"{measure.name}_max_{days}d", BASE_GROUP
            for what in ("present", "active"):
                yield f"{self.spans.unit}s_{what}_{days}d", BASE_GROUP
        for entry in self.derived():
            yield entry.name, entry.group
        for name in feature_names(self.form.attributes, with_missingness=self.attribute_missingness):
            yield name, ATTRIBUTE_GROUP


@lru_cache(maxsize=32)
def _groups_of(spec: FeatureSpec) -> dict[str, str]:
    return spec._groups()  # noqa: SLF001 - its own, kept


@lru_cache(maxsize=32)
def _of_form(spec: FeatureSpec) -> tuple[Feature, ...]:
    return tuple(FAMILIES.features(spec.form, spec.spans, history=spec.with_history))


def feature_columns(inputs: FeatureInputs, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Columns:
    """Compute every feature of every (company, cutoff).

    A feature depends only on the attributes, on the first day of the entity and on usage complete by the
    cutoff.

    Parameters
    ----------
    inputs : FeatureInputs
        Of n_companies entities.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01, strictly ascending.
    spec : FeatureSpec
        The features wanted.

    Returns
    -------
    dict of str to ndarray of shape (n_companies * n_cutoffs,)
        Company by company, cutoffs ascending within each. Numbers are float32 with NaN for blanks, categories
        object with None for blanks.
    """
    names = spec.names()
    known = attribute_columns(inputs.attributes, with_missingness=spec.attribute_missingness)
    chosen, log, since = _distinct(inputs)
    parts, start = [], 0
    for block in log.blocks():
        parts.append(_block(block, since[start : start + block.n_companies], cutoffs, spec, names))
        start += block.n_companies
    columns: Columns = {}
    for name in names:
        if name in known:
            columns[name] = np.repeat(known[name], cutoffs.size)
            continue
        column = np.concatenate([part[name] for part in parts]) if parts else np.empty(0, np.float32)
        columns[name] = column if chosen is None else _spread(column, chosen, inputs, cutoffs.size)
    return columns


def feature_frame(inputs: FeatureInputs, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> pd.DataFrame:
    """Return :func:`feature_columns` as a DataFrame of shape (n_companies * n_cutoffs, n_features)."""
    import pandas as pd  # the service computes features without it

    return pd.DataFrame(feature_columns(inputs, cutoffs, spec), copy=False)


def _distinct(
    inputs: FeatureInputs,
) -> tuple[NDArray[np.intp] | None, UsageLog, NDArray[np.int32]]:
    """Return some entities with their usage and first days; all other entities are equal to the last of them.

    Entities without usage and first day are all equal. If they are few, None means that every entity is
    returned.
    """
    log, since = inputs.usage, inputs.since
    idle = since == NEVER_BEGAN
    idle[log.company] = False
    if 2 * np.count_nonzero(idle) <= log.n_companies:
        return None, log, since
    chosen = np.append(np.flatnonzero(~idle), np.flatnonzero(idle)[:1])
    return chosen, log.take(chosen), since[chosen]


def _spread(
    column: NDArray[np.float32], chosen: NDArray[np.intp], inputs: FeatureInputs, n_cutoffs: int
) -> NDArray[np.float32]:
    """Give every entity the feature of the entity that it equals; see :func:`_distinct`.

    If all are equal at a cutoff, they share one number in memory.
    """
    if column.size == 1:
        return np.broadcast_to(column, inputs.usage.n_companies)
    of_chosen = column.reshape(-1, n_cutoffs)
    every = np.empty((inputs.usage.n_companies, n_cutoffs), dtype=column.dtype)
    every[:] = of_chosen[-1]
    every[chosen] = of_chosen
    return every.ravel()


def _block(
    log: UsageLog, since: NDArray[np.int32], cutoffs: NDArray[np.int32], spec: FeatureSpec, names: list[str]
) -> dict[str, NDArray[np.float32]]:
    spans, wanted = spec.spans, set(names)
    windows = sorted({*spec.windows_days, *spans.windows})
    stats = window_stats(log, cutoffs, windows)
    derived = [entry for entry in spec.derived() if entry.name in wanted]
    history = _history(log, since, cutoffs) if any(one.group == HISTORY for one in derived) else None
    usage = Usage(stats, cutoffs, windows, spec.form, spans, history)
    columns: dict[str, NDArray[np.float32]] = {}
    assert stats.maxima is not None  # noqa: S101 - asked for above
    for days in spec.windows_days:
        at = windows.index(days)
        for number, measure in enumerate(spec.form.measures):
            columns[f"{measure.name}_sum_{days}d"] = stats.sums[:, :, at, number].ravel()
            columns[f"{measure.name}_max_{days}d"] = stats.maxima[:, :, at, number].ravel()
        columns[f"{spans.unit}s_present_{days}d"] = usage.rows_present(days)
        columns[f"{spans.unit}s_active_{days}d"] = usage.rows_active(days)
    for entry in derived:
        columns[entry.name] = np.asarray(entry.function(usage), dtype=np.float32)
    return columns


def _history(log: UsageLog, since: NDArray[np.int32], cutoffs: NDArray[np.int32]) -> History:
    first = log.first_uses()[:, None, :]
    known = np.where(first <= cutoffs[None, :, None], first, NEVER)
    totals = window_stats(log, cutoffs, (_EVER,), with_maxima=False).sums[:, :, 0]
    return History(since, known, totals)


def _registered(path: str) -> Feature:
    function = resolve(path)
    for entry in FEATURES.values():
        if entry.function is function:
            return entry
    raise ResolveError(
        f"features.extra: {path} is not a registered feature",
        hint="decorate the function with @feature(group=…)",
    )
