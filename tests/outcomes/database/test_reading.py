"""Companies of lists are read column by column, with the same errors as everything else."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from ml_sys.outcomes.database.reading import read_entries
from ml_sys.outcomes.database.tables import entries, lists, metadata


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        listed = {
            "version": "1", "made_at": "", "settings_digest": "", "horizon_days": 30, "capacity": 1,
            "design": "none", "seed": 1, "prospects": 1000, "expected": 1.0, "recorded": 1000, "reason": "",
        }  # fmt: skip
        for number, name, cutoff in ((1, "late", 20), (2, "early", 13)):
            opened.execute(lists.insert().values(number=number, list_id=name, cutoff=cutoff, **listed))
            company = {
                "probability": 0.1,
                "tier": "C",
                "inclusion_probability": 0.0,
                "group": "",
                "reasons": "[]",
            }
            opened.execute(
                entries.insert(),
                [
                    {
                        "list": number,
                        "entity_id": f"c{at}",
                        "rank": 1000 - at,
                        "selected": at == 999,
                        **company,
                    }
                    for at in range(1000)
                ],
            )
        yield opened
    engine.dispose()


def test_lists_come_by_cutoff_and_companies_by_rank(connection):
    found = read_entries(connection, ["late", "early"], ("entity_id", "rank"))
    assert list(found.columns) == ["list_id", "cutoff", "entity_id", "rank"]
    assert found["list_id"].tolist() == ["early"] * 1000 + ["late"] * 1000
    assert found["rank"].tolist() == list(range(1, 1001)) * 2
    assert found["rank"].dtype == np.int32


def test_only_some_companies_are_read_where_that_is_wanted(connection):
    found = read_entries(connection, ["late"], ("entity_id", "rank", "selected"), entries.c.selected)
    assert found["entity_id"].tolist() == ["c999"]
    assert read_entries(connection, ["none"], ("entity_id", "rank")).empty


def test_what_the_database_refuses_is_an_error_of_it(connection):
    connection.execute(text("ALTER TABLE entries RENAME TO gone"))
    with pytest.raises(DBAPIError, match="no such table"):
        read_entries(connection, ["late"], ("rank",))
