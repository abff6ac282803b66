"""Compare what the handed-out lists of a version promised with what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.errors import StorageError
from ml_sys.jobs.lists.records import opened_if_there
from ml_sys.jobs.outcomes.known import conversions_of
from ml_sys.outcomes.impact import compared_lists
from ml_sys.outcomes.realised import matured
from ml_sys.scoring.cooldown import EXCLUDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Everyone
    from ml_sys.outcomes.monitoring import Matured
    from ml_sys.settings import Settings

_COLUMNS = ("entity_id", "probability", "rank", "group")

Promises = tuple[tuple["Matured", ...], list["NDArray[np.float64]"], tuple[str, ...]]


def promises_kept(settings: Settings, version: str, known: Everyone) -> Promises:
    """Read what a version's latest mature lists promised from the store, and what came from a snapshot.

    Returns
    -------
    lists : tuple of Matured
        At most ``monitor.lists``, a horizon apart, each over all its recorded companies.
    probabilities : list of ndarray
        Of each list.
    notes : tuple of str
        Why the store could not be read.
    """
    try:
        with opened_if_there(settings) as opened:
            made = [] if opened is None else [one for one in opened.lists() if one.version == version]
            names = compared_lists(made, known.as_of)
            chosen = [one for one in made if one.list_id in names][-settings.monitor.lists :]
            if opened is None or not chosen:
                return (), [], ()
            rows = opened.entries([one.list_id for one in chosen], columns=_COLUMNS)
    except StorageError as error:
        return (), [], (f"handed-out lists are not checked: {error.message}",)
    rows = rows[rows["group"] != EXCLUDED]  # those that had paid by the hand-out are part of the promise
    horizon = {one.cutoff: one.horizon_days for one in chosen}
    cutoff = rows["cutoff"].to_numpy()
    days = np.array([horizon[day] for day in cutoff.tolist()], dtype=np.int32)
    converted = conversions_of(known).add_to(rows, days)["converted"].to_numpy()
    probability = rows["probability"].to_numpy()
    of_list = [(one.cutoff, cutoff == one.cutoff) for one in chosen]
    return (
        tuple(matured(day, probability[at], converted[at]) for day, at in of_list),
        [probability[at] for _, at in of_list],
        (),
    )
