"""A real PostgreSQL for tests: in a temporary folder, reached by a socket in it, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

_PORT = 5432  # only part of the socket's name: it does not listen to the network
_FAST = "fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses="
_numbers = count(1)


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, which Debian keeps off the path; they refuse a user without a name."""
    with suppress(KeyError):
        pwd.getpwuid(os.geteuid())
        return _binaries()
    return None


def _binaries() -> Path | None:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda one: int(one.parent.name))


@contextmanager
def running(programs: Path) -> Iterator[Path]:
    """Start a server, and yield the folder of its socket; as it refuses to be root, it is somebody else."""
    # The name of a socket has to be short, and another user has to get there.
    place = "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108 - for a folder of our own
    folder = Path(tempfile.mkdtemp(prefix="mlsys-postgresql-", dir=place))
    user = _nobody() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, *user)

    def run(program: str, *args: object) -> None:
        owner = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}
        done = subprocess.run(
            [programs / program, *map(str, args)],
            cwd=folder, capture_output=True, text=True, timeout=300, check=False, **owner,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    data = folder / "data"
    try:
        run("initdb", "-D", data, "-U", "mlsys", "-A", "trust", "--no-sync", "--no-instructions",
            "--no-locale", "-E", "UTF8")  # fmt: skip
        options = " ".join([f"-k {folder} -p {_PORT}", *(f"-c {one}" for one in _FAST)])
        run("pg_ctl", "start", "-w", "-t", 240, "-D", data, "-l", folder / "log", "-o", options)
        try:
            yield folder
        finally:
            run("pg_ctl", "stop", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(folder: Path) -> str:
    """Make an empty database, and return its address."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(host=str(folder), user="mlsys", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://mlsys@/{name}?host={folder}"


def _nobody() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise AssertionError("there is no user to run PostgreSQL as")
