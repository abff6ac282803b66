"""What requests the service takes, and what it says of those that it does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.compute import FeatureSpec
from ml_sys.serve.contract.batch_body import split
from ml_sys.serve.contract.inputs import input_of
from ml_sys.serve.contract.requests import Contract, RequestError
from tests.data.tables import MEASURES
from tests.serve.conftest import errors, finite

ROW = {"when_timestamp": "2020-05-04T00:00:00Z"}
DAY = {"as_of": "2020-06-01"}
REFUSED = [
    ({**DAY, "usage": [{**ROW, "actions_email": -1}]}, "usage.0.actions_email"),
    ({**DAY, "usage": [ROW, {**ROW, "users_email": "many"}]}, "usage.1.users_email"),
    ({**DAY, "usage": [{**ROW, "actions_email": "1"}]}, "usage.0.actions_email"),
    ({**DAY, "usage": [{**ROW, "actions_email": 1.5}]}, "usage.0.actions_email"),
    ({**DAY, "usage": [{**ROW, "actions_email": True}]}, "usage.0.actions_email"),
    ({**DAY, "usage": [{**ROW, "actions_email": 2**31}]}, "usage.0.actions_email"),
    ({**DAY, "usage": [{**ROW, "actions_mail": 1}]}, "usage.0.actions_mail"),
    ({**DAY, "usage": [{"actions_email": 1}]}, "usage.0.when_timestamp"),
    ({**DAY, "usage": [{"when_timestamp": "last Monday"}]}, "usage.0.when_timestamp"),
    ({**DAY, "usage": [{"when_timestamp": "4 May 2020"}]}, "usage.0.when_timestamp"),
    ({**DAY, "usage": [{"when_timestamp": 1588550400}]}, "usage.0.when_timestamp"),
    ({**DAY, "usage": {"0": ROW}}, "usage"),
    ({**DAY, "usage": None}, "usage"),
    ({**DAY, "usage": [ROW] * 1001}, "usage"),
    ({**DAY, "alexa_rank": "n/a"}, "alexa_rank"),
    ({**DAY, "alexa_rank": True}, "alexa_rank"),
    ({**DAY, "alexa_rank": "250000"}, "alexa_rank"),
    ({**DAY, "industry": 7}, "industry"),
    ({**DAY, "industry": "x" * 501}, "industry"),
    ({**DAY, "unranked": 1}, "unranked"),
    ({**DAY, "mrr": 100.0}, "mrr"),
    ({**DAY, "id": ""}, "id"),
    ({"as_of": "soon"}, "as_of"),
    ({"as_of": None}, "as_of"),
    ({"as_of": "2020-02-30"}, "as_of"),
    ({"log_rank": "high"}, "log_rank"),
    ({"log_rank": "5.4"}, "log_rank"),
    ({"log_rank": True}, "log_rank"),
    ({"log_rank": [1]}, "log_rank"),
    ({"log_rank": 1e300}, "log_rank"),
    ({"employee_range": 11}, "employee_range"),
    ({"employee_range": "x" * 501}, "employee_range"),
    ({"id": 100123}, "id"),
    ({"id": "x" * 201}, "id"),
    ({"actions_email_sum_28": 1}, "actions_email_sum_28"),
    ({"actions_email_sum_28d": -1}, "actions_email_sum_28d"),
]


NOT_FINITE = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"]


@pytest.fixture(scope="module")
def contract(models):
    return Contract.of(models["1.0.0"].spec)


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_a_request_that_does_not_fit_is_refused_with_the_name_of_the_field(served, body, field):
    assert errors(served.client.post("/predict", json=body)) == [field]


def test_every_field_that_does_not_fit_is_named_at_once(served):
    body = {"log_rank": "high", "industry": 7, "mrr": 1}
    assert set(errors(served.client.post("/predict", json=body))) == {"log_rank", "industry", "mrr"}


@pytest.mark.parametrize(
    ("body", "nearest"),
    [
        ({"log_rnak": 1.0}, "log_rank"),
        ({"Industry": "software"}, "industry"),
        ({"actions_email_sum_28": 1}, "actions_email_sum_28d"),
        ({**DAY, "industri": "software"}, "industry"),
        ({**DAY, "usage": [{**ROW, "actions_emial": 1}]}, "actions_email"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_that_is_one(served, body, nearest):
    answer = served.client.post("/predict", json=body)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["problem"]) == (422, f"is not a field; did you mean {nearest}?")


@pytest.mark.parametrize("rows", [1001, 1500])
def test_too_many_rows_are_refused_with_how_many_may_be_sent(served, rows):
    answer = served.client.post("/predict", json={**DAY, "usage": [ROW] * rows})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error) == (422, {"field": "usage", "problem": "has more than 1,000 rows"})


def test_errors_stop_at_the_first_fifty(served):
    answer = served.client.post("/predict", json={f"unknown {at}": 1 for at in range(2000)})
    fields = errors(answer)
    assert len(fields) == 51
    assert answer.json()["errors"][-1] == {"field": "body", "problem": "has more invalid fields"}
    assert len(answer.content) < 10_000


def test_what_a_caller_sent_is_not_sent_back(served):
    sent = "whatever nobody else shall read"
    for body in ({"log_rank": sent}, {**DAY, "alexa_rank": sent}, {"industry": [sent]}):
        assert sent not in served.client.post("/predict", json=body).text
    assert len(served.client.post("/predict", json={"x" * 100_000: 1}).content) < 1000


@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("log_rank", "1e39"),
        *((field, number) for field in ("log_rank", "alexa_rank") for number in NOT_FINITE),
    ],
)
def test_a_number_that_is_not_finite_is_refused_with_the_name_of_the_field(served, number, field):
    as_of = ', "as_of": "2020-06-01"' if field == "alexa_rank" else ""
    answer = served.client.post("/predict", content=f'{{"{field}": {number}{as_of}}}')
    finite(answer.text)
    assert errors(answer) == [field]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_in_a_batch_a_number_that_is_not_finite_is_the_fault_of_its_row_or_of_the_body(served, number):
    content = f'{{"companies": [{{}}, {{"log_rank": {number}}}]}}'
    answer = served.client.post("/predict/batch", content=content)
    body = finite(answer.text)
    if answer.status_code == 200:
        assert [one["field"] for one in body["results"][1]["errors"]] == ["log_rank"]
        assert body["results"][0]["prediction"]
    else:
        assert errors(answer) == ["body"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"1", b'"text"', b"\xff\xfe", b"{}{}", b"[" * 10_000, b'{"a":' * 5000],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_body_that_is_no_object_is_refused_and_never_an_error_of_the_server(served, path, content):
    assert errors(served.client.post(path, content=content)) in (["body"], ["companies"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "companies"),
        ({"companies": {}}, "companies"),
        ({"companies": None}, "companies"),
        ({"companies": [], "more": 1}, "more"),
    ],
)
def test_a_batch_that_is_none_is_refused(served, body, field):
    assert errors(served.client.post("/predict/batch", json=body)) == [field]


@pytest.mark.parametrize(
    "body",
    [
        {},
        DAY,
        {"log_rank": -3.4e38},
        {"industry": "\U0001f600", "employee_range": ""},
        {"as_of": "0001-01-01"},
        {"as_of": "9999-12-31", "usage": [ROW]},
        {**DAY, "usage": [{"when_timestamp": "0001-01-01T00:00:00Z"}]},
        {**DAY, "usage": [{"when_timestamp": "0001-01-01T00:00:00+14:00"}]},
        {**DAY, "usage": [{"when_timestamp": "9999-12-31T23:59:59Z"}]},
        {**DAY, "usage": [{"when_timestamp": "9999-12-31T23:59:59-14:00"}]},
        {**DAY, "usage": [ROW, ROW]},
        {**DAY, "usage": [{**ROW, **dict.fromkeys(MEASURES, 2**31 - 1)}] * 1000},
        {**DAY, "alexa_rank": 1e-300},
        {**DAY, "alexa_rank": 5, "unranked": True, "industry": " "},
    ],
)
def test_an_extreme_request_is_answered_with_a_probability_or_a_problem(served, body):
    answer = served.client.post("/predict", json=body)
    assert answer.status_code in {200, 422}, answer.text
    said = finite(answer.text)
    if answer.status_code == 200:
        assert 0 <= said["conversion_probability"] <= 1


@pytest.mark.parametrize(
    "text", [b'{"industry": "\\ud83d"}', b'{"as_of": "2020-06-01", "industry": "\\ud83d"}']
)
def test_half_a_character_is_answered_and_never_an_error_of_the_server(served, text):
    for path, content in (("/predict", text), ("/predict/batch", b'{"companies": [%b]}' % text)):
        assert served.client.post(path, content=content).status_code in {200, 422}


def test_a_raw_company_is_known_by_its_as_of_in_any_spelling_of_json(contract):
    request = contract.one(b'{"\\u0061s_of": "2020-06-01"}')
    assert input_of(request, contract).values


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def tried(read, body):
    """Return what is read, or the error."""
    try:
        return read(body)
    except RequestError as error:
        return error


@given(data=st.data())
def test_anything_is_read_or_refused_by_fields(contract, data):
    known = st.sampled_from([*contract.names, "id", "as_of", "usage", "alexa_rank", "unranked"])
    values = _JSON | st.just("2020-06-01") | st.floats(0, 9)
    body = data.draw(_JSON | st.dictionaries(known, values, max_size=6))
    read = tried(contract.one, json.dumps(body).encode())
    if isinstance(read, RequestError):
        assert read.status == 422
        assert all(one["problem"] for one in read.errors)
    else:
        assert len(input_of(read, contract).values) == len(contract.names)


@given(body=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(contract, body):
    for read in (contract.one, lambda bytes_: contract.many(split(bytes_, 10), 1000)):
        found = tried(read, body)
        assert not isinstance(found, RequestError) or found.errors


def test_values_keep_the_order_of_the_features_whatever_the_order_of_the_request(contract):
    texts = {name for _, name in contract.categories}
    body = {name: float(at) for at, name in enumerate(contract.names) if name not in texts}
    turned = dict(reversed(body.items()))
    one, other = (input_of(contract.one(json.dumps(it).encode()), contract).values for it in (body, turned))
    assert one == other == [body.get(name) for name in contract.names]


def test_other_features_make_another_contract(models):
    first, other = (Contract.of(models[version].spec) for version in ("1.0.0", "2.0.0"))
    (gone, *_) = set(first.names) - set(other.names)
    body = json.dumps({gone: 1.0}).encode()
    assert isinstance(first.spec, FeatureSpec)
    assert input_of(first.one(body), first).values[first.names.index(gone)] == 1.0
    with pytest.raises(RequestError) as refused:
        other.one(body)
    assert refused.value.errors[0]["field"] == gone
