"""A raw request of another form: its events, amounts and attributes mean what they mean in a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.checking.values import AMOUNT_LIMIT, scaled
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import Snapshot, load, load_tables
from ml_sys.data.sources import FileSource
from ml_sys.days import Period, day_number
from ml_sys.features.compute import FeatureSpec, feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.spans import DAYS
from ml_sys.serve.contract.inputs import by_company, inputs_of
from ml_sys.serve.contract.requests import Contract, RequestError
from ml_sys.settings.description import SchemaSettings

AS_OF = "2024-03-20"
SCHEMA = SchemaSettings.model_validate(
    {
        "time_zone": "Europe/Berlin",
        "tables": {
            "students": {"kind": "entities", "since": "joined", "file": "students.csv"},
            "orders": {"kind": "purchases", "at": "day", "file": "orders.csv"},
            "learning": {
                "kind": "events",
                "file": "learning.csv",
                "at": "at",
                "event": "what",
                "kinds": ["lesson", "quiz"],
                "user": "device",
                "event_id": "key",
                "amounts": {
                    "minutes": {
                        "column": "minutes",
                        "one": "minute",
                        "many": "minutes",
                        "verb": "watched",
                    }
                },
            },
        },
        "attributes": {
            "age": {"kind": "number", "scale": "log", "none": -1, "missing": ["99", "7.5"]},
            "plan": {"kind": "ordered", "levels": ["free", "basic", "pro"]},
            "country": {
                "kind": "category",
                "synonyms": {"uk": "united_kingdom"},
                "missing": ["n/a"],
            },
            "newsletter": {"kind": "flag"},
            "size": {"kind": "range", "blank_leaks": True},
        },
    }
)


def written(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the tables of a course, stamps with and without a zone, and return students and events."""
    rng = np.random.default_rng(4)
    n = 40
    students = pd.DataFrame(
        {
            "id": [f"s{i:02d}" for i in range(n)],
            "joined": ["1969-12-31", *(f"2024-0{1 + i % 3}-{1 + i % 19:02d}" for i in range(1, n))],
            "age": rng.choice(["", "17", "30.5", "-1", "0", "99", "7.5"], n),
            "plan": rng.choice(["", "free", "Basic", "pro", "gold"], n),
            "country": rng.choice(["", "UK", "France", "N/A"], n),
            "newsletter": rng.choice(["", "yes", "no"], n),
            "size": rng.choice(["", "1 to 9", "10k+"], n),
        }
    )
    m = 900
    moments = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 80 * 24 * 60, m), unit="min")
    zones = rng.choice(["", "Z", "+05:00"], m)
    learning = pd.DataFrame(
        {
            "id": rng.choice(students["id"], m),
            "at": [f"{one:%Y-%m-%dT%H:%M:%S}{zone}" for one, zone in zip(moments, zones, strict=True)],
            "what": rng.choice(["lesson", "quiz", "chat", ""], m),
            "device": rng.choice(["a", "b", ""], m),
            "key": [f"k{i}" if i % 5 else "" for i in rng.integers(0, 700, m)],
            "minutes": [f"{one:.4f}" if one > 2 else "" for one in rng.gamma(2, 6, m)],
        }
    )
    orders = pd.DataFrame({"id": ["s01"], "day": ["2024-03-19"]})
    for name, frame in (("students", students), ("learning", learning), ("orders", orders)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return students, learning


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Path, pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("course")
    students, learning = written(folder)
    files = {name: str(folder / f"{name}.csv") for name in SCHEMA.tables}
    from ml_sys.data.coverage import Coverage

    rules = Rules(max_rejected_share=1.0, coverage=Coverage(Period("day"), 0.0))
    path = ingest(
        Origin(FileSource(), SCHEMA, files), rules, folder / "artifacts", now=datetime(2024, 6, 1, tzinfo=UTC)
    ).path
    return load(path), path, students, learning


def request_of(student: dict[str, str], events: pd.DataFrame) -> dict[str, Any]:
    """Write a student and its events as a request."""
    body: dict[str, Any] = {"as_of": AS_OF, "since": student["joined"], "learning": []}
    if student["age"]:
        body["age"] = float(student["age"])
    for name in ("plan", "country", "size"):
        if student[name]:
            body[name] = student[name]
    if student["newsletter"]:
        body["newsletter"] = student["newsletter"] == "yes"
    for row in events.to_dict("records"):
        event = {"at": row["at"], "what": row["what"] or None, "device": row["device"] or None}
        event["key"] = row["key"] or None
        if row["minutes"] or row["what"]:  # a blank is left out of some, and null in others
            event["minutes"] = float(row["minutes"]) if row["minutes"] else None
        body["learning"].append(event)
    return body


def test_a_request_of_events_has_the_features_of_the_same_rows_in_files_to_the_bit(course: tuple) -> None:
    snapshot, path, students, learning = course
    spec = FeatureSpec(DAYS.windows, attribute_missingness=True, period=Period("day"), form=snapshot.form)
    contract = Contract.of(spec)
    bodies = [
        contract.one(json.dumps(request_of(one, learning[learning["id"] == one["id"]])).encode())
        for one in students.to_dict("records")
    ]
    cutoff = np.array([day_number(datetime.fromisoformat(AS_OF).date())], dtype=np.int32)
    columns = feature_columns(FeatureInputs.from_snapshot(snapshot, spec), cutoff, spec)
    expected = dict(zip(snapshot.companies["id"], by_company(columns, spec.names()), strict=True))
    asked = inputs_of(bodies, contract)
    values = [one.values for one in asked]  # noqa: PD011 - no column of pandas
    assert values == [expected[name] for name in students["id"]]
    assert sum(sum(value or 0 for value in one if isinstance(value, float)) for one in values) > 10_000
    odd = {
        "age is not positive, so it counts as blank": students["age"] == "0",
        "plan is not one of its levels, so it counts as blank": students["plan"] == "gold",
        "since lies outside 1970 to 2099, so it counts as blank": students["joined"] == "1969-12-31",
    }
    assert all(flags.any() for flags in odd.values())
    assert [one.remarks for one in asked] == [
        tuple(text for text, flags in odd.items() if flags[at]) for at in range(len(asked))
    ]
    assert load_tables(path).form == spec.form


def test_what_a_request_of_another_form_may_hold_is_named_by_its_form(course: tuple) -> None:
    spec = FeatureSpec((7,), period=Period("day"), form=course[0].form)
    contract = Contract.of(spec)
    with pytest.raises(RequestError) as caught:
        contract.one(
            b'{"as_of": "2024-01-01", "plam": "free", "learning": [{"at": "2024-01-01", "minuets": 3}]}'
        )
    problems = {one["field"]: one["problem"] for one in caught.value.errors}
    assert problems["plam"] == "is not a field; did you mean plan?"
    assert problems["learning.0.minuets"] == "is not a field; did you mean minutes?"
    example = contract.schema["RawCompany"]["examples"][0]
    assert set(example) == {
        *("id", "as_of", "since", "age", "plan", "country", "newsletter", "size"),
        "learning",
    }
    known = Contract.of(spec, {"country": "at"}).schema
    assert known["RawCompany"]["examples"][0]["country"] == "AT"
    assert known["FlatFeatures"]["examples"][0]["country"] == "at"
    answered = inputs_of([contract.one(json.dumps(example).encode())], contract)[0]
    values = dict(zip(spec.names(), answered.values, strict=True))
    assert values["minutes_sum_7d"] > 0


def test_one_that_begins_on_the_cutoff_or_later_has_an_unknown_age(course: tuple) -> None:
    contract = Contract.of(FeatureSpec((7,), period=Period("day"), form=course[0].form))
    body = contract.one(b'{"as_of": "2024-01-01", "since": "2024-01-01"}')
    found = inputs_of([body], contract)[0]
    assert found.remarks == ("since is not before as_of, so it counts as blank",)
    at = contract.names.index("days_since_began")
    assert found.values[at] is None  # noqa: PD011 - no column of pandas


@pytest.mark.parametrize("kind", ["events", "periods"])
def test_an_amount_without_decimals_is_rounded_in_a_request_as_in_a_file(kind: str) -> None:
    amount = {"cents": {"column": "cents", "role": "amount", "digits": 0, "one": "cent", "many": "cents"}}
    described = (
        {"kind": "events", "amounts": amount} if kind == "events" else {"kind": kind, "measures": amount}
    )
    form = SchemaSettings.model_validate(
        {
            "tables": {
                "students": {"kind": "entities", "converted_on": "paid"},
                "spent": described | {"at": "at"},
            }
        }
    ).form()
    spec = FeatureSpec((7,), period=Period("day"), form=form)
    contract = Contract.of(spec)
    rows = [
        {"at": f"2024-01-0{day}", "cents": cents} for day, cents in ((1, 2.5), (2, 3.5), (3, 3_000_000_000))
    ]
    body = json.dumps({"as_of": "2024-01-05", "spent": rows}).encode()
    values = dict(zip(spec.names(), inputs_of([contract.one(body)], contract)[0].values, strict=True))
    assert values["cents_sum_7d"] == np.float32(2 + 4 + 3_000_000_000)


def test_an_amount_that_is_too_large_in_a_file_is_too_large_in_a_request(course: tuple) -> None:
    contract = Contract.of(FeatureSpec((7,), period=Period("day"), form=course[0].form))
    most, digits = AMOUNT_LIMIT, 3
    for amount, fits in ((most / 10**digits, True), ((most + 100) / 10**digits, False)):
        told = scaled(pa.array([repr(amount)]), digits=digits).faults is None
        event = {"at": "2024-01-01", "minutes": amount}
        body = json.dumps({"as_of": "2024-01-05", "learning": [event]}).encode()
        try:
            contract.one(body)
        except RequestError:
            assert (fits, told) == (False, False)
        else:
            assert (fits, told) == (True, True)
