"""What `mlsys serve` refuses to begin with, who it answers, and what it never loads."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ml_sys.errors import SettingsError, StorageError
from ml_sys.serve.http.hosts import is_loopback
from ml_sys.serve.http.keys import accepts, new_key
from ml_sys.serve.server import allow_connections, check_exposure, listen
from tests.serve.conftest import serving
from tests.serve.servers import PATIENCE

ANY = "0.0.0.0"  # noqa: S104 – never bound here
HEAVY = {"pandas", "sklearn", "imblearn", "xgboost", "skops"}
EVERYTHING = """
import asyncio, json, sys
from pathlib import Path
from fastapi.testclient import TestClient
from ml_sys.serve.server import Application
from ml_sys.settings import Settings

root, flat, raw, company = Path(sys.argv[1]), *map(json.loads, sys.argv[2:4]), sys.argv[4]
with TestClient(Application(Settings(artifacts_dir=root), None)(), base_url="http://localhost") as client:
    answers = [
        client.get("/ready"),
        client.get("/model"),
        client.get("/openapi.json"),
        client.get("/metrics"),
        client.post("/predict?reasons=3", json=flat),
        client.post("/predict?reasons=3", json=raw),
        client.post("/predict/batch?reasons=3", json={"companies": [flat, raw] * 10}),
    ]
    answers.append(client.get(f"/companies/{company}?reasons=3"))
print(json.dumps({"status": [one.status_code for one in answers], "modules": sorted(sys.modules)}))
"""


def test_the_serving_process_loads_neither_pandas_nor_what_trains(artifacts, prospects, some):
    at = some[0]
    done = subprocess.run(
        [
            sys.executable, "-c", EVERYTHING, str(artifacts),
            json.dumps(prospects.flat(at)), json.dumps(prospects.raw(at)), prospects.id(at),
        ],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == [200] * 8
    loaded = {name.partition(".")[0] for name in said["modules"]}
    assert "numpy" in loaded
    assert loaded & HEAVY == set()
    # numba looks at its version, and at nothing below.
    assert {"scipy.sparse", "scipy.stats", "scipy.special"}.isdisjoint(said["modules"])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_is_served_without_a_key(host):
    assert is_loopback(host)
    check_exposure(host, has_keys=False, insecure=False)


@pytest.mark.parametrize("host", [ANY, "::", "10.0.0.7", "example.org", "", "127.0.0.1.example.org"])
def test_other_machines_are_served_with_a_key_or_by_explicit_wish(host):
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match="no API key") as refused:
        check_exposure(host, has_keys=False, insecure=False)
    assert "mlsys apikey new" in refused.value.hint
    assert "--insecure" in refused.value.hint
    check_exposure(host, has_keys=True, insecure=False)
    check_exposure(host, has_keys=False, insecure=True)


def test_the_command_refuses_other_machines_before_it_listens(mlsys, versions):
    done = mlsys("serve", "--host", ANY, "--port", 0, artifacts=versions)
    assert done.returncode == SettingsError("", "", "").exit_code
    assert "serve.host" in done.stderr
    assert "mlsys apikey new" in done.stderr
    assert "serving" not in done.stderr
    assert done.stdout == ""


def test_an_address_in_use_is_one_clear_line(mlsys, versions):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=f"127.0.0.1:{port}: cannot listen on this address"):
            listen("127.0.0.1", port)
        done = mlsys("serve", "--port", port, artifacts=versions)
    assert done.returncode == StorageError.exit_code
    assert f"127.0.0.1:{port}: cannot listen on this address" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_is_none_is_one_clear_line():
    with pytest.raises(StorageError, match="cannot listen on this address"):
        listen("host.invalid", 0)


def test_a_free_port_is_taken_where_none_is_named():
    with listen("127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


def check_keys(server, *keys):
    """Ask with each key in both ways, without one and with another."""
    ask = server.client.post
    for key in keys:
        for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
            assert ask("/predict", json={}, headers=headers).status_code == 200
    for headers in ({}, {"x-api-key": keys[0][:-1]}, {"authorization": f"Basic {keys[0]}"}):
        answer = ask("/predict", json={}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert server.client.get("/metrics", headers=headers).status_code == 401
        assert server.client.get("/docs", headers=headers).status_code == 401
    assert server.client.get("/health").status_code == 200
    document = server.client.get("/openapi.json", headers={"x-api-key": keys[0]}).json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    assert document["paths"]["/predict"]["post"]["security"]
    assert "security" not in document["paths"]["/health"]["get"]
    log = server.log.read_text()
    assert not any(key in log for key in keys)


def test_keys_of_the_environment_are_asked_for_and_several_are_good_at_once(artifacts):
    (first, a), (second, b) = new_key(), new_key()
    settings = {"MLSYS_SERVE__API_KEYS": json.dumps([a, b]), "MLSYS_SERVE__ACCESS_LOG_SHARE": "1"}
    with serving(artifacts, **settings) as server:
        check_keys(server, first, second)


def test_keys_of_the_settings_file_are_asked_for(artifacts):
    key, digest = new_key()
    (artifacts.parent / "conf").mkdir()
    (artifacts.parent / "conf" / "mlsys.toml").write_text(f'[serve]\napi_keys = ["{digest}"]\n')
    with serving(artifacts) as server:
        check_keys(server, key)


def test_a_key_itself_is_no_digest_and_is_not_shown_when_it_is_refused(mlsys, versions, monkeypatch):
    key, _ = new_key()
    monkeypatch.setenv("MLSYS_SERVE__API_KEYS", json.dumps([key]))
    done = mlsys("serve", "--port", 0, artifacts=versions)
    assert done.returncode == SettingsError("", "", "").exit_code
    assert "api_keys" in done.stderr
    assert key not in done.stderr


def test_a_new_key_is_shown_once_and_its_digest_is_for_the_settings(mlsys):
    done = mlsys("apikey", "new")
    assert done.returncode == 0
    [key] = done.stdout.splitlines()
    digest = next(line.strip() for line in done.stderr.splitlines() if line.strip().startswith("sha256:"))
    assert accepts(key, [digest])
    assert key not in done.stderr


def test_a_new_key_as_json(mlsys):
    made = [json.loads(mlsys("apikey", "new", "--json").stdout) for _ in range(2)]
    assert made[0] != made[1]
    for one in made:
        assert set(one) == {"key", "digest"}
        assert accepts(one["key"], [one["digest"]])


def test_a_server_that_is_told_to_end_ends_well_and_leaves_its_address(artifacts):
    with serving(artifacts) as server:
        server.process.terminate()
        assert server.process.wait(timeout=PATIENCE) in {0, -15}
        assert "Traceback" not in server.log.read_text()
        listen("127.0.0.1", server.port).close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither such limits nor hang-ups")
def test_as_many_files_may_be_open_as_the_system_allows():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = max(int(one.name) for one in Path("/dev/fd").iterdir()) + 10
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
        allow_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
