"""The schema of the tables, Optuna's and ours: reads, creates and migrates it.

Everything happens in the caller's transaction: a change that fails has no effect.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.storage.revisions import FOLDER, OPTUNA_SCHEMA, Owner, Schema, known, newest, scripts

#: Alembic's revision tables: ours is separate from Optuna's.
_VERSION_TABLES: dict[Owner, str] = {
    "tuner": "tuner_alembic_version",
    "optuna": "alembic_version",
}
_OPTUNA_INFO = "version_info"
#: This table holds no data.
PROBE = "tuner_probe"


def read_schema(connection: sa.Connection) -> Schema:
    """Return the schema revisions of a database."""
    number = _optuna_schema(connection)
    return Schema(
        tuner=_revision(connection, "tuner"),
        optuna=_revision(connection, "optuna") or _unnumbered_optuna(number),
        optuna_schema=number,
    )


def migrate(connection: sa.Connection, to: Schema | None = None) -> None:
    """Create the tables, or migrate them from an older revision to `to` (default: the newest)."""
    goal = to or newest()
    before = read_schema(connection)
    if goal.optuna is not None and before.optuna != goal.optuna:
        _migrate_optuna(connection, before.optuna, goal.optuna)
    if goal.tuner is not None and before.tuner != goal.tuner:
        _upgrade(connection, "tuner", goal.tuner)


def drop(connection: sa.Connection) -> None:
    """Remove every table of ours and of Optuna's, whatever their revision."""
    found = sa.MetaData()
    found.reflect(connection, only=present(connection))
    found.drop_all(connection)
    if connection.dialect.name == "postgresql":
        # The enum types of Optuna's columns, which dropping reflected tables leaves behind.
        for kind in _optuna_enums():
            kind.drop(connection, checkfirst=True)


def present(connection: sa.Connection) -> list[str]:
    """Return the names of the tables, ours and Optuna's, that a database has."""
    names = (*_optuna_metadata().tables, *_VERSION_TABLES.values())
    found = sa.inspect(connection).get_table_names()
    return [name for name in found if name.startswith("tuner_") or name in names]


def data_tables(connection: sa.Connection) -> list[sa.Table]:
    """Return the tables that hold data, as the database has them, referenced ones first."""
    without = (*_VERSION_TABLES.values(), _OPTUNA_INFO, PROBE)
    found = sa.MetaData()
    found.reflect(connection, only=[t for t in present(connection) if t not in without])
    return found.sorted_tables


def _revision(connection: sa.Connection, owner: Owner) -> str | None:
    table = _VERSION_TABLES[owner]
    if not sa.inspect(connection).has_table(table):
        return None
    query = sa.text(f"SELECT version_num FROM {table}")  # noqa: S608 - a constant  # nosec B608  # a constant
    return connection.execute(query).scalar_one_or_none()


def _optuna_schema(connection: sa.Connection) -> int | None:
    """Return the schema version that Optuna records in one of its tables."""
    if not sa.inspect(connection).has_table(_OPTUNA_INFO):
        return None
    number = connection.execute(sa.text("SELECT schema_version FROM version_info")).scalar()
    return number if isinstance(number, int) else None


def _unnumbered_optuna(number: int | None) -> str | None:
    """Return the revision of tables from before Optuna used Alembic."""
    if number is None:
        return None
    return known("optuna")[-1 if number >= OPTUNA_SCHEMA else 0]


def _migrate_optuna(connection: sa.Connection, before: str | None, goal: str) -> None:
    if goal == known("optuna")[-1]:
        # In Optuna's own order: new tables are created first, then existing ones are altered.
        _optuna_metadata().create_all(connection)
        before = before or goal
    if before is not None and _revision(connection, "optuna") is None:
        _stamp_optuna(connection, before)
    _upgrade(connection, "optuna", goal)
    _note_optuna(connection)


def _note_optuna(connection: sa.Connection) -> None:
    """Record which Optuna release has made its tables, as Optuna does itself."""
    import optuna
    from optuna.storages._rdb import models

    info = models.VersionInfoModel.__table__
    connection.execute(info.delete())
    values = {"schema_version": models.SCHEMA_VERSION, "library_version": optuna.__version__}
    connection.execute(info.insert().values(version_info_id=1, **values))


def _stamp_optuna(connection: sa.Connection, revision: str) -> None:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(_config("optuna"))
    MigrationContext.configure(connection).stamp(script, revision)


def _upgrade(connection: sa.Connection, owner: Owner, goal: str) -> None:
    from alembic import command

    config = _config(owner)
    config.attributes["connection"] = connection
    config.attributes["version_table"] = _VERSION_TABLES[owner]
    command.upgrade(config, goal)


def _config(owner: Owner) -> Any:
    """Return Alembic's settings for both: our `env.py`, which uses the caller's transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(scripts(owner)).replace("%", "%%"))
    return config


def _optuna_metadata() -> sa.MetaData:
    from optuna.storages._rdb import models

    metadata: sa.MetaData = models.BaseModel.metadata
    return metadata


def _optuna_enums() -> list[sa.Enum]:
    columns = (c for table in _optuna_metadata().tables.values() for c in table.columns)
    return [column.type for column in columns if isinstance(column.type, sa.Enum)]
