"""The code of each trial; the limit on a study's attempts; who requested what an event reports."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns, with the values that apply to existing rows."""
    op.add_column("tuner_trials", sa.Column("code", sa.String(64)))
    op.add_column(
        "tuner_trials", sa.Column("git_json", sa.Text, nullable=False, server_default="null")
    )
    # So far, all trials of a study ran the study's code.
    for name in ("code", "git_json"):
        op.execute(
            f"UPDATE tuner_trials SET {name} = (SELECT s.{name} FROM tuner_studies s "  # noqa: S608  # nosec B608  # names that stand here
            "WHERE s.id = tuner_trials.study_id)"
        )
    op.add_column("tuner_studies", sa.Column("parallel", sa.Integer))
    _copy_parallel()
    op.add_column("tuner_events", sa.Column("actor", sa.String(120)))


def _copy_parallel() -> None:
    connection = op.get_bind()
    for study, spec in connection.execute(sa.text("SELECT id, spec_json FROM tuner_studies")).all():
        connection.execute(
            sa.text("UPDATE tuner_studies SET parallel = :parallel WHERE id = :study"),
            {"study": study, "parallel": json.loads(spec).get("parallel")},
        )
