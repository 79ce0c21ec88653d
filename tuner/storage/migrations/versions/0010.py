"""The numbers of GPUs that a study's trials own and that a worker has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns; NULL means one GPU where the device is a GPU, as before."""
    op.add_column("tuner_studies", sa.Column("gpus", sa.Integer))
    op.add_column("tuner_workers", sa.Column("gpus", sa.Integer))
