"""Import lists from before there was a store: one CSV file for each day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml_sys.outcomes.lists import HandedOutList, ListEntry, list_id_of
from ml_sys.scoring import remembered
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path


def remembered_lists(
    folder: Path, but_not: Collection[int], horizon_days: int
) -> Iterator[tuple[HandedOutList, Sequence[ListEntry]]]:
    """Yield the remembered lists of a folder except for some days; everyone on them was to be called.

    Raises
    ------
    RememberedListError
        If a file is not a list, or is damaged.
    """
    for day, path in remembered.lists_of(folder):
        if day in but_not:
            continue
        companies = [
            ListEntry(
                one.company, one.rank, one.probability, one.tier, selected=True, inclusion_probability=1.0
            )
            for one in remembered.companies_of(path)
        ]
        version = next((one.version for one in remembered.companies_of(path)), "")
        ranked = pd.DataFrame(
            {
                "id": [one.entity_id for one in companies],
                "probability": [one.probability for one in companies],
                "group": "",
            }
        )
        listed = HandedOutList(
            list_id=list_id_of(day, version, "", [ranked]),
            cutoff=day,
            version=version,
            made_at=f"{date_of(day)}T00:00:00.000+00:00",
            settings_digest="",
            horizon_days=horizon_days,
            capacity=len(companies),
            design="none",
            seed=0,
            prospects=len(companies),
            expected=float(ranked["probability"].sum()),
            recorded=len(companies),
        )
        yield listed, companies
