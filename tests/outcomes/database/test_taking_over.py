"""Lists that were remembered as files before there was a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.outcomes.database.taking_over import remembered_lists
from ml_sys.outcomes.lists import ListEntry

MONDAY = 18_267
HEAD = "rank,id,probability,tier,model_version,cutoff"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first = f"{HEAD}\n1,7,0.25,A,1.0.0,2020-01-06\n2,8,0.125,B,1.0.0,2020-01-06\n"
    (tmp_path / "2020-01-06.csv").write_text(first)
    (tmp_path / "2020-01-13.csv").write_text(f"{HEAD}\n1,9,0.5,A,1.1.0,2020-01-13\n")
    (tmp_path / "2020-01-20.csv").write_text(f"{HEAD}\n")
    return tmp_path


def test_a_remembered_list_is_one_that_called_all_who_are_on_it(folder: Path) -> None:
    (listed, companies), (second, _), (empty, nobody) = remembered_lists(folder, (), 28)
    assert companies == [
        ListEntry("7", 1, 0.25, "A", selected=True, inclusion_probability=1.0),
        ListEntry("8", 2, 0.125, "B", selected=True, inclusion_probability=1.0),
    ]
    assert (listed.cutoff, listed.version, listed.horizon_days) == (MONDAY, "1.0.0", 28)
    assert (listed.capacity, listed.prospects, listed.recorded, listed.expected) == (2, 2, 2, 0.375)
    assert (listed.design, listed.settings_digest, listed.made_at) == (
        "none",
        "",
        "2020-01-06T00:00:00.000+00:00",
    )
    assert (second.version, second.expected) == ("1.1.0", 0.5)
    assert (empty.version, empty.recorded, nobody) == ("", 0, [])
    assert len({one.list_id for one in (listed, second, empty)}) == 3


def test_days_that_have_a_list_already_are_left_out(folder: Path) -> None:
    found = remembered_lists(folder, {MONDAY, MONDAY + 14}, 30)
    assert [one.cutoff for one, _ in found] == [MONDAY + 7]
