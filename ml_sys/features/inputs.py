"""The inputs of features: usage, attributes and the first day of each entity.

This type has neither id nor money nor conversion day, so none of them can reach a feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.errors import SnapshotError, nearest
from ml_sys.features.attributes import Attributes
from ml_sys.features.windows import UsageLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.days import Period
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.form import Form

R = TypeVar("R")


class NotInSnapshotError(SnapshotError):
    """A snapshot lacks a measure or an attribute that a model's features are made of."""

    def __init__(self, kind: str, name: str, there: Sequence[str]) -> None:
        near = nearest(name, there)
        super().__init__(
            f"the snapshot has no {kind} {name!r} as the model needs it",
            hint=f"it has {near!r}; " * bool(near)
            + "describe the tables as they were described then, or train a model of these",
        )


class Inputs(Protocol):
    """The inputs of features of n_companies entities, in memory or read part by part."""

    @property
    def form(self) -> Form:
        """The measures and attributes."""

    @property
    def period(self) -> Period:
        """What a usage row covers."""

    @property
    def attributes(self) -> Attributes:
        """Of all entities."""

    @property
    def since(self) -> NDArray[np.int32]:
        """Day on which each began to exist; ``NEVER_BEGAN`` where that is not known."""

    @property
    def is_stored(self) -> bool:
        """Whether usage is read from disk each time."""

    @property
    def n_companies(self) -> int:
        """Number of entities."""

    def first_days(self) -> NDArray[np.int32]:
        """Return the day of each entity's first row, ``NEVER`` where it has none; shape (n_companies,)."""

    def parts(self) -> Iterator[InputPart]:
        """Yield the entities in parts; each entity is in one part with all of its usage."""

    def each(self, function: Callable[[InputPart], Iterable[R]], then: Callable[[R], object]) -> None:
        """Hand on, in the order of the parts, all that a pure function makes of each."""


@dataclass(frozen=True)
class InputPart:
    """Some of the entities.

    Attributes
    ----------
    companies : ndarray of shape (n,), int32
        Their positions among all entities.
    inputs : FeatureInputs
        Only of these entities.
    """

    companies: NDArray[np.int32]
    inputs: FeatureInputs

    def local(self, company: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the positions of entities in this part, -1 for entities of other parts."""
        size = 1 + max(int(one.max(initial=-1)) for one in (company, self.companies))
        place = np.full(size, -1, dtype=np.int32)
        place[self.companies] = np.arange(self.companies.size, dtype=np.int32)
        return place[company]


@dataclass(frozen=True)
class FeatureInputs:
    """All inputs of features, for the same anonymous entities.

    Attributes
    ----------
    form : Form
        What the measures and attributes are.
    period : Period
        What a usage row covers.
    usage : UsageLog
    attributes : Attributes
    since : ndarray of shape (n_companies,), int32
        Day on which each began to exist; ``NEVER_BEGAN`` where that is not known.
    """

    form: Form
    period: Period
    usage: UsageLog
    attributes: Attributes
    since: NDArray[np.int32]

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, spec: FeatureSpec) -> FeatureInputs:
        """Take only the inputs of a model's features from a snapshot.

        Raises
        ------
        NotInSnapshotError
            If the snapshot lacks a measure or an attribute.
        """
        values = measures_of(snapshot.usage_values, snapshot.form, spec.form)
        return cls.of(
            (snapshot.usage_company, snapshot.usage_stamp, values),
            Attributes.from_companies(snapshot.companies, spec.form.attributes),
            spec,
            snapshot.since,
        )

    @classmethod
    def of(
        cls,
        rows: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]],
        attributes: Attributes,
        spec: FeatureSpec,
        since: NDArray[np.int32] | None = None,
    ) -> FeatureInputs:
        """Combine usage and attributes: the only way from rows of any kind to features.

        Parameters
        ----------
        rows : tuple of ndarray
            Company, day of the stamp and values, as of :meth:`UsageLog.from_rows`, of rows that
            :func:`ml_sys.data.usage.one_of_each` kept; values in the order of the form's measures.
        attributes : Attributes
            Of all entities, including those without usage.
        since : ndarray of shape (n_companies,), int32, optional
            First day of each, if known.
        """
        return cls.of_log(log_of(rows, spec, attributes.n_companies), attributes, spec, since)

    @classmethod
    def of_log(
        cls,
        usage: UsageLog,
        attributes: Attributes,
        spec: FeatureSpec,
        since: NDArray[np.int32] | None = None,
    ) -> FeatureInputs:
        """Combine a log from :func:`log_of`, or a part of one, with the attributes of its entities."""
        if since is None or not spec.form.has_since:
            since = np.full(attributes.n_companies, NEVER_BEGAN, dtype=np.int32)
        return cls(spec.form, spec.period, usage, attributes, since)

    @property
    def is_stored(self) -> bool:
        """Return False, as usage is in memory."""
        return False

    @property
    def n_companies(self) -> int:
        """Number of entities."""
        return self.usage.n_companies

    def first_days(self) -> NDArray[np.int32]:
        """Return the day of each entity's first row, ``NEVER`` where it has none; shape (n_companies,)."""
        return self.usage.first_days()

    def parts(self) -> Iterator[InputPart]:
        """Yield all entities as one part."""
        yield InputPart(np.arange(self.n_companies, dtype=np.int32), self)

    def each(self, function: Callable[[InputPart], Iterable[R]], then: Callable[[R], object]) -> None:
        """Hand on all that a function makes of all entities; see :meth:`Inputs.each`."""
        for part in self.parts():
            for made in function(part):
                then(made)

    def take(self, companies: NDArray[np.integer[Any]]) -> FeatureInputs:
        """Return the inputs of some entities, in the given order."""
        return FeatureInputs(
            self.form,
            self.period,
            self.usage.take(companies),
            self.attributes.take(companies),
            self.since[companies],
        )


def log_of(
    rows: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]], spec: FeatureSpec, n_companies: int
) -> UsageLog:
    """Convert usage rows (see :meth:`FeatureInputs.of`) to the log that features read."""
    return UsageLog.from_rows(
        *rows,
        n_companies=n_companies,
        n_activity=spec.form.n_activity,
        period=spec.period,
        digits=tuple(one.digits for one in spec.form.measures),
    )


def measures_of(values: NDArray[Any], there: Form, wanted: Form) -> NDArray[Any]:
    """Return the columns of usage values for a form's measures, in the form's order.

    Raises
    ------
    NotInSnapshotError
        If one is missing.
    """
    attributes = {one.name: one.kind for one in there.attributes}
    for attribute in wanted.attributes:
        if attributes.get(attribute.name) != attribute.kind:
            raise NotInSnapshotError("attribute", attribute.name, list(attributes))
    if there.measures == wanted.measures:
        return values
    known = {(one.name, one.role, one.digits): at for at, one in enumerate(there.measures)}
    places = []
    for one in wanted.measures:
        if (one.name, one.role, one.digits) not in known:
            raise NotInSnapshotError("measure", one.name, there.measure_names)
        places.append(known[one.name, one.role, one.digits])
    return np.ascontiguousarray(values[:, places])
