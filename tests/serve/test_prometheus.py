"""What Prometheus is told is what clients counted, of all workers together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ml_sys.serve import prometheus as counting
from tests.serve.conftest import FIRST, metric, serving
from tests.serve.servers import PATIENCE, Connection, is_alive, of_process, resident_bytes, until


def ask(port, n):
    """Send n requests, each on a connection of its own so that every worker gets some; return the tiers."""
    tiers = []
    for at in range(n):
        body = b'{"log_rank": 5.5}' if at % 2 else b"{}"
        with Connection(port) as connection:
            tiers.append(connection.ask("POST", "/predict", body).json["tier"])
    return tiers


def scrape(port):
    """Return the metrics on a connection of its own: the one before may have been a killed worker's."""
    try:
        with httpx.Client(timeout=PATIENCE) as client:
            return client.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return ""


def counts(port):
    """Return requests to /predict, predictions, and the observations of both histograms."""
    text = scrape(port)
    return [
        metric(text, "mlsys_requests_total", method="POST", route="/predict", status="200"),
        metric(text, "mlsys_predictions_total", model_version=FIRST),
        metric(text, "mlsys_request_seconds_count", route="/predict"),
        metric(text, "mlsys_prediction_probability_count", model_version=FIRST),
    ]


@pytest.mark.slow
def test_the_sum_over_workers_is_what_clients_counted_also_after_one_was_killed(artifacts):
    with serving(artifacts, "--workers", 2) as server:

        def both_serve():
            return metric(scrape(server.port), "mlsys_model_workers", model_version=FIRST) == 2

        until(both_serve)
        with ThreadPoolExecutor(4) as pool:
            tiers = [tier for some in pool.map(lambda _: ask(server.port, 50), range(4)) for tier in some]
        until(lambda: counts(server.port) == [200.0] * 4)  # the other worker may be about to count
        text = scrape(server.port)
        for tier in "ABC":
            assert metric(text, "mlsys_predictions_total", tier=tier) == tiers.count(tier)
        before = server.workers()
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(server.workers()) == 2 and before[0] not in server.workers())
        until(both_serve)
        ask(server.port, 40)
        until(lambda: counts(server.port) == [240.0] * 4)


def test_each_route_and_status_is_counted_by_its_template(served):
    def count(**labels):
        return served.metric("mlsys_requests_total", **labels)

    asked = [
        ("GET", "/companies/nobody-of-this-name", "/companies/{id}", 404),
        ("POST", "/predict", "/predict", 422),
        ("GET", "/no/such/place", "/unknown", 404),
    ]
    for method, path, route, status in asked:
        labels = {"method": method, "route": route, "status": str(status)}
        before = count(**labels)
        content = b"[]" if method == "POST" else None
        assert served.client.request(method, path, content=content).status_code == status
        until(lambda before=before, labels=labels: count(**labels) == before + 1)
    assert "nobody-of-this-name" not in served.client.get("/metrics").text


def test_methods_that_nobody_knows_are_counted_as_one(served):
    def count():
        return served.metric("mlsys_requests_total", method="OTHER", route="/health", status="405")

    before = count()
    for at in range(3):
        assert served.client.request(f"BREW{at}", "/health").status_code == 405
    assert count() == before + 3
    assert "BREW" not in served.client.get("/metrics").text


def test_a_batch_counts_its_predictions_and_is_one_request(served):
    def now():
        text = served.client.get("/metrics").text
        batches = metric(text, "mlsys_requests_total", route="/predict/batch")
        return [metric(text, "mlsys_predictions_total"), batches]

    before = now()
    served.client.post("/predict/batch", json={"companies": [{}, {}, {"nothing": 1}, {}]})
    until(lambda: now() == [before[0] + 3, before[1] + 1])


def test_the_version_and_its_age_are_told(served):
    assert served.metric("mlsys_model_workers", model_version=FIRST) == 1
    assert served.metric("mlsys_model_age_seconds") > 0
    assert served.metric("mlsys_model_reloads_total", result="ok") == 1
    assert served.metric("mlsys_model_reload_failing") == 0
    assert served.metric("mlsys_prediction_log_failing") == 0


def test_metrics_are_the_text_that_prometheus_reads(served):
    answer = served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    sample = re.compile(r'(#.*|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? [0-9.e+-]+(Inf|NaN)?)')
    assert [line for line in answer.text.splitlines() if not sample.fullmatch(line)] == []


def test_one_worker_counts_in_memory_and_leaves_no_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    counting.share(None)
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    one = counting.Metrics()
    one.observe("GET", "/health", 200, 0.001)
    one.observe("GET", "/health", 200, 0.001)
    assert metric(one.text().decode(), "mlsys_requests_total", route="/health") == 2
    assert list(tmp_path.iterdir()) == []


def test_what_was_refused_before_the_application_is_counted_once():
    one = counting.Metrics()
    for refused in ({503: 2}, {503: 2}, {503: 5, 431: 1}):
        one.tick(None, refused, 3, "")
    text = one.text().decode()
    assert metric(text, "mlsys_refused_total", status="503") == 5
    assert metric(text, "mlsys_refused_total", status="431") == 1
    assert metric(text, "mlsys_prediction_log_waiting") == 3


def test_of_dead_workers_only_what_they_say_of_the_living_is_forgotten(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid in (dead.pid, os.getpid()):
        (tmp_path / f"gauge_livesum_{pid}.db").touch()
        (tmp_path / f"counter_{pid}.db").touch()
    counting.share(tmp_path)
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {
        f"gauge_livesum_{os.getpid()}.db", f"counter_{os.getpid()}.db", f"counter_{dead.pid}.db",
    }  # fmt: skip
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path)


def test_a_process_that_has_ended_was_started_with_nothing():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert of_process(ended.pid, "cmdline") == ""
    assert of_process(os.getpid(), "cmdline") != ""
    assert (resident_bytes(ended.pid), is_alive(ended.pid)) == (0, False)
    assert resident_bytes(os.getpid()) > 0
    assert is_alive(os.getpid())
