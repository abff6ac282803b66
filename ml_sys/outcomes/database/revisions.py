"""Which form a database of the store has; who only writes predictions needs no more than this to know it."""

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
