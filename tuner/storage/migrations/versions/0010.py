"""How many GPUs a trial of a study owns, and how many a worker has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns; what is empty means one GPU where the device is a GPU, as it was before."""
    op.add_column("tuner_studies", sa.Column("gpus", sa.Integer))
    op.add_column("tuner_workers", sa.Column("gpus", sa.Integer))
