"""What a reproduction and a verification look like."""

from __future__ import annotations

import json

import pytest

from ml_sys.jobs.models.reproduce import Reproduction
from ml_sys.registry.verification import Examined, Verification
from ml_sys.views import integrity
from ml_sys.views.frame.cells import plain

SAME = {"booster": True, "metrics": (), "same_rows": True, "largest_difference": 0.0, "environment": ()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ["reproduced to the last bit", "identical bytes"]),
        (
            {
                "booster": False,
                "largest_difference": 3e-8,
                "metrics": ("a / b",),
                "environment": ("threads 1 → 2",),
            },
            [
                "reproduced within 1e-06, not to the last bit",
                "other bytes",
                "differ by up to 3e-08",
                "1 differs: a / b",
                "Changed since it was trained: threads 1 → 2",
            ],
        ),
        (
            {"same_rows": False, "largest_difference": None, "metrics": tuple("abcdefg")},
            ["is not reproduced", "other rows", "not comparable", "7 differ: a, b, c, d, e"],
        ),
        ({"booster": None}, ["none to compare", "to the last bit"]),
    ],
)
def test_a_reproduction_says_what_is_the_same_and_what_is_not(capsys, changed, said):
    integrity.reproduced(Reproduction("1.0.0", **{**SAME, **changed}))
    shown = capsys.readouterr().out
    for words in said:
        assert words in shown


def test_a_reproduction_as_plain_data_says_whether_it_is_identical_or_close():
    found = Reproduction("1.0.0", **{**SAME, "booster": False, "largest_difference": 1e-7})
    told = json.loads(json.dumps(plain(found)))
    assert (told["identical"], told["close"]) == (False, True)


def test_findings_are_counted_and_their_hints_follow(capsys):
    found = (
        Examined("1.0.0", "failed", "a file differs", "restore it"),
        Examined("notes", "warned", "no version"),
    )
    integrity.verified(Verification(found))
    shown = capsys.readouterr().out
    assert "1 thing does not verify" in shown
    assert "1.0.0: restore it" in shown
    assert plain(Verification(found))["passed"] is False
    assert plain(Verification(found[1:]))["passed"] is True
