import math
from dataclasses import replace

import pytest

from ml_sys.errors import StorageError
from ml_sys.outcomes.last_monitoring import keep, last
from ml_sys.outcomes.monitoring import Check, Monitoring


def found(day, effect=0.5):
    check = Check("arrival", "prospects", 1.0, 2.0, "companies", effect, 0.25, alarm=effect > 0.25)
    return Monitoring("1.0.0", "abc", day, day, "2020-01-06", 5, (check,))


def test_the_last_one_is_read_and_each_day_is_kept(tmp_path):
    assert last(tmp_path) is None
    keep(found("2020-02-03"), tmp_path)
    keep(found("2020-02-10", math.nan), tmp_path)
    plain = last(tmp_path)
    assert plain["day"] == "2020-02-10"
    assert plain["checks"][0]["effect"] is None
    assert sorted(one.name for one in (tmp_path / "monitoring").iterdir()) == [
        "2020-02-03.json", "2020-02-10.json", "latest.json",
    ]  # fmt: skip


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "monitoring").write_text("a file where the folder belongs")
    with pytest.raises(StorageError, match="monitoring"):
        keep(found("2020-02-03"), tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"checks": []}', "[" * 200_000, "null"])
def test_a_damaged_file_is_no_monitoring(tmp_path, content):
    keep(found("2020-02-03"), tmp_path)
    (tmp_path / "monitoring" / "latest.json").write_text(content)
    assert last(tmp_path) is None


def test_a_monitoring_is_kept_under_its_day_without_the_place_of_its_page(tmp_path):
    one = replace(found("2020-02-03"), cutoff="2020-01-27", page=tmp_path / "page.html")
    assert keep(one, tmp_path).name == "2020-02-03.json"
    assert "page" not in last(tmp_path)
