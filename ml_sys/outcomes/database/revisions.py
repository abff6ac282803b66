"""Whether there is a store, and the revisions of its database; needs no database library."""

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
# Marks a file as ours: set by the store, and by the prediction log before there was a store.
APPLICATION_ID = 0x6D6C7379  # "mlsy"
# What the log of predictions called its form when it had a file of its own.
OLD_LOG_VERSION = 1


def exists(settings: Settings) -> bool:
    """Return whether there is a store; one at an address is assumed to exist."""
    return bool(settings.store.url) or (settings.artifacts_dir / FILE).exists()
