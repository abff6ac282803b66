"""What generated tables look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.sample.generator import SampleReport
from ml_sys.views import data


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"usage: repeated": 2, "customers: MRR not above zero": 0}, "faults added: 2 usage: repeated"),
        ({"usage: repeated": 0}, "faults added: none"),
    ],
)
def test_of_a_sample_only_faults_that_were_added_are_named(faults, said, capsys):
    data.sampled(SampleReport(Path("here"), 10, 1, 9, 50, 20, 0.01, faults))
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.endswith(said)
