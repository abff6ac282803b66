"""Whether there is a store, and which form its database has: known without the library of databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_sys.settings import Settings

# The file of the store in the artifacts folder.
FILE = "outcomes.sqlite"
# The migrations that this code knows, in order; a database is at one of them.
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
LATEST = REVISIONS[-1]
# The table in which alembic keeps it.
REVISION_TABLE = "alembic_version"
# What tells our files from any other database: set by the store and by the log of predictions before it.
APPLICATION_ID = 0x6D6C7379  # "mlsy"
# What the log of predictions called its form when it had a file of its own.
OLD_LOG_VERSION = 1


def exists(settings: Settings) -> bool:
    """Return whether there is a store; one at an address is assumed to exist."""
    return bool(settings.store.url) or (settings.artifacts_dir / FILE).exists()
