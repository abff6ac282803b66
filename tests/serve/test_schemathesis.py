"""Requests that schemathesis makes up from the service's own description, good and bad.

This takes some examples. More, against any running server::

    schemathesis run http://127.0.0.1:8000/openapi.json --checks all --max-examples 150 --continue-on-failure
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.conftest import serving
from tests.serve.servers import PATIENCE

EXAMPLES = 40
LEAST_CASES = 1000


@pytest.fixture(scope="module")
def address(trained, tmp_path_factory):
    """The address of a running server of version 1.0.0 with a registry of its own."""
    root = shutil.copytree(trained, tmp_path_factory.mktemp("described") / "artifacts")
    patient = {"MLSYS_SERVE__REQUEST_TIMEOUT_SECONDS": str(PATIENCE)}
    with serving(root, "--version", "1.0.0", **patient) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.slow
def test_no_request_that_the_description_allows_or_forbids_gets_a_wrong_answer(address, snapshot, tmp_path):
    company = snapshot.companies["id"].iloc[0]
    # Without an id that exists, no made-up request would find a company.
    (tmp_path / "schemathesis.toml").write_text(
        f'[[operations]]\ninclude-path = "/companies/{{id}}"\n[operations.parameters]\nid = "{company}"\n'
    )
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(tmp_path / "schemathesis.toml"), "run", f"{address}/openapi.json"),
        *("--checks", "all", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
        *("--seed", "1", "--request-timeout", str(PATIENCE), "--suppress-health-check", "too_slow"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases is not None, done.stdout[-8000:]
    assert int(cases[1]) == int(cases[2]) >= LEAST_CASES
