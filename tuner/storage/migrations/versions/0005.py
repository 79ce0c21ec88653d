"""The history: imported studies with their trials, rejections, and computed results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "tuner_history",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("locator", sa.Text, nullable=False),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("own", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("finished", sa.Float(53)),
        sa.Column("imported", sa.Float(53), nullable=False),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tuner_history_trials",
        _history_id(),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(16)),
        sa.Column("params_json", sa.Text, nullable=False),
        sa.Column("metrics_json", sa.Text, nullable=False),
        sa.Column("curves_json", sa.Text, nullable=False),
        sa.Column("started", sa.Float(53)),
        sa.Column("finished", sa.Float(53)),
    )
    op.create_table(
        "tuner_history_rejected",
        _history_id(),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "tuner_artifacts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("study_id", sa.Integer),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("receipt_json", sa.Text, nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    op.create_index("tuner_artifacts_study", "tuner_artifacts", ["study_id"])


def _history_id() -> sa.Column[int]:
    reference = sa.ForeignKey("tuner_history.id")
    return sa.Column("history_id", sa.Integer, reference, primary_key=True)
