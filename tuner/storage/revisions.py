"""The revisions of Optuna's tables and of ours that this release knows, oldest first."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from tuner.errors import SetupError

Owner = Literal["tuner", "optuna"]

#: Our migrations; their `env.py` also runs Optuna's.
FOLDER = Path(__file__).parent / "migrations"

#: The version number that Optuna gives its own schema: `optuna_rows` was written for this one.
OPTUNA_SCHEMA = 12

_REVISION = re.compile(r"""^revision = ["']([^"']+)""", re.M)
_BEFORE = re.compile(r"""^down_revision = ["']([^"']+)""", re.M)


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The revisions of a database's tables; None: the tables do not exist.

    Attributes:
        optuna_schema: schema version that Optuna recorded in its tables, beside the revision.
    """

    tuner: str | None
    optuna: str | None
    optuna_schema: int | None = field(default=None, compare=False)


def newest() -> Schema:
    """Return the revisions that this release uses."""
    return Schema(tuner=known("tuner")[-1], optuna=known("optuna")[-1])


@cache
def known(owner: Owner) -> tuple[str, ...]:
    """Return all revisions, oldest first.

    They are read from the text of the migrations: commands that only look something up then need to
    import neither Alembic nor Optuna, which would take longer than the look-up.
    """
    texts = [path.read_text() for path in scripts(owner).glob("*.py")]
    after = {
        (before[1] if (before := _BEFORE.search(text)) else None): found[1]
        for text in texts
        if (found := _REVISION.search(text))
    }
    chain = []
    last: str | None = None
    while last in after:
        last = after[last]
        chain.append(last)
    return tuple(chain)


def scripts(owner: Owner) -> Path:
    """Return the folder of the migrations.

    Raises:
        SetupError: Optuna is not installed.
    """
    if owner == "tuner":
        return FOLDER / "versions"
    found = importlib.util.find_spec("optuna")
    if found is None or found.origin is None:
        raise SetupError(
            "Optuna is missing: install Tuner with its extra `server` "
            "(pip install '.[server]' in the clone; docs/install.md)"
        )
    return Path(found.origin).parent / "storages" / "_rdb" / "alembic" / "versions"


def refuse_newer(schema: Schema) -> None:
    """Raise if the tables are newer than this release.

    Raises:
        SetupError: ours, or Optuna's, were made by a newer release.
    """
    if schema.tuner is not None and schema.tuner not in known("tuner"):
        raise SetupError(
            f"the database has revision {schema.tuner!r}, which this Tuner does not know: it was "
            "made by a newer release. Install that release, or use another TUNER_HOME"
        )
    if schema.optuna is not None and schema.optuna not in known("optuna"):
        raise _newer_optuna(f"revision {schema.optuna!r}")
    if schema.optuna_schema is not None and schema.optuna_schema > OPTUNA_SCHEMA:
        raise _newer_optuna(f"schema {schema.optuna_schema}")


def _newer_optuna(found: str) -> SetupError:
    return SetupError(
        f"Optuna's tables in the database have {found}, which the Optuna "
        "installed here does not know: a newer one has changed them. Install the Tuner release "
        "that came with it, or use another TUNER_HOME"
    )
