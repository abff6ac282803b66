"""A promotion or rollback reaches a running server; a version that may not be used does not."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_sys.registry.audit import Change
from ml_sys.registry.store import Registry
from ml_sys.serve.hotswap import Current
from ml_sys.serve.prometheus import Metrics
from ml_sys.text import rule_version
from tests.registry.forgery import forge
from tests.serve.conftest import FIRST, OTHER, SECOND, Serving, produce, said, serving
from tests.serve.servers import until


def damage(root, version):
    """Change a byte of a version's trees, and return what puts it back."""
    file = root / "models" / version / "booster.json"
    sound = file.read_bytes()
    file.write_bytes(sound[:-2] + bytes([sound[-2] ^ 1]) + sound[-1:])
    return lambda: file.write_bytes(sound)


@pytest.fixture(scope="module")
def following(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that follows what is in production."""
    root = Path(shutil.copytree(versions, tmp_path_factory.mktemp("following") / "artifacts"))
    produce(root, FIRST)
    with serving(root) as server:
        yield server


@pytest.fixture
def server(following: Serving) -> Serving:
    """The same, with the first version in production and served."""
    if Registry(following.root).read().production != FIRST:
        produce(following.root, FIRST)
    until(lambda: following.version() == FIRST and not following.metric("mlsys_model_reload_failing"))
    return following


def test_a_promotion_and_a_rollback_reach_the_server_in_time_and_it_says_what_the_version_says(
    server, models, telling
):
    reloads = server.metric("mlsys_model_reloads_total", result="ok")
    assert reloads >= 1
    before = server.predict(telling)
    assert before["model_version"] == FIRST
    assert before["conversion_probability"] == pytest.approx(said(models[FIRST], telling), abs=1e-6)
    produce(server.root, SECOND)
    until(lambda: server.version() == SECOND)
    after = server.predict(telling)
    assert after["model_version"] == SECOND
    assert after["conversion_probability"] == pytest.approx(said(models[SECOND], telling), abs=1e-6)
    assert after["conversion_probability"] != before["conversion_probability"]
    registry = Registry(server.root)
    registry.rollback(Change("test"), registry.open)
    until(lambda: server.version() == FIRST)
    assert server.predict(telling) == before
    # A version answers a moment before it is counted.
    until(lambda: server.metric("mlsys_model_reloads_total", result="ok") == reloads + 2)
    until(lambda: server.metric("mlsys_model_workers", model_version=FIRST) == 1)
    assert server.metric("mlsys_model_workers", model_version=SECOND) == 0


def test_requests_and_their_description_change_with_the_features_of_the_version(server, models):
    (gone, *_) = sorted(set(models[FIRST].spec.names()) - set(models[OTHER].spec.names()))
    assert server.predict({gone: 1.0})
    produce(server.root, OTHER)
    until(lambda: server.version() == OTHER)
    assert server.client.post("/predict", json={gone: 1.0}).status_code == 422
    schemas = server.client.get("/openapi.json").json()["components"]["schemas"]
    assert list(schemas["FlatFeatures"]["properties"]) == ["id", *models[OTHER].spec.names()]
    assert list(server.client.get("/model").json()["features"]) == models[OTHER].spec.names()


def test_a_damaged_version_leaves_the_old_one_serving_with_an_alarm_and_one_line(server, telling):
    def told() -> int:
        return server.log.read_text().count("cannot be used")

    before, lines = server.predict(telling), told()
    failed = server.metric("mlsys_model_reloads_total", result="failed")
    mend = damage(server.root, SECOND)
    produce(server.root, SECOND)
    until(lambda: server.metric("mlsys_model_reload_failing") == 1)
    assert server.predict(telling) == before
    assert server.client.get("/ready").status_code == 200
    until(lambda: server.metric("mlsys_model_reloads_total", result="failed") == failed + 1)
    until(lambda: told() > lines)
    assert told() == lines + 1
    mend()
    until(lambda: server.version() == SECOND)  # it is tried again by itself
    until(lambda: server.metric("mlsys_model_reload_failing") == 0)
    assert server.predict(telling)["model_version"] == SECOND


def test_the_alarm_ends_where_production_comes_back_to_what_is_served(server):
    mend = damage(server.root, SECOND)
    produce(server.root, SECOND)
    until(lambda: server.metric("mlsys_model_reload_failing") == 1)
    produce(server.root, FIRST)
    until(lambda: server.metric("mlsys_model_reload_failing") == 0)
    mend()
    assert server.version() == FIRST


def test_a_server_without_a_version_in_production_picks_up_the_first_promotion(versions, tmp_path, models):
    root = shutil.copytree(versions, tmp_path / "artifacts")
    with serving(root, ready=503) as server:
        told = server.log.read_text()
        assert "no version is in production" in told
        assert f"mlsys promote {OTHER} --artifacts {shlex.quote(str(root))}" in told
        assert server.version() is None
        assert server.client.post("/predict", json={}).status_code == 503
        produce(root, FIRST)
        until(lambda: server.client.get("/ready").status_code == 200)
        assert server.predict({})["conversion_probability"] == pytest.approx(
            said(models[FIRST], dict.fromkeys(models[FIRST].spec.names())), abs=1e-6
        )
        until(lambda: server.metric("mlsys_model_reload_failing") == 0)


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_a_first_server_says_at_once_how_to_get_a_version_and_waits(tmp_path, ingested, has_snapshot):
    root = tmp_path / "artifacts"
    if has_snapshot:
        shutil.copytree(ingested, root)
    with serving(root, ready=503) as server:
        told = server.log.read_text()
        assert told.index("no version is in production") > told.index("http://")
        where = f"--artifacts {shlex.quote(str(root))}"
        train = f"mlsys train {where}, then mlsys promote 1.0.0 {where}"
        assert (train if has_snapshot else f"mlsys ingest {where}, then {train}") in told
        assert server.client.get("/health").status_code == 200
        assert server.client.post("/predict", json={}).status_code == 503
        assert server.process.poll() is None


def test_the_same_version_number_with_another_seal_is_loaded_anew(registered, tmp_path):
    """A registry that was put aside and made again numbers its versions from 1.0.0 once more."""
    root = shutil.copytree(registered, tmp_path / "artifacts")
    registry = Registry(root)
    registry.promote("1.0.0", None, Change())
    current = Current(registry, None, Metrics())
    current.refresh()
    before = current.served
    assert before is not None
    current.refresh()
    assert current.served is before  # nothing changed, nothing is loaded
    forge(registry, "1.0.0", "card.md", b"another model of the same number")
    registry.promote("1.0.0", None, Change())
    current.refresh()
    assert current.served is not None
    assert current.served.version == before.version
    assert current.served.seal != before.seal
    assert current.served.facts["card"] == "another model of the same number"
    registry.promote(rule_version("newest"), "1.0.0", Change("it drifts"))
    current.refresh()
    assert current.served.version == before.version  # a rule gives no probabilities to answer with
    registry.rollback(Change(), lambda _: None)
    current.refresh()
    assert current.served.version == before.version


@pytest.mark.parametrize("way", ["option", pytest.param("environment", marks=pytest.mark.slow)])
def test_a_pinned_server_does_not_follow(artifacts, way):
    options = ["--version", SECOND] if way == "option" else []
    environment = {"MLSYS_SERVE__RELOAD_SECONDS": "0.05"}
    environment |= {} if options else {"MLSYS_MODEL_VERSION": SECOND}
    with serving(artifacts, *options, **environment) as server:
        assert server.version() == SECOND
        produce(artifacts, OTHER)
        time.sleep(0.5)  # ten looks
        assert server.version() == SECOND
        until(lambda: server.metric("mlsys_model_reloads_total") == 1)


def test_a_pinned_version_that_does_not_exist_is_refused_with_those_that_do(mlsys, versions):
    done = mlsys("serve", "--port", 0, "--version", "1.9.9", artifacts=versions)
    assert done.returncode == 1
    assert "1.9.9" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
