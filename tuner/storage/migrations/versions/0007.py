"""Tokens with scopes, and the token that a worker calls with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table and the columns; so far every worker called with the server's own token."""
    op.create_table(
        "tuner_tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes_json", sa.Text, nullable=False),
        sa.Column("projects_json", sa.Text, nullable=False),
        sa.Column("image", sa.Text),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("actor", sa.String(120)),
        sa.Column("expires", sa.Float(53)),
        sa.Column("revoked", sa.Float(53)),
        sa.Column("last_used", sa.Float(53)),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "tuner_tokens_name",
        "tuner_tokens",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoked IS NULL"),
        postgresql_where=sa.text("revoked IS NULL"),
    )
    op.add_column("tuner_attempts", sa.Column("bearer", sa.Integer))
    op.add_column("tuner_workers", sa.Column("bearer", sa.Integer))
    projects = sa.Column("projects_json", sa.Text, nullable=False, server_default="null")
    op.add_column("tuner_workers", projects)
    problem = sa.Column("image_problem", sa.Text, nullable=False, server_default="")
    op.add_column("tuner_workers", problem)
