"""How often the service was sent blanks, and values that the version had not learnt."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table: counts by day, of which none says anything about one company."""
    op.create_table(
        "served_inputs",
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("input", sa.Text, primary_key=True),
        sa.Column("predictions", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
