"""Workers out of service; reports waiting for the pruner; claims whose answer was lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns, with the values that apply to existing rows."""
    yes, no = sa.true(), sa.false()
    op.add_column(
        "tuner_attempts", sa.Column("judged", sa.Boolean, nullable=False, server_default=yes)
    )
    op.add_column(
        "tuner_attempts", sa.Column("heard", sa.Boolean, nullable=False, server_default=no)
    )
    # A worker that is running an attempt did receive the answer to its claim.
    op.execute("UPDATE tuner_attempts SET heard = (claimed IS NOT NULL)")
    op.create_index(
        "tuner_attempts_unjudged",
        "tuner_attempts",
        ["study_id"],
        sqlite_where=sa.text("NOT judged"),
        postgresql_where=sa.text("NOT judged"),
    )
    for name, default in (("drain_reason", ""), ("failed_json", "[]"), ("out_reason", "")):
        column = sa.Column(name, sa.Text, nullable=False, server_default=default)
        op.add_column("tuner_workers", column)
    op.add_column("tuner_workers", sa.Column("out_since", sa.Float))
    op.add_column("tuner_workers", sa.Column("test_after", sa.Float))
    op.add_column(
        "tuner_workers", sa.Column("test_tries", sa.Integer, nullable=False, server_default="0")
    )
