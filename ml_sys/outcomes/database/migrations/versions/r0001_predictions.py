"""The log of predictions, in the form that it had as a file of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, which has no constraints: a prediction that it refused would hold up all others."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    # SQLite numbers the rows of every table.
    numbered = [] if is_sqlite else [sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True)]
    op.create_table(
        "predictions",
        *numbered,
        sa.Column("at", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("company", sa.Text),
        sa.Column("features", sa.Text),
        sa.Column("probability", sa.Float(53)),
    )
    named = sa.text("company IS NOT NULL")
    op.create_index(
        "predictions_of_company",
        "predictions",
        ["company", "at"],
        sqlite_where=named,
        postgresql_where=named,
    )
