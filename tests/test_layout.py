"""The shape of the package: tests beside their modules by name, small modules, small folders, no cycles.

What is not so yet is listed here, so that it can only become less: a new module brings a test file of its
name, and who gives an old one its file takes it off the list.
"""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE, TESTS = PROJECT / "ml_sys", PROJECT / "tests"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")

LONGEST, MOST_IN_A_FOLDER = 300, 16
STILL_LONGER: frozenset[str] = frozenset()

# Modules whose tests stand in a file of another name, by that file.
ELSEWHERE = {
    "test_cli.py": (
        "__main__.py",
        "commands/frame/context.py",
        "commands/frame/help.py",
        "commands/frame/options.py",
    ),
    "e2e/test_lifecycle.py": (
        *("commands/evaluate.py", "commands/integrity.py", "commands/models.py"),
        *("commands/promote.py", "commands/score.py", "commands/train.py", "views/models.py"),
        "views/promote.py",
    ),
    "e2e/test_presets.py": ("commands/compare.py", "views/compare.py"),
    "test_project.py": (
        *("jobs/data/ingest.py", "views/frame/backtest.py"),
        *("project/opened.py", "project/outcomes.py"),
    ),
    "commands/test_tune.py": ("views/tune.py",),
    "settings/test_writing.py": ("commands/config.py", "jobs/config.py", "views/config.py"),
    "settings/test_loading.py": ("settings/sources.py", "settings/checking/refusal.py"),
    "data/test_described.py": ("data/checking/columns.py", "commands/frame/tables.py"),
    "settings/test_tree.py": (
        *("settings/base.py", "settings/evaluation.py", "settings/lists.py"),
        *("settings/registry.py", "settings/serving.py", "settings/training.py"),
    ),
    "commands/test_data.py": ("jobs/data/check.py",),
    "data/looking/test_sniffing.py": tuple(f"data/looking/{name}.py" for name in ("looked", "opening")),
    "data/checking/test_values.py": ("data/checking/scalars.py",),
    "features/test_windows.py": ("features/window_kernel.py",),
    "features/test_derived.py": ("features/families.py", "features/family.py"),
    "features/test_sampling.py": ("features/usage_digests.py",),
    "features/phrasing/test_phrases.py": tuple(
        f"features/phrasing/{name}.py"
        for name in ("attribute_phrases", "family_phrases", "phrase", "window_phrases")
    ),
    "model/test_blend.py": ("model/estimator.py",),
    "model/test_train.py": ("model/validation.py",),
    "model/test_encoder.py": ("model/scaling.py",),
    "registry/test_tampering.py": ("model/files/artifact.py",),
    "scoring/compiled/test_loops.py": ("scoring/compiled/line.py",),
    "scoring/test_loading.py": ("scoring/scorer.py", "jobs/models/draft.py"),
    "scoring/test_reasons.py": ("scoring/compiled/shap_kernel.py",),
    "leaks/test_canaries.py": ("leaks/lookahead.py",),
    "experiments/test_backtest.py": ("experiments/fitting.py", "experiments/past_lists.py"),
    "jobs/models/test_train.py": ("report/past_performance.py",),
    "report/test_rendering.py": ("report/page.py",),
    "jobs/lists/test_handed_out.py": (*("jobs/lists/listed.py", "commands/lists.py", "views/lists.py"),),
    "outcomes/test_store.py": ("outcomes/database/rows.py",),
    "outcomes/database/test_migrating.py": (
        *("outcomes/database/engine.py", "outcomes/database/tables.py"),
        *(f"outcomes/database/migrations/{name}" for name in ("env.py", "versions/r0001_predictions.py")),
        "outcomes/database/migrations/versions/r0002_lists.py",
        "outcomes/database/migrations/versions/r0003_taken_over.py",
        "outcomes/database/migrations/versions/r0004_predictions_in_order.py",
        "outcomes/database/migrations/versions/r0005_served_inputs.py",
        "outcomes/database/revisions.py",
    ),
    "serve/test_service.py": (
        *("serve/app.py", "serve/contract/answers.py", "serve/description.py"),
        *("serve/endpoints.py", "serve/http/problems.py", "serve/served.py"),
    ),
    "serve/contract/test_inputs.py": ("serve/contract/field_types.py",),
    "serve/contract/test_requests.py": ("serve/contract/examples.py", "serve/contract/request_types.py"),
    "jobs/outcomes/test_weekly.py": (*("commands/weekly.py", "views/weekly.py"),),
    "report/test_week.py": ("report/markdown.py",),
    "jobs/outcomes/test_experiment.py": ("commands/experiment.py", "views/experiment.py"),
    "jobs/outcomes/test_monitor.py": (
        "commands/monitor.py",
        "settings/monitoring.py",
    ),
    "report/test_monitoring_page.py": ("report/monitoring_sentences.py",),
    "serve/test_store_sinks.py": ("serve/postgresql_sink.py", "serve/stored.py"),
    "jobs/outcomes/test_impact.py": (*("commands/impact.py", "views/impact.py", "report/impact_page.py"),),
    "serve/test_server.py": (
        *("serve/http/hosts.py", "serve/workers.py", "jobs/serve.py", "commands/serve.py", "views/serve.py"),
    ),
    "serve/test_prediction_log.py": ("serve/sinks.py",),
}


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def without_namesake() -> set[str]:
    """Modules that have no test file of their folder and name."""
    tests = {path: TESTS / path.relative_to(PACKAGE).parent / f"test_{path.name}" for path in MODULES}
    return {named(path) for path, test in tests.items() if not test.is_file()}


def test_a_module_has_a_test_file_of_its_folder_and_name_or_is_listed_here():
    listed = {module for modules in ELSEWHERE.values() for module in modules}
    missing = without_namesake()
    assert missing - listed == set(), "give it tests/FOLDER/test_MODULE.py"
    assert listed - missing == set(), "take it off the list: it has its file, or is gone"


@pytest.mark.parametrize("file", ELSEWHERE)
def test_the_file_that_a_listed_module_is_tested_in_exists(file):
    assert (TESTS / file).is_file()


def test_no_module_is_longer_than_a_page_can_hold():
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name for name, length in lengths.items() if length > LONGEST} <= STILL_LONGER


def test_no_folder_holds_more_modules_than_one_sees_at_once():
    folders = {path.parent for path in MODULES}
    crowded = {
        folder.name: count
        for folder in folders
        if (count := len({*folder.glob("*.py")} - {folder / "__init__.py"})) > MOST_IN_A_FOLDER
    }
    assert crowded == {}


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a module imports when it is imported itself."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ml_sys"):
            assert node.module is not None
            below = PROJECT / node.module.replace(".", "/")
            found |= {
                f"{node.module}.{name.name}" if (below / f"{name.name}.py").is_file() else node.module
                for name in node.names
            }
    return found


def test_no_module_imports_one_that_imports_it():
    graph = {".".join(path.relative_to(PROJECT).with_suffix("").parts): imports(path) for path in MODULES}
    TopologicalSorter(graph).prepare()  # raises where there is a cycle, naming it
