"""What was taken over from files of before, and an index that finds old predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table; SQLite finds old predictions by the order in which they were kept."""
    op.create_table("taken_over", sa.Column("name", sa.Text, primary_key=True))
    if op.get_bind().dialect.name != "sqlite":
        op.create_index("predictions_by_time", "predictions", ["at"])
