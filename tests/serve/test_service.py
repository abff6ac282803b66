"""The HTTP service as its clients see it: a process of its own on the loopback interface."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from ml_sys.data.schema import MEASURES
from ml_sys.features.compute import FeatureInputs, feature_frame
from ml_sys.listing import score_file
from ml_sys.model.layout import GOLDEN
from ml_sys.registry.loading import load_version
from ml_sys.registry.store import Registry
from ml_sys.serve.app import create_app
from ml_sys.settings import Settings

EPOCH = np.datetime64(0, "D")
STARTS_WITHIN = 60.0


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory):
    """A client of a running server of version 1.0.0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml_sys", "serve", "--port", str(port), "--artifacts", str(trained)],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        try:
            deadline = time.monotonic() + STARTS_WITHIN
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    client.get("/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            else:
                pytest.fail(f"the server did not start: {(folder / 'log').read_text()}")
            yield client
        finally:
            client.close()
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def model(trained):
    return load_version(Registry(trained), "1.0.0")


@pytest.fixture(scope="module")
def companies(snapshot, model):
    """Some prospects at the end of usage: positions, cutoff, features, probabilities."""
    cutoff = int(snapshot.usage_stamp.max()) + 7
    inputs = FeatureInputs.from_snapshot(snapshot, period_days=7, stamp="start")
    features = feature_frame(inputs, np.array([cutoff], dtype=np.int32), model.spec)
    probability = model.probabilities(features)
    free = np.flatnonzero(snapshot.closed >= cutoff)
    ranked = free[np.argsort(-probability[free])]
    chosen = np.unique(np.concatenate([ranked[:12], free[:8]]))
    return chosen, cutoff, features, probability


def flat(features, position):
    row = features.iloc[position].to_dict()
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def raw(snapshot, position, cutoff):
    company = snapshot.companies.iloc[position]
    mine = np.flatnonzero(snapshot.usage_company == position)
    rank = company["alexa_rank"]
    return {
        "as_of": str(EPOCH + cutoff),
        "alexa_rank": None if np.isnan(rank) or np.isinf(rank) else float(rank),
        "unranked": bool(np.isinf(rank)),
        "employee_range": None if pd.isna(company["employee_range"]) else company["employee_range"],
        "industry": None if pd.isna(company["industry"]) else company["industry"],
        "usage": [
            {
                "when_timestamp": str(EPOCH + int(snapshot.usage_stamp[at])),
                **dict(zip(MEASURES, snapshot.usage_values[at].tolist(), strict=True)),
            }
            for at in mine
        ],
    }


def test_health_says_which_model_is_served(server):
    answer = server.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "model_version": "1.0.0"})


def test_a_server_is_ready_once_its_model_says_of_its_golden_rows_what_it_once_said(server):
    answer = server.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "model_version": "1.0.0"})


@pytest.mark.parametrize("rows", ["probabilities", "row_probabilities", "features"])
def test_a_server_whose_model_says_something_else_is_alive_and_not_ready(trained, model, caplog, rows):
    golden = Registry(trained).open("1.0.0").json(GOLDEN)
    if rows == "features":
        at = golden["features"]["columns"].index("log_rank")
        golden["features"]["rows"][1][at] += 1
    else:
        golden[rows][2] += 1e-5
    with TestClient(create_app(model, "1.0.0", golden)) as client:
        answer = client.get("/ready")
        assert client.get("/health").status_code == 200
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 503
    assert "golden" in caplog.text


def test_every_way_to_score_a_company_gives_the_same_bits(server, trained, snapshot, companies, tmp_path):
    """Feature function and model, score file, flat request and raw request."""
    chosen, cutoff, features, probability = companies
    ids = snapshot.companies["id"].to_numpy()
    table = snapshot.companies.iloc[chosen]
    columns = {"alexa_rank": "ALEXA_RANK", "employee_range": "EMPLOYEE_RANGE", "industry": "INDUSTRY"}
    prospects = table[["id", *columns]].rename(columns=columns).replace({"ALEXA_RANK": {np.inf: 16_000_001}})
    prospects.to_csv(tmp_path / "prospects.csv", index=False)
    scored = score_file(
        Registry(trained), "1.0.0", Settings(artifacts_dir=trained), tmp_path / "prospects.csv",
        usage=None, as_of=cutoff, on_step=lambda step: None,
    )  # fmt: skip
    from_file = scored.table.set_index("id")["probability"]
    assert len(from_file) == len(chosen)
    for position in chosen:
        bodies = {"flat": flat(features, position), "raw": raw(snapshot, position, cutoff)}
        answers = {kind: server.post("/predict", json=body) for kind, body in bodies.items()}
        found = {kind: answer.json()["conversion_probability"] for kind, answer in answers.items()}
        found |= {"file": from_file[ids[position]]}
        assert found == dict.fromkeys(found, float(probability[position]))
    assert np.unique(probability[chosen]).size > 10


