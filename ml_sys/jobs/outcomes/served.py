"""Read the service's prediction log for `impact` and `monitor`: the edge around `outcomes.served`."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.errors import MlsysError, StorageError
from ml_sys.outcomes.database import served_log
from ml_sys.outcomes.database.engine import database_errors, postgresql_engine, sqlite_engine
from ml_sys.outcomes.database.migrating import bring_up_to_date
from ml_sys.outcomes.database.served_log import Windows
from ml_sys.outcomes.lists import storable
from ml_sys.outcomes.served import (
    WEEK_DAYS,
    WEEKS_BEFORE,
    edges_of,
    input_checks,
    kept_promise,
    served_checks,
)
from ml_sys.registry.store import Registry
from ml_sys.serve.sinks import STORE, predictions_place
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from ml_sys.jobs.outcomes.known import Conversions
    from ml_sys.outcomes.monitoring import Check, Limits
    from ml_sys.outcomes.promised import Band
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class Held:
    """The list that a version was judged on.

    Attributes
    ----------
    probability : ndarray of shape (n,), float64
        Of each company.
    inputs : mapping of str to float
        Share of companies for which each attribute is blank, or a text unknown to the version.
    """

    probability: NDArray[np.float64]
    inputs: Mapping[str, float]


def served_promises(
    settings: Settings, known: Conversions, since: int | None
) -> tuple[tuple[Band, ...], tuple[str, ...]]:
    """Compare what served predictions promised with what came, by version.

    For each company, the last prediction counts in each window as long as the horizon, once the data reach
    the end of its horizon. Predictions made after it had paid do not count.

    Returns
    -------
    bands : tuple of Band
        The earliest version first.
    notes : tuple of str
        Predictions that could not be judged.
    """
    confidence = settings.bootstrap.confidence
    sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(4))
    strangers = 0
    with opened_log(settings) as connection:
        if connection is None:
            return (), ()
        registry = Registry(settings.artifacts_dir)
        horizons = _horizons(registry, served_log.versions_served(connection))
        for horizon, versions in horizons.items():
            windows = Windows(versions, horizon, known.as_of - horizon + 1, since)
            strangers += _add_up(connection, windows, known, sums)
    bands = tuple(
        kept_promise(version, int(count), float(total), float(squares), int(came), confidence)
        for version, (count, total, squares, came) in (
            (one, sums[one]) for one in registry.read().versions if one in sums
        )
    )
    told = (
        f"{counted(strangers, 'name')} that the service was asked about {'is' if strangers == 1 else 'are'}"
    )
    return bands, ((f"{told} not in the data: their predictions are not judged",) if strangers else ())


def watched(
    settings: Settings, version: str, held: Held, day: int, limits: Limits
) -> tuple[list[Check], tuple[str, ...]]:
    """Check what the service served in the week before a day; see `served_checks` and `input_checks`.

    Returns
    -------
    checks : list of Check
    notes : tuple of str
        Why the log could not be read.
    """
    try:
        with opened_log(settings) as connection:
            if connection is None:
                return [], ()
            start = day - WEEK_DAYS * (WEEKS_BEFORE + 1)
            rows = served_log.by_day(connection, start, day, edges_of(held.probability))
            inputs = served_log.inputs_by_day(connection, start, day)
    except StorageError as error:
        return [], (f"the service's predictions are not checked: {error.message}",)
    checks = served_checks(rows, version, held.probability, day, limits)
    return [*checks, *input_checks(inputs, version, held.inputs, day, limits)], ()


@contextmanager
def opened_log(settings: Settings) -> Iterator[Connection | None]:
    """Open the prediction log; None if there is none, or if it is in the user's own sink.

    Raises
    ------
    StorageError
        If it cannot be read.
    """
    place = predictions_place(settings)
    if settings.serve.prediction_log != STORE or (isinstance(place, Path) and not place.exists()):
        yield None
        return
    with database_errors(place):
        engine = postgresql_engine(place) if isinstance(place, str) else sqlite_engine(place)
        try:
            bring_up_to_date(engine, place, settings.artifacts_dir, settings.registry.lock_timeout_seconds)
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def _horizons(registry: Registry, versions: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """Return the versions by horizon, without those that are not in the registry."""
    found: dict[int, tuple[str, ...]] = {}
    for version in versions:
        try:
            horizon = int(registry.open(version).manifest["horizon_days"])
        except MlsysError:
            continue
        found[horizon] = (*found.get(horizon, ()), version)
    return found


def _add_up(
    connection: Connection, windows: Windows, known: Conversions, sums: dict[str, NDArray[np.float64]]
) -> int:
    """Add up what versions promised and what came; return how many companies are unknown."""
    ids = known.index.ids
    paid = np.flatnonzero((known.closed != NEVER_CLOSED) & (known.closed <= known.as_of))
    names = map(storable, ids.take(pa.array(paid)).to_pylist())
    closed = dict(zip(names, known.closed[paid].tolist(), strict=True))
    everybody = {storable(name) for name in ids.to_pylist()} if known.everybody else None
    strangers = set()
    for company, version, count, total, squares in served_log.promised(connection, windows):
        if company in closed:
            continue
        if everybody is not None and company not in everybody:
            strangers.add(company)
            continue
        sums[version] += (count, total, squares, 0)
    for company, version, day, probability in served_log.last_of(connection, windows, closed):
        came = closed[company] < day + windows.horizon_days
        sums[version] += (1, probability, probability**2, came)
    return len(strangers)
