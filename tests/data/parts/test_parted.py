"""A snapshot in several parts says what the same snapshot says in one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data import snapshot
from ml_sys.errors import SnapshotError
from tests.data.tables import Tables, usage_row


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    many = Tables(folder)
    many.noncustomers += [f"{n},6 to 10,RETAIL,m{n}" for n in range(30)]
    many.usage += [usage_row(f"m{n}", f"2020-01-{6 + n % 4 * 7:02d}") for n in range(2, 30)]
    return many


@pytest.fixture(scope="module")
def stored(tables: Tables) -> Path:
    return tables.ingest(partitions=3).path


def test_each_company_is_in_one_part_with_all_of_its_usage(stored: Path) -> None:
    whole, several = snapshot.load(stored), snapshot.parts(stored)
    positions = [several.positions(number) for number in range(len(several))]
    assert sorted(np.concatenate(positions).tolist()) == list(range(several.n_companies))
    for number, mine in enumerate(positions):
        part = several.part(number)
        assert (part.id, part.path, part.as_of, part.form) == (whole.id, stored, whole.as_of, whole.form)
        assert part.companies.equals(whole.companies.iloc[mine].reset_index(drop=True))
        np.testing.assert_array_equal(part.closed, whole.closed[mine])
        np.testing.assert_array_equal(part.since, whole.since[mine])
        rows = np.isin(whole.usage_company, mine)
        assert len(part.usage_stamp) == several.n_rows[number] == rows.sum()
        np.testing.assert_array_equal(mine[part.usage_company], whole.usage_company[rows])
        np.testing.assert_array_equal(part.usage_stamp, whole.usage_stamp[rows])
        np.testing.assert_array_equal(part.usage_values, whole.usage_values[rows])


def test_a_small_snapshot_is_one_part_and_that_is_the_whole(folder: Path) -> None:
    path = Tables(folder).ingest(artifacts_dir=folder / "small").path
    several, whole = snapshot.parts(path), snapshot.load(path)
    assert sorted(one.name for one in path.iterdir()) == sorted([*snapshot.TABLES, snapshot.MANIFEST])
    assert (len(several), several.id, several.n_companies) == (1, whole.id, len(whole.closed))
    assert several.positions(0).tolist() == list(range(len(whole.closed)))
    assert several.part(0).usage_values.tolist() == whole.usage_values.tolist()


def test_parts_may_be_sent_to_another_process(stored: Path) -> None:
    several = pickle.loads(pickle.dumps(snapshot.parts(stored)))  # noqa: S301 - what this test wrote
    assert several == snapshot.parts(stored)
    assert several.part(2).id == several.id


def test_workers_find_the_files_in_whatever_folder_they_were_started(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stored.parent)
    several = snapshot.parts(Path(stored.name))
    expected = several.positions(1)
    sent = pickle.dumps(several.shared(None))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(pickle.loads(sent).positions(1), expected)  # noqa: S301 - what this test wrote


@pytest.mark.parametrize("name", ["companies-0001.parquet", "usage-0001.parquet"])
def test_a_changed_file_is_refused_by_name_when_its_part_is_read_and_not_before(
    stored: Path, name: str
) -> None:
    content = (stored / name).read_bytes()
    (stored / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        several = snapshot.parts(stored)
        several.part(0)
        for read in (lambda: several.part(1), lambda: snapshot.load(stored)):
            with pytest.raises(SnapshotError, match=rf"{name}.*was changed"):
                read()
        assert not snapshot.verifies(stored)
    finally:
        (stored / name).write_bytes(content)
