"""No byte of a version changes unseen: what was tampered with is named before any of it is parsed."""

from __future__ import annotations

import io
import json
import os
import pickletools
import random
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ml_sys.errors import (
    ArtifactError,
    MlsysError,
    SchemaDriftError,
    SettingsError,
    StorageError,
    UnverifiedError,
    UsageError,
)
from ml_sys.features.compute import FeatureSpec
from ml_sys.model.files import serialization
from ml_sys.model.files.artifact import FORMAT, MANIFEST, SIGNATURE, Artifact, open_artifact, write_artifact
from ml_sys.model.files.layout import GOLDEN, PIPELINE, SCORER, drift, feature_schema
from ml_sys.model.files.serialization import (
    booster_bytes,
    load_model,
    model_files,
    read_holdout,
    read_settings,
)
from ml_sys.model.files.signing import NO_KEYS, Keys, make_keys, read_keys
from ml_sys.registry.loading import load_version
from ml_sys.registry.store import Registry

FLIPS = 500  # of an unsigned version, of a signed one, and of one whose signature nobody asks for
VERSION = "1.0.0"
BOOKS = ("registry.json", "audit.jsonl")
SEALED = rf"({MANIFEST}|{SIGNATURE}): "

Change = Callable[[dict[str, bytes], dict[str, Any]], None]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    path = tmp_path_factory.mktemp("keys") / "signing.pem"
    make_keys(path)
    return read_keys(str(path), ())


@pytest.fixture
def plain(trained: Path, tmp_path: Path) -> Registry:
    """A copy of the registry with the trained version, unsigned."""
    root = tmp_path / "artifacts"
    shutil.copytree(trained / "models", root / "models")
    for name in BOOKS:
        shutil.copy(trained / name, root)
    return Registry(root)


