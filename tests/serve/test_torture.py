"""Short runs of what torments the service; the long ones are run by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.torture import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with a few small versions, the first of them in production."""
    import subprocess

    folder = tmp_path_factory.mktemp("service")
    # In a process of its own, since it forks.
    code = "import sys; from pathlib import Path; from tests.torture.service import make_versions"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; make_versions(Path(sys.argv[1]))", str(folder)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "artifacts"


def test_promotions_under_load_fail_no_request_and_mix_up_no_answer(versions):
    figures, failures = serving.swap(versions, seconds=8, changes=4, workers=1, seed=1, judge_speed=False)
    assert not failures
    assert figures["seen"]


def test_malformed_requests_are_each_refused_as_they_have_to_be(versions):
    figures, failures = serving.soak(versions, seconds=4, workers=1, seed=1, judge_speed=False)
    assert not failures
    assert figures["statuses"][422]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_answered_until_the_end_is_in_the_log_and_nothing_else(versions, workers):
    figures, failures = serving.term(versions, seconds=1, workers=workers, judge_speed=False)
    assert not failures
    assert figures["answered"] == figures["in the log"]
    assert figures["after the signal"]


def test_a_killed_worker_comes_back_and_the_others_go_on(versions):
    _, failures = serving.worker(versions, seconds=6, workers=2, judge_speed=False)
    assert not failures
