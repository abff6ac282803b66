"""What does not verify is named; what a killed process left is no finding."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ml_sys.errors import ArtifactError
from ml_sys.features import compute
from ml_sys.registry.audit import Change
from ml_sys.registry.index import to_bytes
from ml_sys.registry.store import Registry
from ml_sys.registry.verification import (
    AUDIT,
    INDEX,
    Accepted,
    Examined,
    Verification,
    _index,
    _trail,
    accept_found,
    verify,
)
from tests.registry.versions import add, fill, promote, put, registry_with


@pytest.fixture
def registry(registered: Path, tmp_path: Path) -> Registry:
    """A registry whose version 1.0.0 is in production."""
    registry = Registry(Path(shutil.copytree(registered, tmp_path / "artifacts")))
    registry.promote("1.0.0", None, Change())
    return registry


def statuses(registry, version=None, **options):
    return {one.subject: one.status for one in verify(registry, version, **options)}


SOUND = {AUDIT: "passed", INDEX: "passed", "1.0.0": "passed"}


def test_a_sound_registry_passes_and_progress_counts_its_versions(registry):
    seen = []
    assert statuses(registry, every=True, on_progress=seen.append) == SOUND
    assert seen == [1]


def test_without_a_version_the_one_in_production_is_meant(registry):
    add(registry, "9.0.0")
    assert statuses(registry) == SOUND


def test_a_version_that_does_not_exist_is_refused(registry):
    with pytest.raises(ArtifactError, match=r"there is no version 7\.0\.0"):
        verify(registry, "7.0.0")


def test_a_damaged_version_fails_and_the_others_are_judged_all_the_same(registry):
    add(registry, "9.0.0")
    (registry.folder("9.0.0") / "weights").write_bytes(b"other")
    findings = {one.subject: one for one in verify(registry, every=True)}
    assert findings["9.0.0"].status == "failed"
    assert "weights: differs from its digest" in findings["9.0.0"].found
    assert findings["9.0.0"].hint
    assert findings["1.0.0"].status == "passed"


def test_an_edited_record_fails_by_its_number_and_leaves_the_index_unjudged(registry):
    path = registry.root / "audit.jsonl"
    path.write_text(path.read_text().replace('"first version"', '"first version!"', 1))
    findings = {one.subject: one for one in verify(registry, every=True)}
    assert findings[AUDIT].status == "failed"
    assert "record 1 was edited" in findings[AUDIT].found
    assert "restore it from a copy" in findings[AUDIT].hint
    assert findings[INDEX].status == "warned"
    assert findings["1.0.0"].status == "passed"


@pytest.mark.parametrize("cut", [0, 1])
def test_a_trail_whose_index_is_gone_fails_with_the_way_out_however_long_it_is(registry, cut):
    lines = (registry.root / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (registry.root / "audit.jsonl").write_bytes(b"".join(lines[: len(lines) - cut]))
    (registry.root / "registry.json").unlink()
    findings = {one.subject: one for one in verify(registry, every=True)}
    assert {name: one.status for name, one in findings.items()} == {AUDIT: "failed", INDEX: "failed"}
    assert "registry.json is missing; it remembers the last record" in findings[AUDIT].found
    assert "mlsys accept --reason" in findings[AUDIT].hint
    assert not (registry.root / "registry.json").exists()


def test_where_trail_and_index_are_damaged_no_version_is_known(registry):
    (registry.root / "audit.jsonl").write_text("{}\n")
    (registry.root / "registry.json").write_text("{}")
    assert statuses(registry, every=True) == {AUDIT: "failed", INDEX: "warned"}


def test_an_index_made_to_fit_fails_once_and_is_made_anew(registry):
    path = registry.root / "registry.json"
    path.write_bytes(to_bytes(replace(registry.read(), production=None)))
    assert statuses(registry, every=True) == SOUND | {INDEX: "failed"}
    assert statuses(registry, every=True) == SOUND
    assert (registry.root / "registry.json.damaged").is_file()


def test_what_a_killed_process_left_is_cleared_and_no_finding(registry):
    (registry.root / "models" / ".tmp-0123").mkdir()
    (registry.root / ".tmp-4567").write_text("half")
    assert statuses(registry, every=True) == SOUND
    assert not list(registry.root.rglob(".tmp-*"))


@pytest.mark.parametrize("name", ["9.9.9", "notes"])
def test_a_folder_that_nobody_registered_fails_and_stays_as_it_is(registry, name):
    """Whole or not: a copy of a version under a name of its own says who it is, and was not registered."""
    folder = registry.folder(name)
    folder.mkdir()
    if name == "9.9.9":
        fill(folder, name)
    for every in (False, True):
        findings = {one.subject: one for one in verify(registry, every=every)}
        assert findings[name].status == "failed"
        assert findings[name].found == "is among the versions, but nobody registered it"
        assert "mlsys accept" in findings[name].hint
    assert set(registry.read().versions) == {"1.0.0"}
    assert registry.strangers() == [name]


def test_verify_of_a_folder_that_nobody_registered_exits_with_failure_until_it_is_accepted(registry, mlsys):
    registry.folder("9.9.9").mkdir()
    fill(registry.folder("9.9.9"), "9.9.9")
    done = mlsys("verify", "--json", artifacts=registry.root)
    assert done.returncode == 1
    assert json.loads(done.stdout)["passed"] is False
    assert mlsys("accept", "9.9.9", artifacts=registry.root).returncode == 2  # without a reason
    done = mlsys("accept", "9.9.9", "--reason", "restored", artifacts=registry.root)
    assert (done.returncode, done.stdout) == (0, "Version 9.9.9 is registered as candidate.\n")
    assert mlsys("verify", artifacts=registry.root).returncode == 0


def test_a_version_of_other_features_is_warned_of_but_fails_in_production(registry, monkeypatch):
    monkeypatch.setattr(compute, "FEATURE_CODE_VERSION", compute.FEATURE_CODE_VERSION + 1)
    assert statuses(registry)["1.0.0"] == "failed"
    add(registry, "9.0.0")
    registry.promote("9.0.0", "1.0.0", Change())
    assert statuses(registry, "1.0.0")["1.0.0"] == "warned"


def test_where_nobody_can_write_what_is_there_is_verified_all_the_same(registry):
    lock = registry.root / "registry.lock"
    lock.unlink()
    lock.mkdir()  # cannot be locked, as on a file system that is read-only
    assert statuses(registry, every=True) == SOUND


@pytest.mark.parametrize(
    ("statuses", "passed"), [((), True), (("passed", "warned"), True), (("passed", "failed"), False)]
)
def test_a_warning_is_no_failure(statuses, passed):
    findings = tuple(Examined("one", status, "found") for status in statuses)
    assert Verification(findings).to_plain() == {"passed": passed, "findings": findings}


def test_what_was_accepted_is_plain_data(tmp_path):
    assert Accepted("1.0.0", "candidate", "", "1.1.0").to_plain() == {
        "accepted": "1.0.0", "found": "", "production": "1.1.0",
    }  # fmt: skip
    small = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(small, "1.0.0")
    put(small, "2.0.0")
    assert accept_found(small, "2.0.0", "mine") == Accepted("2.0.0", "candidate", "", "1.0.0")
    (tmp_path / "registry.json").unlink()
    found = accept_found(small, None, "why")
    assert (found.version, found.production) == (None, "1.0.0")
    assert "registry.json is missing" in found.found


def test_trail_and_index_are_told_of_in_words(tmp_path):
    small = registry_with(tmp_path, "1.0.0")
    assert _trail(small) == Examined("audit trail", "passed", "1 record, each follows from the one before")
    promote(small, "1.0.0")
    assert _trail(small).found == "2 records, each follows from the one before"
    assert _index(small) == Examined("index", "passed", "follows from the audit trail")
    content = (tmp_path / "audit.jsonl").read_bytes()
    (tmp_path / "audit.jsonl").write_bytes(content.replace(b"promote", b"pr0mote"))
    assert _index(small) == Examined(
        "index", "warned", "cannot be compared with the audit trail, as that is damaged"
    )
    assert _trail(small).status == "failed"
    assert "record 2 was edited" in _trail(small).found
    (tmp_path / "audit.jsonl").write_bytes(content)
    (tmp_path / "registry.json").write_bytes(to_bytes(replace(small.read(), production=None)))
    found = _index(small)
    assert (found.status, found.hint) == (
        "failed", "it is rebuilt from the audit trail; the present one is kept as registry.json.damaged",
    )  # fmt: skip
