"""What every test shares: hypothesis profiles, no settings from the developer's shell, small real things.

The process that deals tests out to workers reads this file as well, so that whatever imports more than a
moment's worth is imported inside fixtures.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from filelock import FileLock

from ml_sys import kernel

if TYPE_CHECKING:
    from ml_sys.data.snapshot import Everyone, Snapshot
    from ml_sys.model.split import Source
    from ml_sys.settings import Settings

# Made-up examples are the same in every run, so that what passes here passes elsewhere; the option
# --hypothesis-profile=explore looks for others. A slow machine is no mistake of a test.
_PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", max_examples=30, derandomize=True, **_PATIENT)
hypothesis.settings.register_profile("explore", max_examples=300, print_blob=True, **_PATIENT)
hypothesis.settings.load_profile("same")


# What whoever runs the tests may have set, and what changes how a command looks, what make or git does with a
# folder of a test, or whom a client on this machine asks.
for _name in [
    *("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"),
    *("TTY_INTERACTIVE", "PYTHONWARNINGS", "PYTHON", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"),
    *(name for name in os.environ if name.upper().startswith("MLSYS_")),
]:
    os.environ.pop(_name, None)
os.environ |= {"NO_PROXY": "*", "no_proxy": "*"}

# Folders of tests; others follow in the order of chance.
LONGEST_FIRST = (
    *("e2e", "tests", "models", "proposing", "outcomes", "serve", "registry"),
    *("experiments", "judging", "features", "leaks", "report"),
)


@pytest.fixture(autouse=True)
def _kernels_compile_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was served in this process before, loops are not deferred."""
    monkeypatch.setattr(kernel, "_deferred", False)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among thousands of tests: neither while they are found nor ever after.

    A look took half a second, and there were dozens in each worker.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose files take longest, so that no worker ends alone with one of them."""
    folders = [item.path.parent.name for item in items]
    rank = {name: at for at, name in enumerate(LONGEST_FIRST)}
    order = sorted(range(len(items)), key=lambda at: rank.get(folders[at], len(rank)))
    items[:] = [items[at] for at in order]


def hear_ctrl_c() -> None:
    """In a child before it starts: undo what a shell does to its jobs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


Once = Callable[[str, Callable[[Path], object]], Path]
RunCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Return the folder of a name, filled once in a run whatever number of workers share it; only read it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        path, done = shared / f"shared-{name}", shared / f"shared-{name}.done"
        with FileLock(shared / f"shared-{name}.lock"):
            if not done.exists():
                shutil.rmtree(path, ignore_errors=True)  # what a worker that failed has left
                path.mkdir()
                fill(path)
                done.touch()
        return path

    return folder


@pytest.fixture(scope="session")
def three_tables(once: Once) -> Path:
    """The folder of a generated customers.csv, noncustomers.csv, usage_actions.csv and truth.csv."""
    from tests import made

    return once("tables", made.tables)


@pytest.fixture(scope="session")
def ingested(three_tables: Path, once: Once) -> Path:
    """An artifacts folder that holds a snapshot of the generated tables and nothing else."""
    from tests import made

    return once("ingested", lambda artifacts: made.snapshot(artifacts, three_tables))


@pytest.fixture(scope="session")
def snapshot(ingested: Path) -> Snapshot:
    """The snapshot of the generated tables."""
    from ml_sys.data.snapshot import latest

    return latest(ingested)


@pytest.fixture(scope="session")
def everyone(ingested: Path) -> Everyone:
    """The companies of that snapshot, without their usage."""
    from ml_sys.data import snapshot as snapshots

    return snapshots.everyone(ingested)


@pytest.fixture(scope="session")
def quick_settings(ingested: Path) -> Settings:
    """Settings under which training takes seconds."""
    from tests import made

    return made.quick_settings(ingested)


@pytest.fixture(scope="session")
def cheap_settings(quick_settings: Settings) -> Settings:
    """Few features, folds and trees; enough to tell converters from the others."""
    from tests import made

    return made.cheaper(quick_settings)


@pytest.fixture(scope="session")
def source(snapshot: Snapshot, quick_settings: Settings) -> Source:
    """The snapshot as the model layer sees it."""
    from ml_sys.model.split import Source

    return Source.of(snapshot, quick_settings)


@pytest.fixture(scope="session")
def trained(ingested: Path, quick_settings: Settings, once: Once) -> Path:
    """An artifacts folder with a snapshot and version 1.0.0; copy it before changing it."""
    from tests import made

    return once("trained", lambda artifacts: made.version(artifacts, ingested, quick_settings))


@pytest.fixture(scope="session")
def registered(ingested: Path, cheap_settings: Settings, once: Once) -> Path:
    """The same by cheap settings."""
    from tests import made

    return once("registered", lambda artifacts: made.version(artifacts, ingested, cheap_settings))


@pytest.fixture(scope="session")
def several(registered: Path, cheap_settings: Settings, once: Once) -> Path:
    """1.0.0 and its copy 1.0.1; 1.1.0, a single stump; 2.0.0, without the windows and breadth.

    None is in production; copy it before changing it.
    """
    from tests import made

    return once("several", lambda artifacts: made.several(artifacts, registered, cheap_settings))


@pytest.fixture(scope="session")
def reported(registered: Path, cheap_settings: Settings, once: Once) -> Path:
    """The same with version 1.0.1, whose report has every part; copy it before changing it."""
    from tests import made

    return once("reported", lambda artifacts: made.successor(artifacts, registered, cheap_settings))


@pytest.fixture
def mlsys(tmp_path: Path) -> RunCommand:
    """Run the command line in a folder of its own, in this process."""
    from tests import commandline

    def run(
        *args: object, artifacts: Path | None = None, cwd: Path = tmp_path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        at = () if artifacts is None else ("--artifacts", artifacts)
        return commandline.run(*args, *at, cwd=cwd, **environment)

    return run


@pytest.fixture
def mlsys_process(tmp_path: Path) -> RunCommand:
    """Run the command line as a user would: a process of its own, in a folder of its own."""

    def run(
        *args: object, artifacts: Path | None = None, cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        at = () if artifacts is None else ("--artifacts", str(artifacts))
        command = [sys.executable, "-m", "ml_sys", *map(str, args), *at]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)

    return run


@pytest.fixture(scope="session")
def bound_by_rights(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What to put before a command so that the rights of files bind it, also where the tests run as root."""
    folder = tmp_path_factory.mktemp("rights")
    folder.chmod(0o555)
    powers = "-dac_override,-dac_read_search,-fowner"
    for behind in ([], ["setpriv", f"--bounding-set={powers}", "--inh-caps=-all"]):
        if shutil.which(*behind[:1] or ["touch"]) is None:
            continue
        tried = subprocess.run([*behind, "touch", str(folder / "x")], capture_output=True, check=False)
        if b"ermission denied" in tried.stderr:
            return behind
        (folder / "x").unlink(missing_ok=True)
    pytest.skip("rights do not bind root here, and there is no setpriv to give its powers up")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """The folder of a running server's socket."""
    from tests.outcomes import postgresql

    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: apt install postgresql")
    with postgresql.running(programs) as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty store: a file, or a database of a real server."""
    from ml_sys.settings import Settings
    from tests.outcomes import postgresql

    url = ""
    if request.param == "postgresql":
        url = postgresql.new_database(request.getfixturevalue("postgresql_server"))
    return Settings.model_validate({"artifacts_dir": tmp_path / "artifacts", "store": {"url": url}})
