"""A snapshot has a name that follows from its content and from nothing else."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.parts.buckets import buckets_of
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import NEVER_CLOSED, NONCUSTOMERS, USAGE
from ml_sys.data.snapshot_id import Content, arrow_texts, bucket_digests, identity, quarantine_identity
from ml_sys.data.usage import UsageRows
from ml_sys.form import Words
from ml_sys.settings.description import default_form
from tests.data.tables import Tables, companies_of, usage_row

FORM = default_form()


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_rows_give_the_same_snapshot(tables: Tables, seed: int) -> None:
    tables.usage += [tables.usage[0], usage_row("stranger"), usage_row("n1", "soon")]
    tables.noncustomers += [tables.noncustomers[0], "1,a,,n99", "2,a,,n99"]
    first = tables.ingest()
    for table in ("customers", NONCUSTOMERS, USAGE):
        random.Random(seed).shuffle(tables.rows(table))  # noqa: S311 - an order, not a secret
    again = tables.ingest()
    assert (again.id, again.is_new) == (first.id, False)


def test_a_renamed_file_gives_the_same_snapshot(tables: Tables) -> None:
    tables.usage.append(usage_row("stranger"))
    first = tables.ingest()
    moved = tables.path(USAGE).rename(tables.folder / "log.csv")
    assert tables.ingest_as_they_are(usage=str(moved)).id == first.id


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (USAGE, lambda rows: rows[:-1]),
        (USAGE, lambda rows: [*rows, usage_row("stranger")]),
        (USAGE, lambda rows: [rows[0].replace("5,0", "5,1"), *rows[1:]]),
        (USAGE, lambda rows: [rows[0].replace("00:00:00", "00:00:01"), *rows[1:]]),
        ("customers", lambda rows: [rows[0].replace("2020-02-10", "2020-02-09"), *rows[1:]]),
        ("customers", lambda rows: [rows[0].replace("099.5", "099.6"), *rows[1:]]),
        (NONCUSTOMERS, lambda rows: [rows[0].replace("6 to 10", ""), *rows[1:]]),
        (NONCUSTOMERS, lambda rows: [*rows, rows[0]]),
    ],
)
def test_any_change_of_content_gives_another_snapshot(tables: Tables, table: str, change) -> None:  # type: ignore[no-untyped-def]
    first = tables.ingest()
    rows = tables.rows(table)
    rows[:] = change(rows[:])
    assert tables.ingest().id != first.id


def test_the_day_of_the_export_is_part_of_the_name(tables: Tables) -> None:
    assert tables.ingest(as_of="2020-03-01").id != tables.ingest(as_of="2020-03-02").id


def test_texts_that_only_look_alike_when_joined_give_different_names(tables: Tables) -> None:
    tables.noncustomers[:2] = ["1,ab,,n1", "1,c,,n2"]
    first = tables.ingest().id
    tables.noncustomers[:2] = ["1,a,,n1", "1,bc,,n2"]
    assert tables.ingest().id != first


# Each part of what a snapshot says


def usage(**changes: Any) -> UsageRows:
    rows = UsageRows(
        np.array([0, 1], dtype=np.int32),
        np.array([7, 9], dtype=np.int64),
        np.array([[1, 2], [3, 4]], dtype=np.int32),
        np.array([2, 3]),
    )
    return replace(rows, **changes)


def companies() -> pd.DataFrame:
    closed = np.array([5, NEVER_CLOSED], dtype=np.int32)
    return pd.DataFrame(
        {"id": ["a", "b"], "converted_on": closed, "value": [1.0, np.nan], "industry": ["x", None]}
    )


def content(**changes: Any) -> Content:
    bad = Quarantine()
    bad.add("usage", "u.csv", [BadRow(4, "late", "a,9")])
    return replace(Content(companies_of(companies()), bad.to_table(), 100, FORM), **changes)


def named(usage_rows: UsageRows | None = None, **changes: Any) -> str:
    said = content(**changes)
    buckets, told = buckets_of(said.companies.ids), said.companies.part(np.arange(len(said.companies)))
    return identity(said, bucket_digests(told, buckets, usage_rows or usage()))


def other(table: str, file: str, line: int, reason: str, raw: str) -> pa.Table:
    bad = Quarantine()
    bad.add(table, file, [BadRow(line, reason, raw)])
    return bad.to_table()


def with_column(name: str, values: Any) -> dict[str, Any]:
    return {"companies": companies_of(companies().assign(**{name: values}))}


@pytest.mark.parametrize(
    "changed",
    {
        "id": with_column("id", ["a", "c"]),
        "day": with_column("converted_on", np.array([6, NEVER_CLOSED], dtype=np.int32)),
        "money": with_column("value", [2.0, np.nan]),
        "text": with_column("industry", ["y", None]),
        "blank that is no text": with_column("industry", ["x", ""]),
        "company of a row": {"usage_rows": usage(company=np.array([0, 0], dtype=np.int32))},
        "stamp of a row": {"usage_rows": usage(stamp=np.array([7, 8], dtype=np.int64))},
        "count of a row": {"usage_rows": usage(measures=np.array([[1, 2], [3, 5]], np.int32))},
        "table": {"quarantine": other("customers", "u.csv", 4, "late", "a,9")},
        "reason": {"quarantine": other("usage", "u.csv", 4, "early", "a,9")},
        "raw": {"quarantine": other("usage", "u.csv", 4, "late", "a,8")},
        "day of the export": {"as_of": 101},
        "form": {"form": replace(FORM, words=Words(value="price"))},
        "time zone": {"time_zone": "Europe/Berlin"},
    }.values(),
)
def test_every_part_of_what_is_said_is_in_the_name(changed: dict[str, Any]) -> None:
    assert named(**changed) != named()


def test_files_and_lines_are_not_in_the_name_but_files_are_in_that_of_a_quarantine_alone() -> None:
    moved = other("usage", "v.csv", 9, "late", "a,9")
    assert named(quarantine=moved) == named()
    assert named(usage(lines=np.array([8, 9]))) == named()
    assert quarantine_identity(moved) != quarantine_identity(content().quarantine)
    again = other("usage", "u.csv", 9, "late", "a,9")
    assert quarantine_identity(again) == quarantine_identity(content().quarantine)
    told = other("usage", "u.csv", 4, "late", "a,8")
    assert quarantine_identity(told) != quarantine_identity(content().quarantine)


def test_a_bucket_is_named_by_its_companies_in_their_order_and_the_usage_of_each() -> None:
    """By hand: how many; lengths and bytes of texts, -1 for none; numbers; rows of each; stamps; measures."""
    companies = pd.DataFrame(
        {
            "id": ["a", "bb", "c", "dd", "é"],
            "industry": ["x", None, "", "yy", None],
            "value": [1.5, np.nan, 2, 3, -4],
        }
    )
    buckets = np.array([1, 0, 1, 0, 1], dtype=np.uint16)
    rows = UsageRows(
        np.array([0, 0, 2, 3, 4, 4], np.int32), np.arange(6) * 7, np.arange(12, dtype=np.int32).reshape(6, 2),
        np.arange(6),
    )  # fmt: skip
    told = {
        name: arrow_texts(column) if name != "value" else column.to_numpy()
        for name, column in companies.items()
    }
    found = bucket_digests(told, buckets, rows)
    assert np.flatnonzero(found.any(axis=1)).tolist() == [0, 1]
    for bucket, inside in ((0, [1, 3]), (1, [0, 2, 4])):
        digest = hashlib.sha256(str(len(inside)).encode())
        for name in ("id", "industry"):
            texts = [companies[name][at] for at in inside]
            known = [one.encode() if isinstance(one, str) else None for one in texts]
            digest.update(np.array([-1 if one is None else len(one) for one in known], np.int64).tobytes())
            digest.update(b"".join(one for one in known if one))
        digest.update(companies["value"].to_numpy()[inside].tobytes())
        mine = [np.flatnonzero(rows.company == at) for at in inside]
        digest.update(np.array([one.size for one in mine], np.int64).tobytes())
        at = np.concatenate(mine)
        digest.update(rows.stamp[at].tobytes() + rows.measures[at].tobytes())
        assert found[bucket].tobytes() == digest.digest()
