"""A company gets the same probability, to the last bit, whichever way it is asked for."""

from __future__ import annotations

import csv
import random
import shutil
from datetime import UTC, datetime

import numpy as np
import pytest

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.sources import open_source
from ml_sys.jobs.lists.listed import ListRequest
from ml_sys.jobs.lists.score import score_file
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.serve.companies import CompanyLookup, Found
from ml_sys.serve.served import load_served
from ml_sys.settings import SchemaSettings, Settings
from tests.data.tables import HEADERS, MEASURES
from tests.serve.conftest import FIRST, UNRANKED

COLUMNS = {"alexa_rank": "ALEXA_RANK", "employee_range": "EMPLOYEE_RANGE", "industry": "INDUSTRY"}


def in_every_way(server, prospects, places, folder):
    """Return each company's probability by every way to ask for it."""
    scorer = load_scorer(Registry(server.root), FIRST)
    rows = prospects.features.iloc[places]
    columns = {name: rows[name].to_numpy() for name in scorer.spec.names()}
    found = {"training's features": scorer.probabilities(scorer.rows(columns)).tolist()}
    found["score"] = from_file(server, prospects, places, folder)
    flat, raw = [prospects.flat(at) for at in places], [prospects.raw(at) for at in places]
    for kind, bodies in (("flat", flat), ("raw", raw)):
        found[kind] = [server.predict(body)["conversion_probability"] for body in bodies]
        found[f"{kind} in batches"] = in_batches(server, bodies)
    found["companies"] = [
        server.client.get(f"/companies/{prospects.id(at)}").json()["prediction"]["conversion_probability"]
        for at in places
    ]
    return found


def in_batches(server, bodies):
    found = []
    for low in range(0, len(bodies), 40):
        answer = server.client.post("/predict/batch", json={"companies": bodies[low : low + 40]})
        found += [one["prediction"]["conversion_probability"] for one in answer.json()["results"]]
    return found


def from_file(server, prospects, places, folder):
    """Return the probabilities that `mlsys score` gives for a file of prospects."""
    table = prospects.snapshot.companies.iloc[places]
    file = folder / "prospects.csv"
    table[["id", *COLUMNS]].rename(columns=COLUMNS).replace({"ALEXA_RANK": {np.inf: UNRANKED}}).to_csv(
        file, index=False
    )
    scored = score_file(
        Registry(server.root), FIRST, Settings(artifacts_dir=server.root),
        ListRequest(file, as_of=prospects.cutoff), capacity=50, on_step=lambda _: None,
    )  # fmt: skip
    return scored.table.set_index("id")["probability"][table["id"]].tolist()


def test_every_way_to_score_a_company_gives_the_same_bits(served, prospects, some, tmp_path):
    found = in_every_way(served, prospects, some, tmp_path)
    assert len(set(found["flat"])) > 10
    assert found == dict.fromkeys(found, found["flat"])


def test_every_way_to_score_hundreds_of_companies_gives_the_same_bits(served, models, prospects, tmp_path):
    free = prospects.free()
    chosen = np.sort(np.random.default_rng(3).choice(free, min(300, free.size), replace=False))
    places = [int(at) for at in chosen]
    assert len(places) == 300
    found = in_every_way(served, prospects, places, tmp_path)
    assert found == dict.fromkeys(found, found["flat"])
    by_pipeline = models[FIRST].probabilities(prospects.features.iloc[places])
    assert np.abs(by_pipeline - found["flat"]).max() <= 1e-6


# A row of usage as it is exported: the stamp as text, and the counts.
BUSY, QUIET, IDLE = (9, 4, 2, 7, 3, 2, 1, 2), (2, 1, 0, 0, 1, 1, 0, 0), (0,) * 8
WEEKS = [f"2020-{day}" for day in ("04-06", "04-13", "04-20", "04-27", "05-04", "05-11", "05-18")]
CLEAN = [(f"{day} 00:00:00", BUSY if at % 2 else QUIET) for at, day in enumerate(WEEKS)]
CUTOFF = "2020-05-25"
DIRTY_USAGE = {
    "clean": [],
    "a row twice": [(f"{WEEKS[-1]} 00:00:00", QUIET), (f"{WEEKS[-2]} 00:00:00", BUSY)] * 2,
    "a row twice in other spellings": [(f"{WEEKS[-2]}T02:00:00+02:00", BUSY), (WEEKS[-2], BUSY)],
    "a busier row of the same stamp": [(WEEKS[-1], BUSY), (WEEKS[-1], IDLE)],
    "several rows that contradict each other": [(WEEKS[-1], (9, *IDLE[1:])), (WEEKS[-1], (4, 5, *IDLE[2:]))],
    "another time of the same day": [(f"{WEEKS[-3]} 00:00:00.000001", BUSY), (f"{WEEKS[-3]} 13:00", BUSY)],
    "less than a microsecond": [(f"{WEEKS[-3]} 00:00:00.0000001", BUSY)],
    "twice to the microsecond": [
        ("2020-05-03 22:59:59.1234567", BUSY),
        ("2020-05-03T23:59:59.123457+01", BUSY),
    ],
    "no fraction worth the name": [(f"{WEEKS[-3]} 00:00:00.00000000000000", BUSY)],
    "a zone that makes it the day before": [("2020-05-18T01:00:00+02:00", BUSY)],
    "a zone that makes it the day after": [("2020-05-16T23:30:00-0100", BUSY)],
    "an unfinished week": [("2020-05-19", BUSY), (CUTOFF, BUSY)],
    "a week complete on the cutoff": [("2020-05-18 00:00:00Z", BUSY)],
    "out of all time": [("1969-12-31", BUSY), ("2100-01-01T00:00:00Z", BUSY), ("0001-01-01", BUSY)],
    "a stamp with blanks around": [(f" {WEEKS[0]} ", BUSY)],
}
# As in a file and, where JSON can say it, in a request.
RANKS = {
    "": None,
    "250000": 250000,
    "16000001": UNRANKED,
    "16000001.0": 16000001.0,
    "0": 0,
    "-5": -5,
    "1e39": 1e39,
}
RANGES = ["", "  ", "11 to 25", " 11 to 25 ", "1.000 - 5.000", "10k+", "?!", "many"]
INDUSTRIES = [
    "",
    "\u00a0",
    "COMPUTER_SOFTWARE",
    " computer software ",
    "\u6559\u80b2",
    "Comercio Electr\u00f3nico",
    "--",
]