def test_a_prediction_says_what_it_was_decided_by(server, model, companies):
    chosen, _, features, probability = companies
    best = chosen[np.argmax(probability[chosen])]
    worst = chosen[np.argmin(probability[chosen])]
    for position in (best, worst):
        answer = server.post("/predict", json=flat(features, position)).json()
        assert set(answer) == {"conversion_probability", "will_convert", "tier", "threshold", "model_version"}
        assert answer["threshold"] == model.threshold
        assert answer["will_convert"] == (probability[position] >= model.threshold)
        assert answer["tier"] == model.tiers.of(probability[[position]])[0]
        assert answer["model_version"] == "1.0.0"


def test_usage_after_the_day_asked_about_changes_no_prediction(server, snapshot, companies):
    chosen, cutoff, _, _ = companies
    busy = next(at for at in chosen if (snapshot.usage_company == at).sum() > 3)
    body = raw(snapshot, busy, cutoff)
    late = {"when_timestamp": str(EPOCH + cutoff - 6), **dict.fromkeys(MEASURES, 5000)}
    just_in_time = {**late, "when_timestamp": str(EPOCH + cutoff - 7)}
    kept = [row for row in body["usage"] if row["when_timestamp"] != just_in_time["when_timestamp"]]

    def predict(usage):
        return server.post("/predict", json={**body, "usage": usage}).json()["conversion_probability"]

    assert predict([*body["usage"], late]) == predict(body["usage"])
    assert predict([*kept, just_in_time]) != predict(body["usage"])


def test_the_order_of_usage_rows_changes_no_prediction(server, snapshot, companies):
    chosen, cutoff, _, _ = companies
    busy = next(at for at in chosen if (snapshot.usage_company == at).sum() > 3)
    body = raw(snapshot, busy, cutoff)
    answers = [
        server.post("/predict", json={**body, "usage": usage}).json()
        for usage in (body["usage"], body["usage"][::-1])
    ]
    assert answers[0] == answers[1]


def test_nothing_known_of_a_company_is_a_prediction_too(server):
    for body in ({}, {"as_of": "2020-06-01"}):
        answer = server.post("/predict", json=body)
        assert answer.status_code == 200
        assert 0 <= answer.json()["conversion_probability"] <= 1


