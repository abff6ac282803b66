"""No file of an artifact decides what is imported."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomlkit

from ml_sys.errors import MlsysError, ResolveError
from ml_sys.jobs.models.evaluate import evaluate_version
from ml_sys.jobs.models.reproduce import reproduce_version
from ml_sys.jobs.past.compare import side_of
from ml_sys.model.files.serialization import read_settings
from ml_sys.registry.judging import judge_version
from ml_sys.registry.loading import load_scorer, load_version
from ml_sys.registry.store import Registry
from ml_sys.registry.verification import verify
from ml_sys.resolve import keep_out, resolve
from ml_sys.settings import Settings
from tests.registry.forgery import forge

EVIL = """
from pathlib import Path
(Path(__file__).resolve().parent / "ran").write_text("ran")
from ml_sys.features.derived import feature
@feature(group="evil")
def f(usage):
    return usage.actions(7)
def make(**_):
    (Path(__file__).resolve().parent / "ran").write_text("made")
"""


@pytest.fixture
def place(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder of a user, with the artifacts in ``art``; what is imported is forgotten."""
    shutil.copytree(registered, tmp_path / "art")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"art", "evil", "mine", "linked"}:
            del sys.modules[name]


def with_settings(registry: Registry, **groups: dict[str, object]) -> None:
    said = tomlkit.parse((registry.folder("1.0.0") / "settings.toml").read_text()).unwrap()
    for group, values in groups.items():
        said[group].update(values)
    forge(registry, "1.0.0", "settings.toml", tomlkit.dumps(said).encode())


def with_extra(registry: Registry, path: str) -> None:
    said = json.loads((registry.folder("1.0.0") / "scorer.json").read_text())
    said["features"]["extra"] = [path]
    forge(registry, "1.0.0", "scorer.json", json.dumps(said).encode())


USES: dict[str, Callable[[Registry], object]] = {
    "verify": lambda registry: next(one.found for one in verify(registry) if one.status == "failed"),
    "promote": lambda registry: judge_version(registry, "1.0.0", None, Settings(), lambda _: None)
    .criteria[0]
    .found,
    "score and serve": lambda registry: load_scorer(registry, "1.0.0"),
    "load": lambda registry: load_version(registry, "1.0.0"),
    "evaluate": lambda registry: evaluate_version(registry, "1.0.0"),
    "reproduce": lambda registry: reproduce_version(registry, "1.0.0"),
    "compare": lambda registry: side_of("1.0.0", Settings(artifacts_dir=registry.root), lambda _: Settings()),
}  # fmt: skip


def said_by(use: str, registry: Registry) -> str:
    try:
        return str(USES[use](registry))
    except MlsysError as error:
        return error.message


@pytest.mark.parametrize("use", ["reproduce", "evaluate", "compare"])
@pytest.mark.parametrize(
    "settings",
    [
        {"model": {"estimator": "os:system", "params": {"command": "touch ran"}}},
        {"model": {"estimator": "art.evil:make"}},
        {"features": {"extra": ["art.evil:f"]}},
    ],
    ids=["a command of the shell", "a module among artifacts", "a feature among artifacts"],
)
def test_settings_of_a_version_import_nothing_that_the_current_ones_do_not_name(place, use, settings):
    (place / "art" / "evil.py").write_text(EVIL)
    registry = Registry(place / "art")
    with_settings(registry, **settings)
    said = said_by(use, registry)
    assert "which the settings do not, so it was not imported" in said
    assert not list(place.rglob("ran"))
    assert not {"art", "art.evil"} & set(sys.modules)


@pytest.mark.parametrize("use", ["verify", "promote", "score and serve", "load", "evaluate"])
@pytest.mark.parametrize("path", ["art.evil:f", "art.models.evil:f", "mine:f"])
def test_a_scorer_imports_nothing_that_the_current_settings_do_not_name(place, use, path):
    for folder in (place / "art", place / "art" / "models"):
        (folder / "evil.py").write_text(EVIL)
    (place / "mine.py").write_text(EVIL)
    registry = Registry(place / "art")
    with_extra(registry, path)
    assert f"names {path}, which the settings do not" in said_by(use, registry)
    assert not list(place.rglob("ran"))


def test_the_way_out_is_to_name_it_in_the_settings(place):
    with_extra(Registry(place / "art"), "mine:f")
    with pytest.raises(ResolveError) as caught:
        load_scorer(Registry(place / "art"), "1.0.0")
    assert "name it in the settings: features.extra" in caught.value.hint


def test_what_both_the_version_and_the_current_settings_name_is_imported(place):
    (place / "mine.py").write_text(EVIL)
    registry = Registry(place / "art", named=frozenset({"mine:f"}))
    with_settings(registry, features={"extra": ["mine:f"]})
    assert read_settings(registry.open("1.0.0")).features.extra == ("mine:f",)


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("art.evil:f", "below the current folder"),
        ("art.pack.evil:f", "in a package"),
        ("evil:f", "through sys.path"),
        ("linked:f", "through a link to a file"),
        ("linked.evil:f", "through a link to a folder"),
        ("evil:f", "in the folder itself"),
    ],
)
def test_nothing_is_imported_from_among_artifacts_even_if_the_settings_name_it(place, monkeypatch, path, how):
    art = place / "art"
    (art / "pack").mkdir()
    for folder in (art, art / "pack"):
        (folder / "evil.py").write_text(EVIL)
    (art / "pack" / "__init__.py").write_text("from pathlib import Path; Path(__file__, '..', 'ran').touch()")
    if how == "through sys.path":
        monkeypatch.syspath_prepend(str(art))
    elif how == "through a link to a file":
        (place / "linked.py").symlink_to(art / "evil.py")
    elif how == "through a link to a folder":
        (place / "linked").symlink_to(art / "pack")
    elif how == "in the folder itself":
        monkeypatch.chdir(art)
    keep_out(Path(os.path.relpath(art)))
    with pytest.raises(ResolveError) as caught:
        resolve(path)
    assert caught.value.hint
    if how != "in the folder itself":  # which is not searched at all
        assert f"lies in the artifacts folder {art}, from which nothing is imported" in caught.value.message
    assert not list(place.rglob("ran"))


def test_artifacts_behind_a_link_are_kept_out_by_what_they_are(place):
    (place / "art" / "evil.py").write_text(EVIL)
    (place / "art").rename(place / "elsewhere")
    (place / "art").symlink_to(place / "elsewhere")
    keep_out(place / "art")
    for path in ("art.evil:f", "elsewhere.evil:f"):
        with pytest.raises(ResolveError, match="from which nothing is imported"):
            resolve(path)
    assert not list(place.rglob("ran"))


def test_packages_installed_below_the_artifacts_are_packages_all_the_same():
    keep_out(Path(sys.prefix).parent)
    try:
        assert resolve("sklearn.linear_model:LogisticRegression")
    finally:
        from ml_sys import resolve as module

        module._kept_out.discard(Path(sys.prefix).resolve().parent)
