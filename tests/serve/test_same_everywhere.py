"""A company gets the same probability, to the last bit, whichever way it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.listing import score_file
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.settings import Settings
from tests.serve.conftest import FIRST

COLUMNS = {"alexa_rank": "ALEXA_RANK", "employee_range": "EMPLOYEE_RANGE", "industry": "INDUSTRY"}
# What the CRM writes for a site that has no rank.
UNRANKED = 16_000_001


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
        Registry(server.root), FIRST, Settings(artifacts_dir=server.root), file,
        usage=None, as_of=prospects.cutoff, capacity=50, on_step=lambda _: None,
    )  # fmt: skip
    return scored.table.set_index("id")["probability"][table["id"]].tolist()


def test_every_way_to_score_a_company_gives_the_same_bits(served, prospects, some, tmp_path):
    found = in_every_way(served, prospects, some, tmp_path)
    assert len(set(found["flat"])) > 10
    assert found == dict.fromkeys(found, found["flat"])


@pytest.mark.slow
def test_every_way_to_score_a_thousand_companies_gives_the_same_bits(served, models, prospects, tmp_path):
    free = prospects.free()
    chosen = np.sort(np.random.default_rng(3).choice(free, min(1000, free.size), replace=False))
    places = [int(at) for at in chosen]
    assert len(places) == 1000
    found = in_every_way(served, prospects, places, tmp_path)
    assert found == dict.fromkeys(found, found["flat"])
    by_pipeline = models[FIRST].probabilities(prospects.features.iloc[places])
    assert np.abs(by_pipeline - found["flat"]).max() <= 1e-6
