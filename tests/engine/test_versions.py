"""Versions and digests of code, compared name by name."""

from __future__ import annotations

import platform
from importlib.metadata import version

import pytest

from ml_sys.engine.versions import code_here, refuse_other_code, versions, versions_here
from ml_sys.errors import EngineError


def test_code_is_the_source_of_mlsys_the_libraries_and_what_is_named() -> None:
    found = code_here(lambda: {"my_features": "1"})
    assert found["Python"] == platform.python_version().rpartition(".")[0]
    assert found["mlsys"].startswith(f"{version('ml-sys')} (")
    assert (found["numpy"], found["my_features"]) == (version("numpy"), "1")
    assert {"xgboost", "scikit-learn"} <= set(found)


def test_versions_are_those_of_what_is_installed_under_either_name() -> None:
    there = {"ml-sys": "0.1.0", "numpy": "1.0", "xgboost": "3.0"}
    found = versions("3.12.4", there.get)
    assert found == {"Python": "3.12", "mlsys": "0.1.0", "numpy": "1.0", "xgboost": "3.0"}
    assert versions("3.12.4", {"xgboost-cpu": "3.0"}.get) == {"Python": "3.12", "xgboost": "3.0"}


def test_the_worker_and_what_differs_are_named() -> None:
    here = versions_here()
    refuse_other_code("tcp://10.0.0.7:4123", here, dict(here))
    with pytest.raises(EngineError) as caught:
        refuse_other_code("tcp://10.0.0.7:4123", {**here, "Python": "3.9", "numpy": "1.0"}, here)
    assert caught.value.message == (
        f"Dask worker tcp://10.0.0.7:4123 has other code: Python is 3.9 there and {here['Python']} here, "
        f"numpy is 1.0 there and {here['numpy']} here"
    )


def test_what_is_there_alone_differs_and_three_of_many_are_named() -> None:
    here = {"mlsys": "1.0"}
    with pytest.raises(EngineError) as caught:
        refuse_other_code("w", {**here, **dict.fromkeys("dcba", "2.0")}, here)
    assert caught.value.message == "Dask worker w has other code: " + ", ".join(
        f"{name} is 2.0 there and missing here" for name in "abc"
    )
