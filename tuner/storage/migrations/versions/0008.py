"""What could not be written to or removed from the roots, and when to try again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table; nothing is known to be missing yet."""
    op.create_table(
        "tuner_unfiled",
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.Column("next_try", sa.Float(53), nullable=False),
    )
    op.create_index("tuner_unfiled_next", "tuner_unfiled", ["kind", "next_try"])
    op.create_index("tuner_unfiled_study", "tuner_unfiled", ["study_id"])
