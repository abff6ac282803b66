"""What the values of a request mean: the same as those of an exported row."""

from __future__ import annotations

import json

import pytest

from ml_sys.features.compute import FeatureSpec
from ml_sys.serve.contract.inputs import input_of, inputs_of
from ml_sys.serve.contract.requests import Contract, RequestError
from tests.data.tables import MEASURES
from tests.serve.conftest import UNRANKED

SPEC = FeatureSpec(windows_days=(28,), attribute_missingness=True)
CONTRACT = Contract.of(SPEC)
BUSY, QUIET = dict.fromkeys(MEASURES, 3), dict.fromkeys(MEASURES, 1)


def asked(**fields):
    """Return the input of a raw company as features by name, and the remarks."""
    found = input_of(CONTRACT.one(json.dumps({"as_of": "2020-06-01", **fields}).encode()), CONTRACT)
    return dict(zip(SPEC.names(), found.values, strict=True)), found.remarks


def usage(*rows):
    return {"usage": [{"when_timestamp": stamp, **counts} for stamp, counts in rows]}


@pytest.mark.parametrize("blank", [None, "", " ", "\u00a0\t"])
def test_a_blank_text_is_missing_where_missingness_is_a_feature(blank):
    features, remarks = asked(employee_range=blank, industry=blank)
    assert (features["employees_missing"], features["rank_missing"]) == (1, 1)
    assert (features["employee_range"], features["industry"], remarks) == (None, "missing", ())
    assert asked(employee_range="many")[0]["employees_missing"] == 0
    assert asked() == (features, ())


@pytest.mark.parametrize("rank", [UNRANKED, float(UNRANKED)])
def test_the_number_that_means_unranked_means_it_in_a_request(rank):
    features, remarks = asked(alexa_rank=rank)
    assert (features["unranked"], features["log_rank"], features["rank_missing"]) == (1, None, 0)
    assert (features, remarks) == asked(unranked=True) == asked(unranked=True, alexa_rank=5)
    assert asked(alexa_rank=UNRANKED - 1)[0]["unranked"] == 0


@pytest.mark.parametrize("rank", [0, -5, -0.0, -1e300])
def test_a_rank_that_is_not_positive_counts_as_blank_and_is_remarked(rank):
    assert asked(alexa_rank=rank) == (asked()[0], ("alexa_rank is not positive, so it counts as blank",))


def test_a_usage_row_that_is_repeated_counts_once():
    once, nothing = asked(**usage(("2020-05-04", BUSY)))
    assert nothing == ()
    spellings = ["2020-05-04T00:00:00Z", "2020-05-04 02:00:00.000+02:00", " 2020-05-03T19:00:00-0500"]
    again, remarks = asked(**usage(("2020-05-04", BUSY), *((text, BUSY) for text in spellings)))
    assert again == once
    assert remarks == ("3 usage rows repeat another one, and do not count",)


@pytest.mark.parametrize("order", [1, -1])
def test_of_usage_rows_of_one_stamp_that_contradict_each_other_the_busiest_counts(order):
    rows = [("2020-05-04", QUIET), ("2020-05-04", BUSY)][::order]
    found, remarks = asked(**usage(*rows))
    assert found == asked(**usage(("2020-05-04", BUSY)))[0]
    assert remarks == ("1 usage row contradicts a busier one with the same stamp, and does not count",)


def test_usage_rows_of_one_day_at_other_times_add_up():
    found, remarks = asked(**usage(("2020-05-03T01:00Z", BUSY), ("2020-05-03T02:00Z", BUSY)))
    assert (found["actions_email_sum_28d"], remarks) == (6, ())


def test_a_usage_row_out_of_all_time_does_not_count_and_is_remarked():
    found, remarks = asked(**usage(("1969-12-31", BUSY), ("2100-01-01", BUSY)))
    assert (found, remarks) == (asked()[0], ("2 usage rows lie outside 1970 to 2099, and do not count",))


@pytest.mark.parametrize("stamp", ["", " ", "4 May 2020", "2020-02-30", "2020-05-04T25:00", 20200504, None])
def test_a_stamp_that_is_no_date_is_refused(stamp):
    with pytest.raises(RequestError) as caught:
        asked(**usage((stamp, BUSY)))
    assert [error["field"] for error in caught.value.errors] == ["usage.0.when_timestamp"]


def test_companies_of_a_batch_are_remarked_on_one_by_one():
    rows = usage(("2020-05-04", BUSY), ("2020-05-04", BUSY))
    bodies = [{"as_of": "2020-06-01", **fields} for fields in ({}, rows, {"alexa_rank": 0}, rows)]
    bodies.append({"as_of": "2020-06-08", **rows})
    requests = [CONTRACT.one(json.dumps(body).encode()) for body in bodies]
    assert inputs_of(requests, CONTRACT) == [input_of(request, CONTRACT) for request in requests]
    assert [len(one.remarks) for one in inputs_of(requests, CONTRACT)] == [0, 1, 1, 1, 1]


def test_blanks_around_a_ready_category_do_not_count_as_in_a_file():
    def ready(**texts):
        return input_of(CONTRACT.one(json.dumps(texts).encode()), CONTRACT).values

    assert ready(industry=" software ", employee_range=" ") == ready(industry="software")
