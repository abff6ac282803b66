"""Bodies of batches are cut where a JSON parser would, and take nobody's time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.serve.contract import batch_body
from ml_sys.serve.contract.batch_body import split
from ml_sys.serve.contract.requests import RequestError
from tests.serve.conftest import JSON

TEXTS = st.text(alphabet='"\\[]{},:a é\n', max_size=8)
VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
LONGEST_WAIT_SECONDS = 0.1
ROUNDS = 10
MOST_MEMORY = 150e6


@given(companies=st.lists(VALUES, max_size=6), indent=st.sampled_from([None, 1]), raw=st.booleans())
@pytest.mark.parametrize("block", [1, 7, 1 << 18])
def test_a_batch_is_cut_as_a_parser_reads_it(companies, indent, raw, block):
    body = json.dumps({"companies": companies}, indent=indent, ensure_ascii=not raw).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_body, "_BLOCK_BYTES", block)
        assert [json.loads(part) for part in split(body, 10)] == companies


@given(body=st.text(alphabet='{}[]",:\\1 companies', max_size=40).map(str.encode))
def test_what_is_no_batch_is_refused_or_holds_what_a_parser_finds(body):
    for whole in (body, b'{"companies":' + body, b'{"companies":[' + body + b"]}"):
        try:
            parts = [json.loads(part) for part in split(whole, 100)]
        except (RequestError, ValueError):
            continue
        assert json.loads(whole) == {"companies": parts}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"companies":{}}', b'{"companies":[1]', b'{"companies":[1]}]',
        b'[{"companies":[1]}]',
        b'{"companies":[1],"companies":[2]}', b'{"x":{"companies":[1]}}', b'{"companies":[1]} {}', b"[[1]]",
    ],
)  # fmt: skip
def test_other_forms_are_refused(body):
    with pytest.raises(RequestError):
        split(body, 10)


def test_more_companies_than_allowed_are_refused_before_they_are_read():
    assert len(split(b'{"companies":[' + b"1," * 9 + b"1]}", 10)) == 10
    for n_more in (1, 4_000_000):
        with pytest.raises(RequestError) as refused:
            split(b'{"companies":[' + b"1," * (9 + n_more) + b"1]}", 10)
        assert refused.value.status == 413


def test_a_company_of_a_batch_that_is_no_json_refuses_the_whole(served):
    body = b'{"companies": [{}, {"log_rank": }]}'
    answer = served.client.post("/predict/batch", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body"


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_that_is_not_said_to_be_json_is_refused(served, path, kind):
    headers = {} if kind is None else {"content-type": kind}
    answer = httpx.post(served.client.base_url.join(path), content=b'{"companies": []}', headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (415, 415)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["accept"] == "application/json"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_said_in_any_way(served, kind):
    assert served.client.post("/predict", content=b"{}", headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize("path", ["/predict/", "/predict/batch/", "/health/", "/model/"])
def test_a_slash_too_much_is_not_found_and_leads_nowhere(served, path):
    answer = served.client.post(path, json={}, headers={"host": "localhost"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "10.0.0.1"]
)
def test_a_page_that_leads_its_own_name_to_this_machine_gets_nothing(served, host):
    answer = served.client.post("/predict", json={}, headers={"host": host})
    assert (answer.status_code, answer.json()["status"]) == (421, 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.2:1", "[::1]:8000"])
def test_this_machine_s_own_names_are_served(served, host):
    assert served.client.post("/predict", json={}, headers={"host": host}).status_code == 200


def unknown(members: int) -> str:
    return "{" + ",".join(f'"{at:x}":0' for at in range(members)) + "}"


LARGEST = partial(unknown, 830_000)
# How each body is made, when it is needed.
ATTACKS: dict[str, tuple[str, Callable[[], str], int]] = {
    "one large company": ("/predict", LARGEST, 413),
    "as large as one may be": ("/predict", partial(unknown, 52_000), 422),
    "a batch of one": ("/predict/batch", lambda: '{"companies":[' + unknown(760_000) + "]}", 200),
    "a batch of many": (
        "/predict/batch", lambda: '{"companies":[' + ",".join([unknown(20_000)] * 38) + "]}", 200,
    ),
    "no batch": ("/predict/batch", partial(unknown, 760_000), 422),
    "too many": ("/predict/batch", lambda: '{"companies":[' + "1," * 4_000_000 + "1]}", 413),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_nobody_waits_for_a_request_of_unknown_fields_which_takes_little_memory(served, attack):
    # What else the machine does makes everyone wait as well, with and without such requests; where it is slow
    # everything takes longer, but never as long as it takes to read such a body once.
    path, body, status = ATTACKS[attack]
    sent, largest = body(), LARGEST()
    for left in reversed(range(ROUNDS)):
        harmless, before = most_wait_and_memory(served, "/predict", "{}", 200, times=100)
        longest, most = most_wait_and_memory(served, path, sent, status, times=2)
        assert most - before < MOST_MEMORY
        began = time.perf_counter()
        json.loads(largest)
        if longest < max(LONGEST_WAIT_SECONDS, 2 * harmless, time.perf_counter() - began):
            break
        assert left, (longest, harmless)


def most_wait_and_memory(served, path: str, body: str, status: int, *, times: int) -> tuple[float, int]:
    """Return the longest wait for /health and the most memory held while two callers ask with such bodies."""
    data = body.encode()
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=served.client.base_url, timeout=300, headers=JSON) as client:
            statuses.extend(client.post(path, content=data).status_code for _ in range(times))

    attackers = [threading.Thread(target=ask) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    waits, held = [], [resident(served)]
    while any(attacker.is_alive() for attacker in attackers):
        began = time.perf_counter()
        assert served.client.get("/health").status_code == 200
        waits.append(time.perf_counter() - began)
        held.append(resident(served))
        time.sleep(0.005)
    assert statuses == [status] * 2 * times
    return max(waits), max(held)


def resident(served) -> int:
    with open(f"/proc/{served.process.pid}/statm") as file:  # noqa: PTH123 - no file
        return int(file.read().split()[1]) * 4096
