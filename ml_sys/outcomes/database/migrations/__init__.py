"""What alembic runs to bring an older database up to date."""
