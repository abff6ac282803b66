from __future__ import annotations

import math
import sys

import pytest

from ml_sys.errors import ResolveError
from ml_sys.resolve import resolve


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_an_import_path_gives_the_object_itself():
    assert resolve("math:tau") is math.tau
    assert resolve("collections.abc:Sequence") is __import__("collections").abc.Sequence


def test_a_module_in_the_current_folder_is_found(folder):
    (folder / "our_features.py").write_text("def loyalty(): return 42\n")
    assert resolve("our_features:loyalty")() == 42


def test_a_file_in_the_current_folder_does_not_hide_an_installed_package(folder):
    (folder / "colorsys.py").write_text("rgb_to_hsv = 'ours'\n")
    assert resolve("colorsys:rgb_to_hsv") != "ours"


@pytest.mark.parametrize("path", ["math", "math:", ":tau", "math:tau:e", "math tau", "math:2pi", "", "..x:y"])
def test_what_is_not_an_import_path_is_refused(path):
    with pytest.raises(ResolveError, match="is not an import path") as caught:
        resolve(path)
    assert "package.module:name" in caught.value.hint


def test_a_missing_module_is_named(folder):
    with pytest.raises(ResolveError, match="there is no module 'no_such_package'") as caught:
        resolve("no_such_package.part:Name")
    assert str(folder) in caught.value.hint


def test_a_missing_submodule_of_a_package_is_named_in_full():
    with pytest.raises(ResolveError, match=r"there is no module 'json\.encode'"):
        resolve("json.encode:JSONEncoder")


def test_a_missing_attribute_comes_with_the_nearest_one():
    with pytest.raises(ResolveError, match="module 'json' has no attribute 'JSONEncodr'") as caught:
        resolve("json:JSONEncodr")
    assert caught.value.hint == "did you mean json:JSONEncoder?"


def test_a_missing_attribute_unlike_any_other_comes_with_the_module_s_file(folder):
    (folder / "lonely.py").write_text("")
    with pytest.raises(ResolveError) as caught:
        resolve("lonely:something_else")
    assert str(folder / "lonely.py") in caught.value.hint


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("import no_such_dependency", "ModuleNotFoundError: No module named 'no_such_dependency'"),
        ("from math import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_inside_the_module_is_reported_as_such(folder, content, reported):
    (folder / "faulty.py").write_text(content + "\n")
    with pytest.raises(ResolveError, match="module 'faulty' fails while it is imported") as caught:
        resolve("faulty:anything")
    assert reported in caught.value.message
    assert caught.value.__cause__ is not None