@pytest.fixture(scope="module")
def once_signed(trained: Path, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with the same version, signed; not to be changed."""
    root = tmp_path_factory.mktemp("signed") / "artifacts"
    shutil.copytree(trained / "models", root / "models")
    return forge(Registry(root, keys=keys), lambda files, facts: None).root


@pytest.fixture
def signed(once_signed: Path, keys: Keys, tmp_path: Path) -> Registry:
    return Registry(Path(shutil.copytree(once_signed, tmp_path / "signed")), keys=keys)


def forge(registry: Registry, change: Change) -> Registry:
    """Write a version anew with other files or facts, so that digests, manifest, seal and trail all fit."""
    folder = registry.folder(VERSION)
    artifact = open_artifact(folder, None)
    files = dict(artifact.files)
    facts = {name: value for name, value in artifact.manifest.items() if name not in {"format", "files"}}
    change(files, facts)
    shutil.rmtree(folder)
    folder.mkdir()
    write_artifact(folder, files, facts, registry.keys)
    for name in BOOKS:
        (registry.root / name).unlink(missing_ok=True)
    for one in registry.strangers():
        with suppress(MlsysError):
            registry.accept_version(one, "forged")
    assert VERSION in registry.read().versions
    return registry


def with_a_second_version(registry: Registry) -> dict[str, Any]:
    """Put a copy of the version beside it under another name, and return the facts of its manifest."""
    whole = registry.open(VERSION)
    facts = {name: whole.manifest[name] for name in whole.manifest if name not in {"format", "files"}}
    facts["entry"] = {**facts["entry"], "version": "1.1.0"}
    registry.folder("1.1.0").mkdir()
    write_artifact(registry.folder("1.1.0"), whole.files, facts)
    return facts


def replaced(name: str, content: bytes) -> Change:
    return lambda files, facts: files.update({name: content})


def edited(name: str, edit: Callable[[Any], None]) -> Change:
    """Change what a JSON file says."""

    def change(files: dict[str, bytes], _: dict[str, Any]) -> None:
        said = json.loads(files[name])
        edit(said)
        files[name] = json.dumps(said).encode()

    return change


@pytest.fixture
def _nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing a Pipeline or a table, were it tried, fails the test."""

    def parsed(*_: object, **__: object) -> None:
        pytest.fail("something was parsed")

    monkeypatch.setattr(skops.io, "loads", parsed)
    monkeypatch.setattr(pd, "read_parquet", parsed)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Flip one bit or, one time in four, cut the end off."""
    at = chance.randrange(len(content))
    if chance.random() < 0.25:
        return content[:at]
    changed = bytearray(content)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("kind", ["unsigned", "signed", "signed, and nobody asks"])
@pytest.mark.usefixtures("_nothing_is_built")
def test_every_flipped_bit_and_every_cut_is_found_and_its_file_named(plain, signed, kind, monkeypatch):
    registry = plain if kind == "unsigned" else signed
    if kind.endswith("asks"):
        registry = Registry(registry.root)
    monkeypatch.setattr(skops.io, "get_untrusted_types", lambda **_: pytest.fail("something was parsed"))
    chance = random.Random(7)  # noqa: S311 - any sequence will do, the same each time
    paths = sorted(registry.folder(VERSION).iterdir())
    assert [path.name for path in paths if path.name in {MANIFEST, SIGNATURE}] == (
        [MANIFEST] if kind == "unsigned" else [MANIFEST, SIGNATURE]
    )
    content = {path: path.read_bytes() for path in paths}
    for number in range(FLIPS):
        path = paths[number % len(paths)]
        path.write_bytes(damaged(content[path], chance))
        with pytest.raises(UnverifiedError) as caught:
            load_version(registry, VERSION)
        path.write_bytes(content[path])
        sealed = path.name in {MANIFEST, SIGNATURE}
        problem = (
            "is not the one that was registered" if sealed else "differs from its digest in the manifest"
        )
        assert caught.value.message == f"{path}: {problem}"
        assert caught.value.hint
    assert registry.open(VERSION).file(PIPELINE) == content[registry.folder(VERSION) / PIPELINE]


def test_a_signature_that_is_gone_is_named_also_where_nobody_asks_for_it(signed):
    (signed.folder(VERSION) / SIGNATURE).unlink()
    with pytest.raises(UnverifiedError, match=r"manifest\.sig: is missing"):
        Registry(signed.root).open(VERSION)


def test_a_signature_that_was_added_is_named(plain):
    (plain.folder(VERSION) / SIGNATURE).write_bytes(b"x")
    with pytest.raises(UnverifiedError, match=r"manifest\.sig: was not there when it was registered"):
        plain.open(VERSION)


def test_a_longer_file_is_refused(plain):
    path = plain.folder(VERSION) / "booster.json"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UnverifiedError, match=r"booster\.json: differs from its digest"):
        plain.open(VERSION)


def test_two_files_that_changed_places_are_refused(plain):
    folder = plain.folder(VERSION)
    (folder / "metrics.json").rename(folder / "aside")
    (folder / "canaries.json").rename(folder / "metrics.json")
    (folder / "aside").rename(folder / "canaries.json")
    with pytest.raises(UnverifiedError, match=r"(canaries|metrics)\.json: differs from its digest"):
        plain.open(VERSION)


def test_every_missing_file_is_named(signed):
    folder = signed.folder(VERSION)
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(UnverifiedError) as caught:
            signed.open(VERSION)
        assert caught.value.message.startswith(f"{path}: is missing")
        path.write_bytes(content)
    assert signed.open(VERSION)


def test_a_missing_folder_is_named(plain):
    shutil.rmtree(plain.folder(VERSION))
    with pytest.raises(UnverifiedError, match=r"models/1\.0\.0: cannot be read: No such file") as caught:
        plain.open(VERSION)
    assert "restore" in caught.value.hint


def test_what_is_too_many_is_named(plain):
    folder = plain.folder(VERSION)
    (folder / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(UnverifiedError, match=r"model\.pkl: is not in the manifest"):
        plain.open(VERSION)
    (folder / "model.pkl").unlink()
    (folder / "cache").mkdir()
    with pytest.raises(UnverifiedError, match="cache: is not a regular file"):
        plain.open(VERSION)
    (folder / "cache").rmdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(UnverifiedError, match="pipe: is not a regular file"):
        plain.open(VERSION)


def test_a_signature_that_was_put_beside_an_unsigned_version_is_refused(plain):
    (plain.folder(VERSION) / SIGNATURE).write_bytes(bytes(64))
    with pytest.raises(UnverifiedError, match=SEALED):
        plain.open(VERSION)


@pytest.mark.parametrize("name", ["scorer.json", MANIFEST, "elsewhere"])
def test_a_link_is_refused_even_to_the_right_bytes(plain, tmp_path, name):
    path = plain.folder(VERSION) / name
    elsewhere = tmp_path / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(UnverifiedError) as caught:
        plain.open(VERSION)
    assert caught.value.message == f"{path}: is not a regular file"


def test_a_folder_that_is_a_link_is_refused_even_to_the_right_files(plain, tmp_path):
    folder = plain.folder(VERSION)
    folder.rename(tmp_path / VERSION)
    folder.symlink_to(tmp_path / VERSION)
    with pytest.raises(UnverifiedError) as caught:
        plain.open(VERSION)
    assert caught.value.message == f"{folder}: is a link"


def test_a_copy_by_hard_links_is_as_good(plain, tmp_path):
    folder = plain.folder(VERSION)
    shutil.copytree(folder, tmp_path / "copy", copy_function=os.link)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder, copy_function=os.link)
    assert plain.open(VERSION).seal == plain.read().versions[VERSION].seal


def test_a_file_that_becomes_a_link_while_it_is_read_is_refused(plain, monkeypatch):
    """Between the look at a folder and the reading of its files somebody may be quicker."""
    path = plain.folder(VERSION) / "scorer.json"
    opened = os.open

    def quick(name: Any, flags: int, *rest: Any, **more: Any) -> int:
        if Path(name) == path:
            path.rename(path.parent.parent / "scorer.json")
            path.symlink_to(path.parent.parent / "scorer.json")
        return opened(name, flags, *rest, **more)

    monkeypatch.setattr(os, "open", quick)
    with pytest.raises(
        UnverifiedError, match=r"scorer\.json: cannot be read: Too many levels of symbolic links"
    ):
        plain.open(VERSION)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b"\xff", b'{"files": []}', b'{"files": {}}'),
        b'{"files": {}, "entry": {"version": 1}}',
        b'{"files": {"weights": 7}, "entry": {"version": "1.0.0"}}',
        b'{"files": ["weights"], "entry": {"version": "1.0.0"}}',
        b"[" * 200_000,
    ],
)
def test_a_manifest_that_is_none_is_named(tmp_path, content):
    folder = tmp_path / VERSION
    folder.mkdir()
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(UnverifiedError, match=rf"{MANIFEST}: "):
        open_artifact(folder, None)


def test_a_manifest_of_another_format_says_which_can_be_read(tmp_path):
    folder = tmp_path / VERSION
    folder.mkdir()
    (folder / MANIFEST).write_text(
        json.dumps({"format": FORMAT + 1, "files": {}, "entry": {"version": VERSION}})
    )
    with pytest.raises(
        UnverifiedError, match=f"has format {FORMAT + 1}, and this mlsys reads format {FORMAT}"
    ) as caught:
        open_artifact(folder, None)
    assert "train again" in caught.value.hint


def test_a_version_under_the_name_of_another_is_refused(plain):
    plain.folder(VERSION).rename(plain.folder("9.9.9"))
    with pytest.raises(UnverifiedError, match=r"belongs to version 1\.0\.0, not to 9\.9\.9"):
        open_artifact(plain.folder("9.9.9"), plain.read().versions[VERSION].seal)


def test_a_version_in_place_of_another_is_refused_though_it_is_whole(plain):
    """The seal is kept outside of the folder, so that a whole forgery is no better than a bit of one."""
    seal = plain.read().versions[VERSION].seal
    other = forge(Registry(plain.root), replaced("card.md", b"# a better card\n"))
    assert other.open(VERSION).text("card.md") == "# a better card\n"
    with pytest.raises(UnverifiedError, match=SEALED):
        open_artifact(plain.folder(VERSION), seal)


def test_metrics_edited_by_hand_are_refused(plain):
    path = plain.folder(VERSION) / "metrics.json"
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    with pytest.raises(UnverifiedError, match=r"metrics\.json: differs"):
        load_version(plain, VERSION)


def test_a_file_that_a_version_does_not_have_is_named(plain):
    with pytest.raises(UnverifiedError, match=r"notes\.txt: is missing"):
        plain.open(VERSION).text("notes.txt")


def greet(values):
    return values


@pytest.mark.usefixtures("_nothing_is_built")
def test_an_untrusted_type_is_refused_before_it_is_built_though_every_digest_fits(plain, signed):
    pipeline = skops.io.dumps(FunctionTransformer(greet))
    for registry in (plain, signed):
        forge(registry, replaced(PIPELINE, pipeline))
        assert registry.open(VERSION).file(PIPELINE) == pipeline
        with pytest.raises(UnverifiedError, match=r"pipeline\.skops: holds untrusted types: .*greet"):
            load_version(registry, VERSION)


@pytest.mark.usefixtures("_nothing_is_built")
def test_what_the_file_says_is_trusted_does_not_count(plain):
    content = io.BytesIO(skops.io.dumps(FunctionTransformer(greet)))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("trusted.json", json.dumps([f"{__name__}.greet"]))
    forge(plain, replaced(PIPELINE, content.getvalue()))
    with pytest.raises(UnverifiedError, match="untrusted types"):
        load_version(plain, VERSION)


@pytest.mark.usefixtures("_nothing_is_built")
def test_a_file_that_unpacks_to_more_than_it_holds_is_refused_before_it_does(plain):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * 1_000_000)
    forge(plain, replaced(PIPELINE, content.getvalue()))
    with pytest.raises(
        UnverifiedError, match=r"pipeline\.skops: cannot be read: .* unpacks to 1,000,000 bytes"
    ):
        load_version(plain, VERSION)


def test_a_model_that_would_not_be_loaded_again_is_not_written(plain):
    artifact = plain.open(VERSION)
    model, (panel, known) = load_model(artifact), read_holdout(artifact)
    odd = replace(model, pipeline=Pipeline([("model", FunctionTransformer(greet))]))
    with pytest.raises(ArtifactError, match=r"holds .*greet, which would not be loaded again") as caught:
        model_files(odd, panel, known["id"].to_numpy(), known["probability"].to_numpy())
    assert "TRUSTED_TYPES" in caught.value.hint


def is_pickle(content: bytes) -> bool:
    try:
        return any(operation.name == "STOP" for operation, _, _ in pickletools.genops(content))
    except ValueError:
        return False


def test_no_file_of_a_version_is_or_holds_a_pickle(plain):
    artifact = plain.open(VERSION)
    for name, content in artifact.files.items():
        assert not is_pickle(content), name
    with zipfile.ZipFile(io.BytesIO(artifact.file(PIPELINE))) as archive:
        for inside in archive.namelist():
            content = archive.read(inside)
            assert not is_pickle(content), inside
            if content.startswith(b"\x93NUMPY"):
                np.load(io.BytesIO(content), allow_pickle=False)


# What a version says once it is verified.


@pytest.fixture(scope="module")
def artifact(trained: Path) -> Artifact:
    return Registry(trained).open(VERSION)


def test_a_loaded_model_gives_the_probabilities_that_were_stored_bit_for_bit(artifact):
    panel, stored = read_holdout(artifact)
    one, other = (load_model(artifact).probabilities(panel.features) for _ in range(2))
    assert one.dtype == np.float64
    assert one.tobytes() == other.tobytes() == stored["probability"].to_numpy().tobytes()
    assert np.unique(one).size > 100


def test_the_holdout_says_who_and_when_and_the_features_in_order(artifact):
    panel, known = read_holdout(artifact)
    assert list(panel.features) == load_model(artifact).spec.names()
    assert len(known) == len(panel)
    assert not pd.DataFrame({"id": known["id"], "cutoff": panel.cutoff}).duplicated().any()


def test_the_settings_and_the_trees_are_those_of_the_training(artifact, quick_settings):
    settings = read_settings(artifact)
    assert settings.model == quick_settings.model
    assert settings.seed == quick_settings.seed
    assert artifact.file("booster.json") == booster_bytes(load_model(artifact))


@pytest.mark.parametrize("rows", ["probabilities", "row_probabilities"])
def test_a_model_that_says_something_else_of_a_golden_row_is_refused(plain, rows):
    def edit(golden: Any) -> None:
        golden[rows][3] += 2e-6

    forge(plain, edited(GOLDEN, edit))
    with pytest.raises(
        UnverifiedError, match=r"golden (company|row) .*: probability 0\.\d+ instead of"
    ) as caught:
        load_version(plain, VERSION)
    assert "requirements.txt" in caught.value.hint


@pytest.mark.parametrize("column", ["actions_email_sum_28d", "industry"])
def test_a_feature_that_came_to_mean_something_else_is_named(plain, column):
    def edit(golden: Any) -> None:
        at = golden["features"]["columns"].index(column)
        row = next(row for row in golden["features"]["rows"] if row[at])
        row[at] = "ALCHEMY" if column == "industry" else row[at] * 1.001

    forge(plain, edited(GOLDEN, edit))
    with pytest.raises(SchemaDriftError, match=f"feature {column} means something different") as caught:
        load_version(plain, VERSION)
    assert "use mlsys" in caught.value.hint


def test_a_golden_probability_that_is_none_is_refused(plain):
    def edit(golden: Any) -> None:
        golden["row_probabilities"][0] = float("nan")

    forge(plain, edited(GOLDEN, edit))
    with pytest.raises(UnverifiedError, match="golden row 0"):
        load_version(plain, VERSION)


def test_a_version_of_features_that_are_not_produced_any_more_is_refused_with_the_way_out(plain):
    facts = with_a_second_version(plain)

    def older(files: dict[str, bytes], facts: dict[str, Any]) -> None:
        edited(SCORER, lambda scorer: scorer["features"].update(windows_days=[7]))(files, facts)
        facts["git"] = {"commit": "0123456789abcdef", "dirty": True}

    forge(plain, older)
    with pytest.raises(
        SchemaDriftError, match=r"this mlsys does not produce its features: .* gone"
    ) as caught:
        load_version(plain, VERSION)
    made = f"use mlsys {facts['packages']['ml-sys']}"
    trainer = f"{made} (commit 0123456789ab with changes), which trained it"
    assert caught.value.hint == f"{trainer}; or use version 1.1.0, which works with this mlsys"
    assert load_version(plain, "1.1.0").spec.windows_days != (7,)


def test_of_the_others_only_those_that_verify_are_a_way_out(plain):
    with_a_second_version(plain)

    def older(files: dict[str, bytes], facts: dict[str, Any]) -> None:
        edited(SCORER, lambda scorer: scorer["features"].update(windows_days=[7]))(files, facts)
        facts["git"] = {}

    forge(plain, older)
    (plain.folder("1.1.0") / "card.md").write_text("damaged since it was registered")
    assert set(plain.read().versions) == {VERSION, "1.1.0"}
    with pytest.raises(SchemaDriftError) as caught:
        load_version(plain, VERSION)
    assert caught.value.hint.endswith("which trained it; or train again")
    assert "commit" not in caught.value.hint


def test_drift_names_what_is_gone_and_what_is_new_and_what_cannot_be_made(artifact):
    spec = load_model(artifact).spec
    schema = feature_schema(spec)
    assert drift(spec, schema) == ""
    less = {name: group for name, group in schema["features"].items() if name != "log_rank"}
    assert drift(spec, {"hash": "other", "features": less}).endswith("produce its features: log_rank new")
    more = {**schema["features"], "moon_phase": "sky"}
    assert drift(spec, {"hash": "other", "features": more}).endswith("produce its features: moon_phase gone")
    assert drift(spec, {**schema, "hash": "other"}).endswith("produce its features: their meaning changed")
    odd: FeatureSpec = replace(spec, extra=("nowhere:feature",))
    with pytest.raises(MlsysError):
        odd.schema_hash()
    assert drift(odd, schema).startswith("this mlsys cannot produce its features: ")


def test_an_estimator_without_trees_of_xgboost_has_no_booster_file(artifact):
    class Other:
        pass

    model = load_model(artifact)
    assert booster_bytes(replace(model, pipeline={"model": Other()})) is None
    assert serialization.as_json({"a": 1}) == b'{\n  "a": 1\n}\n'


# Signatures.


def test_a_signed_version_is_used_by_whoever_trusts_its_maker(signed, keys, tmp_path):
    assert signed.open(VERSION).folder == signed.folder(VERSION)
    (tmp_path / "maker.pub").write_bytes(
        keys.trusted[0].public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    elsewhere = Registry(signed.root, keys=read_keys("", [str(tmp_path / "maker.pub")]))
    assert load_version(elsewhere, VERSION).threshold == load_version(signed, VERSION).threshold
    assert Registry(signed.root).open(VERSION).seal == signed.open(VERSION).seal  # and by who asks for none


def test_another_key_s_version_is_refused_until_that_key_is_trusted(signed, tmp_path):
    make_keys(tmp_path / "other.pem")
    other = read_keys(str(tmp_path / "other.pem"), ())
    with pytest.raises(UnverifiedError, match=r"manifest\.sig: was made by no trusted key") as caught:
        Registry(signed.root, keys=other).open(VERSION)
    assert "registry.trusted_keys" in caught.value.hint
    assert Registry(signed.root, keys=Keys(None, (*other.trusted, *signed.keys.trusted))).open(VERSION)


def test_an_unsigned_version_is_refused_where_signatures_are_asked_for(plain, keys):
    with pytest.raises(UnverifiedError, match=r"manifest\.sig: is missing, and only signed") as caught:
        Registry(plain.root, keys=keys).open(VERSION)
    assert "registry.signing_key" in caught.value.hint


@pytest.mark.parametrize("signature", [b"", bytes(64), b"x" * 63, b"x" * 1000])
def test_a_signature_that_is_none_is_refused_though_the_books_were_made_anew(signed, keys, signature):
    (signed.folder(VERSION) / SIGNATURE).write_bytes(signature)
    for name in BOOKS:
        (signed.root / name).unlink()
    signed.recover()
    assert signed.read().versions == {}
    assert signed.strangers() == [VERSION]
    with pytest.raises(UnverifiedError, match=r"manifest\.sig: was made by no trusted key"):
        open_artifact(signed.folder(VERSION), None, keys)


def test_a_signature_of_another_manifest_is_refused(signed, keys):
    path = signed.folder(VERSION) / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"candidate"', b'"archived"'))
    with pytest.raises(UnverifiedError, match=r"manifest\.sig: was made by no trusted key"):
        open_artifact(signed.folder(VERSION), None, keys)


def test_a_new_key_is_for_its_owner_only_and_never_written_over(tmp_path):
    path = tmp_path / "new" / "signing.pem"
    public = make_keys(path).public
    assert public == tmp_path / "new" / "signing.pem.pub"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes(), public.read_bytes()
    for gone in (None, path, public):
        if gone is not None:
            gone.unlink()
        with pytest.raises(UsageError, match="exists already") as caught:
            make_keys(path)
        assert "never overwritten" in caught.value.hint
        if gone is not None:
            gone.write_bytes(before[gone == public])
    assert (path.read_bytes(), public.read_bytes()) == before
    assert read_keys(str(path), [str(public)]).sign(b"x") == read_keys(str(path), ()).sign(b"x")


def test_two_new_keys_are_two(tmp_path):
    for name in ("one", "other"):
        make_keys(tmp_path / name)
    one, other = (read_keys(str(tmp_path / name), ()) for name in ("one", "other"))
    signature = one.sign(b"content")
    assert one.accept(b"content", signature)
    assert not one.accept(b"Content", signature)
    assert not other.accept(b"content", signature)


def test_a_key_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"signing\.pem: ") as caught:
        make_keys(tmp_path / "file" / "signing.pem")
    assert caught.value.hint


def test_without_keys_nothing_is_signed_and_nothing_asked_for(tmp_path):
    assert read_keys("", ()) is NO_KEYS
    assert NO_KEYS.sign(b"content") is None
    make_keys(tmp_path / "key")
    reader = read_keys("", [str(tmp_path / "key.pub")])
    assert reader.private is None
    assert reader.sign(b"content") is None


def pem_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files that hold something else than a private, or a public, Ed25519 key."""
    ed, curve = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    secret = (Encoding.PEM, PrivateFormat.PKCS8)
    shown = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files = {
        "private of another kind": curve.private_bytes(*secret, NoEncryption()),
        "public of another kind": curve.public_key().public_bytes(*shown),
        "private with a password": ed.private_bytes(*secret, BestAvailableEncryption(b"secret")),
        "private": ed.private_bytes(*secret, NoEncryption()),
        "public": ed.public_key().public_bytes(*shown),
        "raw": ed.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),
        "cut": ed.private_bytes(*secret, NoEncryption())[:60],
        "empty": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
        yield name, folder / name


def test_a_key_file_that_holds_no_such_key_is_named(tmp_path):
    files = dict(pem_files(tmp_path))
    for name, path in files.items():
        if name != "private":
            with pytest.raises(
                SettingsError, match=r"registry\.signing_key: .*holds no private Ed25519 key"
            ) as caught:
                read_keys(str(path), ())
            assert "mlsys keygen" in caught.value.hint
            assert str(path) in caught.value.message
        if name != "public":
            with pytest.raises(SettingsError, match=r"registry\.trusted_keys: .*holds no public Ed25519 key"):
                read_keys("", [str(path)])
    assert read_keys(str(files["private"]), [str(files["public"])]).private


@pytest.mark.parametrize("setting", ["signing_key", "trusted_keys"])
def test_a_key_file_that_is_missing_or_a_folder_is_named(tmp_path, setting):
    for path, why in ((tmp_path / "nowhere", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsError, match=f"registry.{setting}: .*: {why}"):
            read_keys(str(path), ()) if setting == "signing_key" else read_keys("", [str(path)])
