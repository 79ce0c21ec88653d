"""What an image reports of itself, how far that is verified, and each worker's process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; empty values were not reported, or come from an earlier release."""
    for name in ("lock", "files"):
        op.add_column("tuner_tokens", sa.Column(name, sa.String(64)))
    # Existing tokens do not reserve their image, as before.
    closes = sa.Column("closes_image", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("tuner_tokens", closes)
    for name in ("lock", "files", "files_built"):
        op.add_column("tuner_workers", sa.Column(name, sa.String(64)))
    op.add_column("tuner_workers", sa.Column("image_verified", sa.String(8)))
    for name in ("process", "keeper"):
        op.add_column("tuner_workers", sa.Column(name, sa.String(32)))
    op.add_column("tuner_attempts", sa.Column("image_json", sa.Text))
