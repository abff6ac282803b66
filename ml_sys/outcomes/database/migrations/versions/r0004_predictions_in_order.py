"""An index that holds what is added up of the predictions of each company, in order of time."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Put the columns that are read into the index; without them each row is looked up on its own."""
    named = sa.text("company IS NOT NULL")
    op.drop_index("predictions_of_company", "predictions")
    op.create_index(
        "predictions_of_company",
        "predictions",
        ["company", "at", "version", "probability"],
        sqlite_where=named,
        postgresql_where=named,
    )
