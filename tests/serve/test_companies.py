"""A company of the snapshot is looked up in its part alone, and few parts stay in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.data import snapshot
from ml_sys.data.snapshot import Everyone
from ml_sys.features.compute import FeatureSpec
from ml_sys.serve.companies import Absent, CompanyLookup, Found
from tests.scoring.from_snapshot.test_by_part import stored_in

SPEC = FeatureSpec(windows_days=(7, 28))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Everyone]:
    return stored_in(tmp_path_factory.mktemp("companies"))


def folder(known: Everyone) -> Path:
    return known.path.parent.parent


def test_a_company_is_the_same_in_however_many_parts(stored: dict[int, Everyone]) -> None:
    lookups = [CompanyLookup(folder(known)) for known in stored.values()]
    for name in [*stored[1].ids.to_pylist()[::7], "stranger"]:
        one, *others = (lookup.find(name, SPEC) for lookup in lookups)
        assert all(repr(one) == repr(other) for other in others)
        assert isinstance(one, Absent) == (name == "stranger")


def test_parts_beyond_a_number_of_rows_leave_memory_and_are_read_again(stored: dict[int, Everyone]) -> None:
    known = stored[16]
    lookup, roomy = (CompanyLookup(folder(known), most_rows=rows) for rows in (20, 10**6))
    for name in known.ids.to_pylist()[::7] * 2:
        assert repr(lookup.find(name, SPEC)) == repr(roomy.find(name, SPEC))
    assert isinstance(lookup.find("m7", SPEC), Found)


def test_only_the_part_of_a_company_is_read_beside_the_days_of_usage(tmp_path: Path) -> None:
    known = stored_in(tmp_path)[16]
    assert isinstance(CompanyLookup(folder(known)).find("m7", SPEC), Found)
    for number in range(16):
        if "m7" not in snapshot.parts(known.path).part(number).companies["id"].tolist():
            (known.path / f"companies-{number:04d}.parquet").unlink()
    assert isinstance(CompanyLookup(folder(known)).find("m7", SPEC), Found)
