"""A cache knows all the code that a feature or estimator is made of, and misses when any of it changes."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_sys.experiments import source_digest
from ml_sys.experiments.cache import _BESIDE_OURS, _CODE, _KNOWN, TermStore, code_digest
from ml_sys.experiments.source_digest import code_of
from ml_sys.features.derived import FEATURES
from ml_sys.settings import Settings

FEATURE = """
from typing import TYPE_CHECKING
from ml_sys.features.derived import feature
import ownpack.deep.sums
from ownpack import aside
from ownspace.part import weigh
import ownplain
if TYPE_CHECKING:
    import ownunused

@feature(group="own")
def steady_of_own(usage):
    import ownlate
    return weigh(usage.actions(28))
"""
FILES = {
    "ownfeature.py": FEATURE,
    "ownplain.py": "import importlib\nchosen = importlib.import_module('ownchosen')\n",
    "ownchosen.py": "",
    "ownlate.py": "",
    "ownunused.py": "",
    "ownpack/__init__.py": "import pkgutil, importlib\n"
    "for _, name, _ in pkgutil.iter_modules(__path__, 'ownpack.plugin_'):\n    pass\n"
    "importlib.import_module('ownpack.' + 'found')\n",
    "ownpack/found.py": "",
    "ownpack/aside.py": "from . import relative\n",
    "ownpack/relative.py": "from .deep.sums import total\n",
    "ownpack/deep/__init__.py": "",
    "ownpack/deep/sums.py": "total = sum\n",
    "ownspace/part.py": "def weigh(column): return column\n",
    "ownunrelated.py": "",
}
LOADED = sorted(set(FILES) - {"ownunused.py", "ownunrelated.py"})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a feature whose code lies in many files; what is imported is forgotten."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before, registered = set(sys.modules), dict(FEATURES)
    yield tmp_path
    FEATURES.clear()
    FEATURES.update(registered)
    for name in set(sys.modules) - before:
        if name.startswith("own"):
            del sys.modules[name]


@pytest.fixture
def folder(place: Path) -> Callable[[], Path]:
    """Where a backtest with the feature is remembered."""
    settings = Settings.model_validate({"features": {"extra": ["ownfeature:steady_of_own"]}})
    return lambda: TermStore(place / "artifacts", "a", settings, plain=True).folder


@pytest.mark.parametrize("name", LOADED)
def test_a_change_of_any_file_that_the_import_loads_is_another_memory(place, folder, name):
    before = folder()
    assert folder() == before
    (place / name).write_text(FILES[name] + "\nchanged = 1\n")
    assert folder() != before


@pytest.mark.parametrize("name", ["ownunused.py", "ownunrelated.py"])
def test_a_change_of_a_file_that_it_does_not_load_is_not(place, folder, name):
    before = folder()
    (place / name).write_text("changed = 1\n")
    assert folder() == before


def installed(place: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Put a package with its distribution into a folder for installed packages."""
    site = place / "site-packages"
    for name in ("ownlib", f"ownlib_dist-{version}.dist-info"):
        (site / name).mkdir(parents=True, exist_ok=True)
    (site / "ownlib" / "__init__.py").write_text("class Model: pass\n")
    info = site / f"ownlib_dist-{version}.dist-info"
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ownlib-dist\nVersion: {version}\n")
    (info / "RECORD").write_text("ownlib/__init__.py,,\n")
    if str(site) not in sys.path:
        monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(source_digest, "_site_folders", lambda: (site.resolve(),))
    source_digest._distributions.cache_clear()


def test_an_installed_package_counts_by_the_version_of_its_distribution(place, monkeypatch):
    installed(place, monkeypatch, "1.0")
    assert code_of(["ownlib"], known=()) == {"ownlib-dist": "1.0"}
    settings = Settings.model_validate({"model": {"estimator": "ownlib:Model"}})
    before = TermStore(place, "a", settings, plain=True).folder
    (place / "site-packages" / "ownlib_dist-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ownlib-dist\nVersion: 1.1\n"
    )
    importlib.invalidate_caches()
    source_digest._distributions.cache_clear()
    assert TermStore(place, "a", settings, plain=True).folder != before
    source_digest._distributions.cache_clear()


def test_a_file_among_installed_packages_that_no_distribution_owns_counts_by_its_source(place, monkeypatch):
    installed(place, monkeypatch, "1.0")
    (place / "site-packages" / "owndropped.py").write_text("")
    before = code_of(["owndropped"], known=())
    assert set(before) == {"owndropped"}
    (place / "site-packages" / "owndropped.py").write_text("changed = 1")
    assert code_of(["owndropped"], known=()) != before
    source_digest._distributions.cache_clear()


def test_an_editable_installation_counts_as_source():
    """As this project itself, which is installed and lies elsewhere than installed packages do."""
    assert "ml_sys.features.derived" in code_of(["ml_sys.features.derived"], known={"numpy"}, loaded=False)


def test_our_own_code_is_known_by_all_that_a_fit_imports_and_by_nothing_that_shows_it():
    found = code_of(_CODE, known=_BESIDE_OURS, loaded=False)
    assert {"ml_sys.model.train", "ml_sys.features.windows", "ml_sys.data.snapshot"} <= set(found)
    above = (
        "ml_sys.views",
        "ml_sys.commands",
        "ml_sys.project",
        "ml_sys.jobs",
        "ml_sys.serve",
        "ml_sys.outcomes",
    )
    assert not [name for name in found if name.startswith(above)]


def test_what_a_condition_imports_on_either_side_counts_and_what_only_types_need_does_not(place, monkeypatch):
    monkeypatch.syspath_prepend(str(place))
    (place / "ownchoice.py").write_text(
        "import sys\nfrom typing import TYPE_CHECKING\n"
        "if sys.platform == 'win32':\n    import ownplain\nelse:\n    import ownlate\n"
        "if TYPE_CHECKING:\n    import ownunused\nelse:\n    import ownunrelated\n"
    )
    found = code_of(["ownchoice"], known=(), loaded=False)
    assert set(found) == {"ownchoice", "ownplain", "ownchosen", "ownlate", "ownunrelated"}


def test_what_happens_to_be_loaded_counts_only_where_it_is_asked_for(place, monkeypatch):
    monkeypatch.syspath_prepend(str(place))
    importlib.import_module("ownpack")
    assert "ownpack.found" in sys.modules
    source = {"ownpack", "ownpack.aside", "ownpack.relative", "ownpack.deep", "ownpack.deep.sums"}
    assert set(code_of(["ownpack.aside"], known=(), loaded=False)) == source
    assert set(code_of(["ownpack.aside"], known=())) == {*source, "ownpack.found"}


def test_the_digest_of_our_own_code_is_that_of_the_files_a_fit_imports():
    ours = code_of(_CODE, known=_BESIDE_OURS, loaded=False)
    assert "ml_sys.model.train" in ours
    text = json.dumps(ours, sort_keys=True)
    assert code_digest() == hashlib.sha256(text.encode()).hexdigest()
    assert code_of(["ml_sys.model.train"], known=_KNOWN, loaded=False) == {}
