"""A version's files are verified before a byte of them is parsed, and never a pickle."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickletools
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer

from ml_sys.errors import ArtifactError
from ml_sys.model.artifact import load_model, read_holdout, verified_bytes
from ml_sys.registry.store import Registry


@pytest.fixture(scope="session")
def version(trained: Path) -> Path:
    """The folder of version 1.0.0; not to be changed."""
    return Registry(trained).folder("1.0.0")


@pytest.fixture
def copied(version: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(version, tmp_path / "1.0.0"))


def forge(folder, name, content):
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "manifest.json")


def test_a_loaded_model_gives_the_probabilities_that_were_stored_bit_for_bit(version):
    panel, stored = read_holdout(version)
    found = load_model(version).probabilities(panel.features)
    assert found.dtype == np.float64
    assert found.tobytes() == stored["probability"].to_numpy().tobytes()
    assert np.unique(found).size > 100


def test_a_model_loaded_twice_is_the_same_model(version):
    panel, _ = read_holdout(version)
    rows = panel.features.head(500)
    one, other = (load_model(version).probabilities(rows) for _ in range(2))
    assert one.tobytes() == other.tobytes()


@given(data=st.data())
@settings(max_examples=40)
def test_any_flipped_bit_is_refused_with_the_name_of_its_file(version, tmp_path_factory, data):
    copied = tmp_path_factory.mktemp("flip") / "1.0.0"
    copied.mkdir()
    for path in version.iterdir():  # hard links are quick; the one that changes is written anew
        os.link(path, copied / path.name)
    name = data.draw(st.sampled_from(names(version)))
    content = bytearray((version / name).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    (copied / name).unlink()
    (copied / name).write_bytes(content)
    for read in (verified_bytes, load_model):
        with pytest.raises(ArtifactError, match="differs from its digest") as caught:
            read(copied)
        assert name in caught.value.message


@pytest.mark.parametrize("change", ["shorter", "longer", "empty"])
def test_a_file_of_another_length_is_refused(copied, change):
    path = copied / "booster.ubj"
    content = path.read_bytes()
    path.write_bytes({"shorter": content[:-1], "longer": content + b"\0", "empty": b""}[change])
    with pytest.raises(ArtifactError, match=r"booster\.ubj: differs from its digest"):
        load_model(copied)


def test_every_missing_file_is_refused_by_name(copied):
    for name in names(copied):
        content = (copied / name).read_bytes()
        (copied / name).unlink()
        with pytest.raises(ArtifactError, match=f"{name}: is missing"):
            verified_bytes(copied)
        (copied / name).write_bytes(content)
    assert load_model(copied)


def test_an_extra_file_or_folder_is_refused_by_name(copied):
    (copied / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ArtifactError, match=r"model\.pkl: is not in the manifest"):
        load_model(copied)
    (copied / "model.pkl").unlink()
    (copied / "cache").mkdir()
    with pytest.raises(ArtifactError, match="cache: is not in the manifest"):
        load_model(copied)


def test_a_link_is_refused_even_to_the_right_bytes(copied, tmp_path):
    elsewhere = tmp_path / "scorer.json"
    shutil.move(copied / "scorer.json", elsewhere)
    (copied / "scorer.json").symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=r"scorer\.json: is no plain file"):
        load_model(copied)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"files": []}', b"\xff"])
def test_a_manifest_that_is_none_is_refused_by_name(copied, content):
    (copied / "manifest.json").unlink()
    if content is not None:
        (copied / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json: "):
        load_model(copied)


@given(data=st.data())
@settings(max_examples=30)
def test_a_flipped_bit_in_the_manifest_never_gives_another_model(version, tmp_path_factory, data):
    copied = tmp_path_factory.mktemp("flip") / "1.0.0"
    copied.mkdir()
    for path in version.iterdir():
        os.link(path, copied / path.name)
    content = bytearray((version / "manifest.json").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    (copied / "manifest.json").unlink()
    (copied / "manifest.json").write_bytes(content)
    with contextlib.suppress(ArtifactError):  # refused, or a fact that the model does not depend on
        assert verified_bytes(copied) == verified_bytes(version)


def greet(values):
    return values


def test_a_pipeline_with_an_untrusted_type_is_refused_even_if_its_digest_is_right(copied):
    forge(copied, "pipeline.skops", skops.io.dumps(FunctionTransformer(greet)))
    with pytest.raises(ArtifactError, match=r"pipeline\.skops: holds untrusted types: .*greet"):
        load_model(copied)


def test_what_the_file_says_is_trusted_does_not_count(copied):
    content = io.BytesIO(skops.io.dumps(FunctionTransformer(greet)))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("trusted.json", json.dumps([f"{__name__}.greet"]))
    forge(copied, "pipeline.skops", content.getvalue())
    with pytest.raises(ArtifactError, match="untrusted types"):
        load_model(copied)


def is_pickle(content):
    try:
        return any(operation.name == "STOP" for operation, _, _ in pickletools.genops(content))
    except ValueError:
        return False


def test_no_file_of_a_version_is_or_holds_a_pickle(version):
    for name, content in verified_bytes(version).items():
        assert not is_pickle(content), name
    with zipfile.ZipFile(version / "pipeline.skops") as archive:
        for inside in archive.namelist():
            content = archive.read(inside)
            assert not is_pickle(content), inside
            if content.startswith(b"\x93NUMPY"):
                np.load(io.BytesIO(content), allow_pickle=False)


def test_a_model_of_other_features_is_refused(copied):
    scorer = json.loads((copied / "scorer.json").read_text())
    scorer["features"]["windows_days"] = [7]
    forge(copied, "scorer.json", json.dumps(scorer).encode())
    with pytest.raises(ArtifactError, match="features that this version of mlsys does not produce"):
        load_model(copied)


def test_the_holdout_says_who_and_when_and_the_features_in_order(version):
    panel, known = read_holdout(version)
    model = load_model(version)
    assert list(panel.features) == model.spec.names()
    assert len(known) == len(panel)
    assert not pd.DataFrame({"id": known["id"], "cutoff": panel.cutoff}).duplicated().any()
