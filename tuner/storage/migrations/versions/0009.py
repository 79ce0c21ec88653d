"""A row that is rewritten regularly to check whether writes succeed; an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table; the index serves to find the highest id of a trial in Optuna's tables."""
    op.create_table(
        "tuner_probe",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("filler", sa.LargeBinary, nullable=False),
    )
    op.create_index("tuner_trials_optuna", "tuner_trials", ["optuna_id"])
