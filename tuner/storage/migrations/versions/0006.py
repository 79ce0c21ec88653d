"""The files of a study's code that its trials have imported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; nothing is known of the trials that ended before."""
    column = sa.Column("modules_json", sa.Text, nullable=False, server_default="[]")
    op.add_column("tuner_studies", column)