ROW = {"when_timestamp": "2020-05-04"}
REFUSED = [
    ({"as_of": "2020-06-01", "usage": [{**ROW, "actions_email": -1}]}, "usage.0.actions_email"),
    ({"as_of": "2020-06-01", "usage": [ROW, {**ROW, "users_email": "many"}]}, "usage.1.users_email"),
    ({"as_of": "2020-06-01", "usage": [{**ROW, "actions_email": 1.5}]}, "usage.0.actions_email"),
    ({"as_of": "2020-06-01", "usage": [{**ROW, "actions_email": 2**31}]}, "usage.0.actions_email"),
    ({"as_of": "2020-06-01", "usage": [{**ROW, "actions_mail": 1}]}, "usage.0.actions_mail"),
    ({"as_of": "2020-06-01", "usage": [{"actions_email": 1}]}, "usage.0.when_timestamp"),
    ({"as_of": "2020-06-01", "usage": [{"when_timestamp": "last Monday"}]}, "usage.0.when_timestamp"),
    ({"as_of": "2020-06-01", "usage": {"0": ROW}}, "usage"),
    ({"as_of": "2020-06-01", "usage": None}, "usage"),
    ({"as_of": "2020-06-01", "usage": [ROW] * 1001}, "usage"),
    ({"as_of": "2020-06-01", "alexa_rank": 0}, "alexa_rank"),
    ({"as_of": "2020-06-01", "industry": 7}, "industry"),
    ({"as_of": "2020-06-01", "industry": "x" * 501}, "industry"),
    ({"as_of": "2020-06-01", "mrr": 100.0}, "mrr"),
    ({"as_of": "soon"}, "as_of"),
    ({"as_of": None}, "as_of"),
    ({"log_rank": "high"}, "log_rank"),
    ({"log_rank": [1]}, "log_rank"),
    ({"employee_range": 11}, "employee_range"),
    ({"id": "100123"}, "id"),
    ({"actions_email_sum_28": 1}, "actions_email_sum_28"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_a_request_that_does_not_fit_is_refused_with_the_name_of_the_field(server, body, field):
    answer = server.post("/predict", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert problem["title"]
    assert [one["field"] for one in problem["errors"]] == [field]
    assert problem["errors"][0]["problem"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["log_rank", "alexa_rank"])
def test_a_number_that_is_not_finite_is_refused_with_the_name_of_the_field(server, number, field):
    as_of = ', "as_of": "2020-06-01"' if field == "alexa_rank" else ""
    answer = server.post(
        "/predict", content=f'{{"{field}": {number}{as_of}}}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    problem = json.loads(answer.text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert [one["field"] for one in problem["errors"]] == [field]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"1", b'"text"', b"\xff\xfe", b"{}{}", b"[" * 10_000]
)
def test_a_body_that_is_no_object_is_refused_and_never_an_error_of_the_server(server, content):
    answer = server.post("/predict", content=content, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"log_rank": 1e300},
        {"log_rank": -1e300, "actions_email_sum_28d": 1e38},
        {"industry": "\U0001f600", "employee_range": ""},
        {"as_of": "0001-01-01"},
        {"as_of": "9999-12-31", "usage": [ROW]},
        {"as_of": "2020-06-01", "usage": [{"when_timestamp": "0001-01-01T00:00:00Z"}]},
        {"as_of": "2020-06-01", "usage": [{"when_timestamp": "9999-12-31T23:59:59Z"}]},
        {"as_of": "2020-06-01", "usage": [ROW, ROW]},
        {"as_of": "2020-06-01", "usage": [{**ROW, **dict.fromkeys(MEASURES, 2**31 - 1)}] * 1000},
        {"as_of": "2020-06-01", "alexa_rank": 1e-300},
        {"as_of": "2020-06-01", "alexa_rank": 5, "unranked": True, "industry": " "},
    ],
)
def test_an_extreme_request_is_answered_and_never_an_error_of_the_server(server, body):
    answer = server.post("/predict", json=body)
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        assert 0 <= answer.json()["conversion_probability"] <= 1


@pytest.mark.parametrize(
    "content", [b'{"industry": "\\ud83d"}', b'{"as_of": "2020-06-01", "industry": "\\ud83d"}']
)
def test_half_a_character_is_answered_and_never_an_error_of_the_server(server, content):
    assert server.post("/predict", content=content).status_code in {200, 422}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/nowhere", 404)])
def test_what_the_service_does_not_have_is_a_problem_document(server, method, path, status):
    answer = server.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_stamp_within_a_day_counts_as_the_next_day_as_it_does_in_a_file(server, companies):
    _, cutoff, _, _ = companies
    row = dict.fromkeys(MEASURES, 50)
    body = {"as_of": str(EPOCH + cutoff)}

    def predict(stamp):
        usage = [{**row, "when_timestamp": stamp}]
        return server.post("/predict", json={**body, "usage": usage}).json()["conversion_probability"]

    monday = EPOCH + cutoff - 7
    nothing = server.post("/predict", json=body).json()["conversion_probability"]
    assert predict(f"{monday}T00:00:00Z") != nothing
    for later in (
        f"{monday}T00:00:00.5Z",
        f"{monday}T00:00:01Z",
        f"{monday}T13:00:00Z",
        f"{monday}T00:00:00-01:00",
    ):
        assert predict(later) == nothing, later


def test_the_documentation_is_of_the_served_model_s_own_features(server, model):
    schemas = server.get("/openapi.json").json()["components"]["schemas"]
    assert list(schemas["FlatFeatures"]["properties"]) == model.spec.names()
    assert set(schemas["UsageRow"]["properties"]) == {"when_timestamp", *MEASURES}


def test_requests_at_the_same_time_do_not_disturb_each_other(server, companies):
    chosen, _, features, probability = companies
    bodies = [flat(features, at) for at in chosen] * 3
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: server.post("/predict", json=body).json(), bodies))
    found = [answer["conversion_probability"] for answer in answers]
    assert found == probability[chosen].tolist() * 3
