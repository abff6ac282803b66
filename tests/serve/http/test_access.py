"""Ids of requests, and the access log: what is in it, what never is, and how often it is written."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys import logs
from ml_sys.serve.http.access import AccessLog, request_id

SEEN = {
    "request_id": "abc-1",
    "method": "GET",
    "route": "/companies/{id}",
    "status": 200,
    "seconds": 0.0123456,
    "version": "1.2.0",
}


def lines_of(share: float, statuses: list[int], *, seed: int = 1, json_lines: bool = False) -> list[str]:
    """Return what the log writes of requests with these statuses, formatted as the program formats it."""
    logs.configure(json_lines=json_lines, level="")
    stream = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(stream)
    try:
        access = AccessLog(share, seed)
        for status in statuses:
            access.record(**{**SEEN, "status": status})
    finally:
        handler.setStream(before)
    return stream.getvalue().splitlines()


@given(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_a_caller_s_id_is_kept(shown):
    assert request_id(shown.encode()) == shown


@pytest.mark.parametrize(
    "shown", [None, b"", b"a" * 65, b"a b", b"a\n", b"a\r\nx: y", b'"', "ä".encode(), b"<script>", b"a/b"]
)
def test_an_unfit_id_is_replaced(shown):
    made = request_id(shown)
    assert request_id(made.encode()) == made
    assert shown is None or made.encode() != shown


@given(st.binary(max_size=80))
def test_an_id_is_always_short_and_harmless(shown):
    made = request_id(shown)
    assert made.isascii()
    assert 1 <= len(made) <= 64
    assert made.replace("-", "").replace(".", "").replace("_", "").isalnum() or set(made) <= set("-._")


def test_made_ids_are_all_different():
    assert len({request_id(None) for _ in range(1000)}) == 1000


def test_a_line_for_machines_has_a_field_for_each_fact():
    (line,) = lines_of(1.0, [200], json_lines=True)
    fields = json.loads(line)
    assert {name: fields[name] for name in SEEN if name != "seconds"} == {
        name: value for name, value in SEEN.items() if name != "seconds"
    }
    assert fields["milliseconds"] == 12.346
    assert (fields["logger"], fields["level"]) == ("ml_sys.access", "INFO")


def test_a_line_for_people_can_be_read():
    (line,) = lines_of(1.0, [200])
    assert line == "INFO: GET /companies/{id} 200 in 12.3 ms, request abc-1, version 1.2.0"


def test_a_share_of_the_requests_is_written():
    assert lines_of(0.0, [200] * 1000) == []
    assert len(lines_of(1.0, [200] * 1000)) == 1000
    assert 200 < len(lines_of(0.25, [200] * 1000)) < 300


def test_what_the_service_failed_is_always_written():
    assert len(lines_of(0.0, [200, 404, 499, 500, 503])) == 2


def test_the_same_seed_draws_the_same_requests():
    statuses = list(range(200, 400))
    assert lines_of(0.3, statuses, seed=5) == lines_of(0.3, statuses, seed=5)
    assert lines_of(0.3, statuses, seed=5) != lines_of(0.3, statuses, seed=6)
