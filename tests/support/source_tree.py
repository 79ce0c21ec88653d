"""Whole releases of Tuner that do not exist yet: copies of the source with another version."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.service_process import ROOT

#: A migration of a release to come. `{act}` is what it does.
MIGRATION = '''"""A change that only this release knows."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the tables."""
    op.add_column("tuner_trials", sa.Column("novelty", sa.Text, server_default="new"))
    {act}
'''


def copy_tree(folder: Path, release: str) -> Path:
    """Copy the sources, as an installation of `release`; return the folder for PYTHONPATH."""
    tree = folder / f"tuner-{release}"
    for package in ("tuner", "workers"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tree / package, ignore=ignore)
    info = tree / f"tuner_service-{release}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.4\nName: tuner-service\nVersion: {release}\n"
    (info / "METADATA").write_text(text)
    return tree


def add_migration(tree: Path, act: str = "") -> str:
    """Give a copy one more migration; return its revision."""
    folder = tree / "tuner" / "storage" / "migrations" / "versions"
    before = max(path.stem for path in folder.glob("[0-9]*.py"))
    revision = f"{int(before) + 1:04}"
    text = MIGRATION.format(revision=revision, before=before, act=act)
    (folder / f"{revision}.py").write_text(text)
    return revision
