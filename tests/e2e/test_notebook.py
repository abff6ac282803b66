"""The manual's notebook: its cells run from top to bottom, and what is committed holds no output.

A cell is run as Jupyter runs it, in the process of the tests: statements, and the last expression shown.
A kernel of its own would bring some thirty packages and import everything once more, and show nothing else.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import ml_sys

NOTEBOOK = json.loads((Path(__file__).parents[2] / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SMALLER = "COMPANIES, WEEKS = 2000, 64"


def run(cell: str, names: dict) -> object:
    """Run a cell and return what Jupyter would show below it."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - a cell of ours
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What each cell shows, and the names that they leave behind."""
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        results = []
        for cell in CODE:
            small = "parameters" in cell["metadata"].get("tags", ())
            results.append(run(SMALLER if small else "".join(cell["source"]), names))
        yield results, names


def test_every_cell_runs_and_all_but_the_parameters_show_something(shown):
    results, _ = shown
    assert [at for at, result in enumerate(results) if result is None] == [0]


def test_versions_lists_and_reports_show_themselves_as_tables(shown):
    results, _ = shown
    tables = [one._repr_html_() for one in results if hasattr(one, "_repr_html_")]
    assert len(tables) >= 5
    assert all("<table" in one for one in tables)


def test_it_ends_with_a_version_that_has_been_judged(shown):
    _, names = shown
    assert isinstance(names["project"], ml_sys.Project)
    assert list(names["project"].models().index) == ["1.0.0"]
    assert names["promotion"].verdict.criteria


def test_what_is_committed_is_a_notebook_without_outputs():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
    names = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(names)) == len(names)
    assert {cell["cell_type"] for cell in NOTEBOOK["cells"]} == {"code", "markdown"}
