"""Every endpoint of the HTTP service, as its clients see it."""

from __future__ import annotations

import gc
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.sources import open_source
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.phrasing.phrases import phrase_of
from ml_sys.model.files.layout import GOLDEN
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.scoring.reasons import contributions, moved_log_odds, reasons
from ml_sys.serve.app import Service, create_app
from ml_sys.serve.companies import CompanyLookup
from ml_sys.serve.hotswap import Current
from ml_sys.serve.prometheus import Metrics
from ml_sys.serve.served import load_served
from ml_sys.serve.service import settle
from ml_sys.settings import SchemaSettings, ServeSettings
from tests.data.tables import MEASURES
from tests.serve.conftest import EPOCH, FIRST, finite, produce, said, serving
from tests.serve.servers import Connection

PREDICTION = {
    "conversion_probability", "will_convert", "tier", "threshold", "model_version", "warnings",
}  # fmt: skip


@pytest.fixture
def service(versions):
    """A service in this process, with nothing in production."""
    metrics, root = Metrics(), Registry(versions)
    return Service(Current(root, None, metrics), metrics, None, CompanyLookup(versions), ServeSettings())


def test_what_a_server_began_with_is_not_looked_through_for_garbage_again():
    held = [[] for _ in range(1000)]
    before = gc.get_freeze_count()
    settle()
    assert gc.get_freeze_count() >= before + len(held)


def test_health_says_which_version_is_served(served):
    answer = served.client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "model_version": FIRST})


def test_a_server_is_ready_once_its_model_says_of_its_golden_rows_what_it_once_said(served):
    answer = served.client.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "model_version": FIRST})