def dirty_companies():
    """Return companies with every kind of dirt and many mixtures: rank, range and industry as text, usage."""
    draw = random.Random(5)  # noqa: S311 - a mixture, not a secret
    made = []
    for at in range(60):
        kinds = [list(DIRTY_USAGE)[at % len(DIRTY_USAGE)], *draw.choices(list(DIRTY_USAGE), k=at % 3)]
        usage = CLEAN[at % 4 :] + [row for kind in kinds for row in DIRTY_USAGE[kind]]
        draw.shuffle(usage)
        rank, size, industry = (draw.choice(list(one)) for one in (RANKS, RANGES, INDUSTRIES))
        made.append((f"d{at:02}", rank, size, industry, usage))
    return made


def raw_request(company):
    name, rank, size, industry, usage = company
    rows = [{"when_timestamp": stamp, **dict(zip(MEASURES, counts, strict=True))} for stamp, counts in usage]
    found = {"id": name, "as_of": CUTOFF, "alexa_rank": RANKS[rank], "usage": rows}
    return found | {"employee_range": size, "industry": industry}


def write_tables(folder, companies):
    rows = {
        "customers": [("2020-01-15", "10", "1", "2 to 5", "RETAIL", "c1")],
        "noncustomers": [(rank, size, industry, name) for name, rank, size, industry, _ in companies],
        "usage": [(stamp, *counts, name) for name, *_, usage in companies for stamp, counts in usage],
    }
    for table, header in HEADERS.items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header.split(","), *rows[table]])


@pytest.fixture(scope="module")
def dirty(versions, tmp_path_factory):
    """A registry whose latest snapshot is of dirty companies, beside the tables that it came from."""
    folder = tmp_path_factory.mktemp("dirty")
    write_tables(folder, dirty_companies())
    root = shutil.copytree(versions, folder / "artifacts")
    report = ingest(
        Origin(
            open_source("file"),
            SchemaSettings(),
            {table: str(folder / f"{table}.csv") for table in HEADERS},
        ),
        Rules(max_rejected_share=1.0, as_of=CUTOFF),
        root,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert report.companies == 61
    return folder


def scored(folder, **options):
    found = score_file(
        Registry(folder / "artifacts"), FIRST, Settings(artifacts_dir=folder / "artifacts"),
        ListRequest(folder / "noncustomers.csv", as_of=int(np.datetime64(CUTOFF).astype(int)), **options),
        capacity=50, on_step=lambda _: None,
    )  # fmt: skip
    return found.table.set_index("id")["probability"].sort_index().tolist()


def test_dirty_companies_get_the_same_bits_from_a_file_a_snapshot_and_a_request(dirty, served):
    bodies = [raw_request(one) for one in dirty_companies()]
    model = load_served(Registry(dirty / "artifacts"), FIRST)
    lookup = CompanyLookup(dirty / "artifacts")
    looked_up = [lookup.find(body["id"], model.scorer.spec) for body in bodies]
    assert all(isinstance(one, Found) and one.cutoff == CUTOFF for one in looked_up)
    found = {
        "file": scored(dirty, usage=dirty / "usage.csv"),
        "snapshot": scored(dirty, usage=None),
        "request": [served.predict(body)["conversion_probability"] for body in bodies],
        "batch": in_batches(served, bodies),
        "lookup": [model.say(one.values, None)[0]["conversion_probability"] for one in looked_up],
    }
    assert len(set(found["file"])) > 20
    for way, probabilities in found.items():
        told = [
            (body["id"], here, there)
            for body, here, there in zip(bodies, probabilities, found["file"], strict=True)
            if here != there
        ]
        assert not told, way


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("clean", []),
        ("another time of the same day", []),
        ("an unfinished week", []),
        ("a row twice", ["2 usage rows repeat another one, and do not count"]),
        ("a row twice in other spellings", ["1 usage row repeats another one, and does not count"]),
        (
            "several rows that contradict each other",
            ["1 usage row contradicts a busier one with the same stamp, and does not count"],
        ),
        ("out of all time", ["3 usage rows lie outside 1970 to 2099, and do not count"]),
    ],
)
def test_a_request_is_told_which_of_its_usage_rows_do_not_count(served, kind, told):
    request = raw_request(("d", "250000", "11 to 25", "RETAIL", DIRTY_USAGE[kind]))
    assert [text for text in served.predict(request)["warnings"] if "usage row" in text] == told
