"""An index of the attempts that workers hold, instead of one of all they ever held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Replace the index."""
    op.drop_index("tuner_attempts_worker", "tuner_attempts")
    op.create_index(
        "tuner_attempts_leased",
        "tuner_attempts",
        ["worker"],
        sqlite_where=sa.text("state = 'leased'"),
        postgresql_where=sa.text("state = 'leased'"),
    )