@pytest.mark.parametrize("rows", ["probabilities", "features"])
def test_a_server_whose_model_says_something_else_is_alive_and_not_ready(service, versions, caplog, rows):
    current = Current(Registry(versions), FIRST, service.metrics)
    current.refresh()
    golden = Registry(versions).open(FIRST).json(GOLDEN)
    if rows == "features":
        at = golden["features"]["columns"].index("log_rank")
        golden["features"]["rows"][1][at] += 1
    else:
        golden["probabilities"][2] += 1e-5
    current.served = replace(current.served, golden=golden)
    service.current = current
    with TestClient(create_app(service), base_url="http://localhost") as client:
        answer = client.get("/ready")
        assert client.get("/health").status_code == 200
    assert (answer.status_code, answer.json()["status"]) == (503, 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    assert "golden" in caplog.text


def test_a_model_that_takes_the_place_of_another_is_asked_though_that_one_was_a_moment_ago(service, versions):
    current = Current(Registry(versions), FIRST, service.metrics)
    current.refresh()
    before, golden = current.served, Registry(versions).open(FIRST).json(GOLDEN)
    golden["probabilities"][2] += 1e-5
    assert service.is_itself(before)
    assert not service.is_itself(replace(before, golden=golden))
    assert service.is_itself(before)


def test_without_a_version_in_production_only_status_is_answered(service):
    with TestClient(create_app(service), base_url="http://localhost") as client:
        assert client.get("/health").json() == {"status": "ok", "model_version": None}
        for method, path in (
            ("GET", "/ready"), ("GET", "/model"), ("POST", "/predict"), ("POST", "/predict/batch"),
            ("GET", "/companies/1"),
        ):  # fmt: skip
            answer = client.request(method, path)
            assert answer.status_code == 503, path
            assert answer.headers["retry-after"]
            assert "No version" in answer.json()["title"]
        assert "FlatFeatures" in client.get("/openapi.json").json()["components"]["schemas"]
        assert client.get("/metrics").status_code == 200


def test_the_model_is_described_by_its_features_metrics_and_card(served, models):
    facts = finite(served.client.get("/model").text)
    assert facts["model_version"] == FIRST
    assert list(facts["features"]) == models[FIRST].spec.names()
    assert facts["threshold"] == models[FIRST].threshold
    assert facts["compiled"] is True
    assert facts["horizon_days"] == 30
    assert facts["metrics"]
    assert FIRST in facts["card"]


def test_a_prediction_says_what_it_was_decided_by(served, models, prospects, some):
    model = models[FIRST]
    probability = model.probabilities(prospects.features.iloc[some])
    for at, one in zip(some, probability, strict=True):
        answer = served.predict(prospects.flat(at))
        assert set(answer) == PREDICTION
        assert answer["conversion_probability"] == pytest.approx(one, abs=1e-6)
        assert answer["threshold"] == model.threshold
        assert answer["will_convert"] == (one >= model.threshold)
        assert answer["tier"] == model.tiers.of(np.array([one]))[0]
        assert answer["model_version"] == FIRST


def test_a_company_of_which_all_is_known_gets_no_warning(served, prospects, some):
    body = next(body for at in some if None not in (body := prospects.flat(at)).values())
    assert served.predict(body)["warnings"] == []


def test_a_value_that_no_training_row_had_is_named_and_shortened(served, telling):
    [*_, warning] = served.predict({**telling, "log_rank": 5.0, "industry": "x" * 300})["warnings"][:1]
    assert warning.startswith("industry: no training row had 'xxx")
    assert len(warning) < 200


def test_missing_features_are_counted_and_the_first_ones_named(served, models):
    [warning] = served.predict({})["warnings"]
    names = models[FIRST].spec.names()
    assert warning.startswith(f"{len(names)} features are missing")
    assert names[0] in warning
    assert names[5] not in warning


def test_reasons_are_given_where_they_are_asked_for(served, telling):
    assert "reasons" not in served.predict(telling)
    given = served.predict(telling, params={"reasons": 3})["reasons"]
    assert len(given) == 3
    for one in given:
        assert one["text"]
        assert one["direction"] == ("raises" if one["contribution"] > 0 else "lowers")
    strength = [abs(one["contribution"]) for one in given]
    assert strength == sorted(strength, reverse=True)


def test_only_reasons_that_the_counter_check_confirms_are_given(served, prospects, some):
    scorer = load_scorer(Registry(served.root), FIRST)
    names = list(scorer.spec.names())
    dropped = 0
    for body in (prospects.flat(at) for at in some[:6]):
        given = served.predict(body, params={"reasons": 20})["reasons"]
        row = scorer.row([body[name] for name in names])
        found = reasons(scorer, row, body, 20)
        assert [one["text"] for one in given] == [one.text for one in found]
        together = [
            [at for at, name in enumerate(names) if phrase_of(name, scorer.spec).statement == statement]
            for statement in (phrase_of(one.features[0], scorer.spec).statement for one in found)
        ]
        for one, move in zip(given, moved_log_odds(scorer, row, together), strict=True):
            assert move > 0 if one["direction"] == "raises" else move < 0
        moving = {
            phrase_of(name, scorer.spec).statement
            for name, one in zip(names, contributions(scorer, row), strict=False)
            if one
        }
        dropped += len(moving) - len(found)
    assert dropped


@pytest.mark.parametrize("asked", ["-1", "21", "x", "", "3.0", "٣", "1e1"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("POST", "/predict/batch")])
def test_a_number_of_reasons_that_is_none_is_refused(served, method, path, asked):
    body = {"companies": []} if "batch" in path else {}
    answer = served.client.request(method, path, params={"reasons": asked}, json=body)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == ["reasons"]


def test_a_batch_is_answered_in_its_order_and_one_bad_row_fails_alone(served, prospects, some):
    bodies = [prospects.flat(some[0]), {"log_rank": "high"}, prospects.raw(some[1]), prospects.flat(some[2])]
    bodies += [{"log_rnak": 1.0}, 7, None]
    answer = served.client.post("/predict/batch", json={"companies": bodies}, params={"reasons": 2})
    assert answer.status_code == 200
    batch = finite(answer.text)
    assert (batch["model_version"], batch["predicted"], batch["failed"]) == (FIRST, 3, 4)
    assert [one["index"] for one in batch["results"]] == list(range(7))
    for at in (0, 2, 3):
        assert batch["results"][at]["prediction"] == served.predict(bodies[at], params={"reasons": 2})
        assert "errors" not in batch["results"][at]
    for at, field in ((1, "log_rank"), (4, "log_rnak"), (5, "body"), (6, "body")):
        assert [one["field"] for one in batch["results"][at]["errors"]] == [field]
        assert "prediction" not in batch["results"][at]


def test_an_empty_batch_has_an_empty_answer(served):
    batch = served.client.post("/predict/batch", json={"companies": []}).json()
    assert batch == {"model_version": FIRST, "predicted": 0, "failed": 0, "results": []}


def test_a_batch_of_more_rows_than_allowed_is_refused_whole(served):
    assert served.client.post("/predict/batch", json={"companies": [{}] * 40}).status_code == 200
    answer = served.client.post("/predict/batch", json={"companies": [{}] * 41})
    assert answer.status_code == 413
    assert answer.json()["errors"] == [{"field": "companies", "problem": "at most 40 companies at a time"}]


def test_a_company_is_looked_up_with_its_features(served, prospects, some):
    for at in some[:4]:
        company = served.client.get(f"/companies/{prospects.id(at)}", params={"reasons": 1}).json()
        assert (company["id"], company["as_of"]) == (prospects.id(at), prospects.day)
        assert company["snapshot"] == prospects.snapshot.id
        assert company["features"] == pytest.approx(prospects.flat(at))
        assert company["prediction"] == served.predict(prospects.flat(at), params={"reasons": 1})


@pytest.mark.parametrize(
    "unknown",
    [
        "no-such-company", "zzzz", "%20", "a%00b", "%F0%9F%98%80", "a/b", "a%2Fb", "a/b/", "%2E%2E", "/x",
    ],
)  # fmt: skip
def test_an_unknown_company_is_not_found(served, unknown):
    answer = served.client.get(f"/companies/{unknown}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "no company" in answer.json()["title"]


ODD_IDS = [
    "a/b", "a/b/", "/a", "a//b", "..", "a/../b", ".", "a b", "Müller & Söhne", "株式会社/東京", "100%",
    "a%2Fb", "?x=1#y", "a+b", "=1+1", "-5", "a;b", "\x1b[2J", "a\u202eb", "reasons", "null",
]  # fmt: skip


@pytest.fixture(scope="module")
def odd_companies(versions, tmp_path_factory):
    """An artifacts folder whose latest snapshot holds companies with ids of every shape."""
    folder = tmp_path_factory.mktemp("odd")
    root = shutil.copytree(versions, folder / "artifacts")
    produce(root, FIRST)
    attributes = {"ALEXA_RANK": 5, "EMPLOYEE_RANGE": "2 to 5", "INDUSTRY": "RETAIL"}
    pd.DataFrame({"id": ODD_IDS, **attributes}).to_csv(folder / "noncustomers.csv", index=False)
    paid = {"CLOSEDATE": ["2020-02-03"], "MRR": [10], "id": ["paid"], **attributes}
    pd.DataFrame(paid).to_csv(folder / "customers.csv", index=False)
    weeks = [f"2020-01-{day:02}" for day in (6, 13, 20, 27)]
    usage = pd.DataFrame([(week, one) for week in weeks for one in ODD_IDS], columns=["WHEN_TIMESTAMP", "id"])
    usage = usage.assign(**{name.upper(): 3 for name in MEASURES})
    usage.to_csv(folder / "usage_actions.csv", index=False)
    tables = {name: str(folder / f"{name}.csv") for name in ("customers", "noncustomers")}
    ingest(
        Origin(open_source("file"), SchemaSettings(), {**tables, "usage": str(folder / "usage_actions.csv")}),
        Rules(max_rejected_share=0.05),
        root,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return root


def test_a_company_is_found_by_an_id_of_any_shape(odd_companies):
    with serving(odd_companies) as server, Connection(server.port) as connection:
        for company in ODD_IDS:
            # As a client writes it that knows of slashes in ids, and as one that does not.
            for safe in ("", "/"):
                answer = connection.ask("GET", f"/companies/{quote(company, safe=safe)}?reasons=1")
                assert answer.status == 200, (company, answer.body)
                assert answer.json["id"] == company
        assert connection.ask("GET", "/companies/").status == 404
        labels = server.client.get("/metrics").text
    assert 'route="/companies/{id}"' in labels
    assert "companies/a" not in labels


def test_a_company_that_is_a_customer_already_is_no_prospect(served, prospects):
    customer = int(np.flatnonzero(prospects.snapshot.closed < prospects.cutoff)[0])
    answer = served.client.get(f"/companies/{prospects.id(customer)}")
    assert answer.status_code == 404
    assert "already a customer" in answer.json()["title"]


def test_a_company_that_becomes_a_customer_on_the_day_of_the_cutoff_is_a_prospect_still(odd_companies):
    found = CompanyLookup(odd_companies).find("paid", FeatureSpec(windows_days=(7,)))
    assert found.cutoff == "2020-02-03"  # the day on which it closes


def test_without_a_snapshot_companies_are_unavailable_and_no_path_is_shown(service, versions, tmp_path):
    service.companies = CompanyLookup(tmp_path)
    service.current = Current(Registry(versions), FIRST, service.metrics)
    with TestClient(create_app(service), base_url="http://localhost") as client:
        answer = client.get("/companies/1")
        assert client.post("/predict", json={}).status_code == 200
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert str(tmp_path) not in answer.text


def test_usage_after_the_day_asked_about_changes_no_prediction(served, prospects, some):
    body = next(body for at in some if len((body := prospects.raw(at))["usage"]) > 3)
    from_cutoff = prospects.cutoff
    late = {"when_timestamp": _stamp(from_cutoff - 6), **dict.fromkeys(MEASURES, 5000)}
    just_in_time = {**late, "when_timestamp": _stamp(from_cutoff - 7)}
    kept = [row for row in body["usage"] if row["when_timestamp"] != just_in_time["when_timestamp"]]

    def features(usage):
        return served.predict({**body, "usage": usage}, params={"reasons": 20})

    assert features([*body["usage"], late]) == features(body["usage"])
    assert features([*kept, just_in_time]) != features(body["usage"])


def test_the_order_of_usage_rows_changes_no_prediction(served, prospects, some):
    for body in (prospects.raw(at) for at in some[:5]):
        turned = {**body, "usage": body["usage"][::-1]}
        assert served.predict(turned) == served.predict(body)


def test_a_stamp_within_a_day_counts_as_the_next_day_as_it_does_in_a_file(served, prospects):
    body = {"as_of": prospects.day}

    def ask(stamp):
        usage = [{**dict.fromkeys(MEASURES, 50), "when_timestamp": stamp}]
        return served.predict({**body, "usage": usage}, params={"reasons": 20})

    monday = _day(prospects.cutoff - 7)
    nothing = served.predict(body, params={"reasons": 20})
    assert ask(f"{monday}T00:00:00Z") != nothing
    for time in ("00:00:00.5Z", "00:00:01Z", "13:00:00Z", "00:00:00-01:00"):
        assert ask(f"{monday}T{time}") == nothing, time


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/nowhere", 404)])
def test_what_the_service_does_not_have_is_a_problem_document(served, method, path, status):
    answer = served.client.request(method, path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_documentation_asks_no_other_host_for_anything(served):
    page = served.client.get("/docs")
    assert page.status_code == 200
    assert "http" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    named = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert named == ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]
    for path, kind in zip(named, ("text/css", "text/javascript"), strict=True):
        asset = served.client.get(path)
        assert (asset.status_code, asset.headers["content-type"].split(";")[0]) == (200, kind)
        assert len(asset.content) > 10_000


@pytest.mark.parametrize("path", ["nothing.js", "..%2F__init__.py", "redoc.standalone.js"])
def test_no_other_file_is_given_as_part_of_the_documentation(served, path):
    assert served.client.get(f"/docs/{path}").status_code == 404


def test_the_description_is_of_the_served_model_s_own_features(served, models):
    document = served.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert list(schemas["FlatFeatures"]["properties"]) == ["id", *models[FIRST].spec.names()]
    assert set(schemas["UsageRow"]["properties"]) == {"when_timestamp", *MEASURES}
    assert set(document["paths"]) == {
        "/health", "/ready", "/model", "/metrics", "/predict", "/predict/batch", "/companies/{id}",
    }  # fmt: skip


@pytest.mark.parametrize("schema", ["FlatFeatures", "RawCompany"])
def test_the_examples_of_the_description_are_predicted_for(served, schema):
    schemas = served.client.get("/openapi.json").json()["components"]["schemas"]
    for example in schemas[schema]["examples"]:
        assert 0 <= served.predict(example)["conversion_probability"] <= 1


def test_requests_at_the_same_time_do_not_disturb_each_other(served, models, prospects, some):
    bodies = [prospects.flat(at) for at in some] * 3
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(served.predict, bodies))
    assert [one["conversion_probability"] for one in answers] == pytest.approx(
        [said(models[FIRST], body) for body in bodies], abs=1e-6
    )


def _day(days):
    return str(EPOCH + days)


def _stamp(days):
    return f"{_day(days)}T00:00:00"


def test_what_is_blank_and_what_the_version_has_not_learnt_is_noticed_for_the_log(versions):
    model = load_served(Registry(versions), FIRST)
    values = [None] * len(model.contract.names)
    at, level = model.contract.names.index("industry"), model.scorer.usual_levels()["industry"]

    def noticed(industry):
        values[at] = industry
        return model.say(values, None)[1].noticed

    blank = noticed(None)
    assert "industry, blank" in blank
    assert noticed("missing") == blank
    assert set(blank) - set(noticed(level)) == {"industry, blank"}
    assert set(noticed("astrology of cats")) - set(blank) == {"industry, unknown to the version"}
