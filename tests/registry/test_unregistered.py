"""Folders that nobody registered: finished, accepted or left alone, and never in anybody's way."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from ml_sys.errors import ArtifactError, UnverifiedError
from ml_sys.model.files.artifact import write_artifact
from ml_sys.model.files.signing import NO_KEYS, Keys
from ml_sys.registry.exclusive import Registering, note_registering
from ml_sys.registry.index import Index, latest
from ml_sys.registry.store import Registry
from ml_sys.registry.unregistered import refuse_taken, unknown_names
from tests.registry.versions import (
    add,
    fill,
    promote,
    put,
    registry_with,
    signed_by,
    small_entry,
    statuses,
    tree,
)


def test_what_a_killed_writer_left_is_cleared_by_the_next_command(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    half = tmp_path / "models" / ".tmp-0123456789abcdef"
    half.mkdir()
    (half / "weights").write_bytes(b"half")
    (tmp_path / ".tmp-fedcba9876543210").write_text('{"versions": {')
    assert registry.read().versions.keys() == {"1.0.0"}
    promote(registry, "1.0.0")
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_version_whose_writer_was_killed_before_it_was_registered_is_registered_by_the_next(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    promote(registry, "1.0.0")
    entry = put(registry, "1.1.0")
    note_registering(tmp_path, Registering("1.1.0", entry.seal))
    registry.recover()
    assert registry.trail().records[-1].action == "adopt"
    assert not (tmp_path / "registering.json").exists()
    assert promote(registry, "1.1.0") == "1.0.0"
    assert asdict(registry.read().versions["1.1.0"]) == {**asdict(entry), "status": "production"}


@pytest.mark.parametrize("noted", ["nothing", "another seal", "another version", "no note"])
def test_a_folder_that_nobody_was_registering_is_left_until_somebody_accepts_it(tmp_path, noted):
    registry = registry_with(tmp_path, "1.0.0")
    entry = put(registry, "1.1.0")
    if noted in {"another seal", "another version"}:
        version = "1.1.0" if noted == "another seal" else "1.2.0"
        note_registering(tmp_path, Registering(version, "0" * 64 if noted == "another seal" else entry.seal))
    elif noted == "no note":
        (tmp_path / "registering.json").write_text("[")
    for act in (registry.recover, lambda: promote(registry, "1.0.0"), lambda: add(registry, "1.3.0")):
        act()
        assert "1.1.0" not in registry.read().versions
        assert registry.strangers() == ["1.1.0"]
    assert registry.accept_version("1.1.0", "from the other machine") == entry
    record = registry.trail().records[-1]
    assert (record.action, record.version, record.reason) == ("adopt", "1.1.0", "from the other machine")
    assert registry.strangers() == []
    with pytest.raises(ArtifactError, match="registered already"):
        registry.accept_version("1.1.0", "again")


@pytest.mark.parametrize("kind", ["copy of a version", "empty folder", "checkpoints of an editor"])
def test_a_folder_that_is_no_version_is_left_alone_and_stops_nobody(tmp_path, kind):
    registry = registry_with(tmp_path, "1.0.0")
    stray = tmp_path / "models" / {"copy of a version": "1.0.0-copy"}.get(kind, ".checkpoints")
    stray.mkdir()
    if kind == "copy of a version":
        fill(stray, "1.0.0")
    elif kind != "empty folder":
        (stray / "notes.txt").write_text("mine")
    before = tree(tmp_path / "models")
    promote(registry, "1.0.0")
    assert registry.read().versions.keys() == {"1.0.0"}
    assert latest(registry.read()) == "1.0.0"
    assert stray.is_dir()
    assert tree(tmp_path / "models") == before


@pytest.mark.parametrize("signed", ["by us", "by a trusted one", "by somebody else", "by nobody"])
def test_an_orphan_is_registered_only_if_its_signature_counts(tmp_path, signed):
    ours, theirs = signed_by(tmp_path / "ours"), signed_by(tmp_path / "theirs")
    trusted = (*ours.trusted, *theirs.trusted) if signed == "by a trusted one" else ours.trusted
    maker = {"by us": ours, "by nobody": NO_KEYS}.get(signed, theirs)
    registry = Registry(tmp_path / "artifacts", keys=Keys(ours.private, trusted))
    add(registry, "1.0.0")
    orphan = registry.folder("1.1.0")
    note_registering(registry.root, Registering("1.1.0", put(registry, "1.1.0", maker).seal))
    before = tree(orphan)
    registry.recover()
    if signed in {"by us", "by a trusted one"}:
        assert statuses(registry) == {"1.0.0": "candidate", "1.1.0": "candidate"}
        assert registry.open("1.1.0").text("weights") == "weights of 1.1.0"
        assert registry.strangers() == []
    else:
        assert set(registry.read().versions) == {"1.0.0"}
        assert registry.strangers() == ["1.1.0"]
        with pytest.raises(UnverifiedError, match=r"manifest\.sig"):
            registry.accept_version("1.1.0", "I know them")
    assert tree(orphan) == before


def test_a_version_that_was_registered_unsigned_is_not_used_once_signatures_are_asked_for(tmp_path):
    registry_with(tmp_path / "artifacts", "1.0.0")
    registry = Registry(tmp_path / "artifacts", keys=signed_by(tmp_path / "key"))
    with pytest.raises(
        UnverifiedError, match=r"manifest\.sig: is missing, and only signed versions are used"
    ):
        registry.open("1.0.0")


@pytest.mark.parametrize(
    "harm",
    [
        "a bit of a file",
        "a file missing",
        "a file too many",
        "no manifest",
        "another version's name",
        "a link",
        "an entry that says production",
        "an entry that lacks its metrics",
        "an entry with an odd metric",
        "an entry with an unknown field",
    ],
)
def test_an_orphan_that_is_not_whole_is_left_alone_and_stops_nobody(tmp_path, harm):
    registry = registry_with(tmp_path, "1.0.0")
    orphan = registry.folder("1.1.0")
    orphan.mkdir()
    entry = {name: value for name, value in asdict(small_entry("1.1.0")).items() if name != "seal"}
    entry |= {"an entry that says production": {"status": "production"}}.get(harm, {})
    entry |= {"an entry with an odd metric": {"metrics": {"average_precision": "<b>"}}}.get(harm, {})
    entry |= {"an entry with an unknown field": {"colour": "red"}}.get(harm, {})
    if harm == "an entry that lacks its metrics":
        del entry["metrics"]
    if harm == "another version's name":
        entry["version"] = "1.2.0"
    write_artifact(orphan, {"weights": b"weights"}, {"entry": entry})
    if harm == "a bit of a file":
        (orphan / "weights").write_bytes(b"veights")
    elif harm == "a file missing":
        (orphan / "weights").unlink()
    elif harm == "a file too many":
        (orphan / "notes").write_text("mine")
    elif harm == "no manifest":
        (orphan / "manifest.json").unlink()
    elif harm == "a link":
        orphan.rename(tmp_path / "elsewhere")
        orphan.symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "models")
    note_registering(tmp_path, Registering("1.1.0", "0" * 64))
    promote(registry, "1.0.0")
    assert statuses(registry) == {"1.0.0": "production"}
    assert registry.strangers() == ["1.1.0"]
    with pytest.raises(UnverifiedError):
        registry.accept_version("1.1.0", "it looks whole")
    assert tree(tmp_path / "models") == before
    # And it is not written over by a version of its name.
    with pytest.raises(
        ArtifactError, match=r"1\.1\.0: exists already, but does not verify as a version"
    ) as caught:
        add(registry, "1.1.0")
    assert "move it out" in caught.value.hint
    assert tree(tmp_path / "models") == before


def test_what_was_being_registered_is_so_before_a_version_of_the_same_name_is_added(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    note_registering(tmp_path, Registering("1.1.0", put(registry, "1.1.0").seal))
    with pytest.raises(ArtifactError, match=r"version 1\.1\.0 exists already"):
        add(registry, "1.1.0")
    assert statuses(registry) == {"1.0.0": "candidate", "1.1.0": "candidate"}


def test_neither_a_version_about_to_be_registered_nor_half_a_folder_is_a_stranger(tmp_path):
    models = tmp_path / "models"
    for name in ("1.0.0", "1.1.0", ".tmp-0123456789abcdef", "2.0.0"):
        (models / name).mkdir(parents=True)
    index = Index({"1.0.0": small_entry("1.0.0")})
    assert unknown_names(tmp_path, models, lambda: index) == ["1.1.0", "2.0.0"]
    note_registering(tmp_path, Registering("1.1.0", "seal"))
    assert unknown_names(tmp_path, models, lambda: index) == ["2.0.0"]
    assert unknown_names(tmp_path, tmp_path / "nowhere", lambda: index) == []


def test_a_name_is_taken_by_whatever_has_it_even_a_link_to_nowhere(tmp_path):
    refuse_taken(tmp_path / "1.0.0", registered=False)
    (tmp_path / "1.0.0").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="does not verify as a version"):
        refuse_taken(tmp_path / "1.0.0", registered=False)
    with pytest.raises(ArtifactError, match=r"version 2\.0\.0 exists already"):
        refuse_taken(tmp_path / "2.0.0", registered=True)
