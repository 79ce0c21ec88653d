"""`db check`: what is inconsistent in a database, and what of it can be mended."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.arguments import Json
from tuner.cli.commands.database import own_settings
from tuner.cli.exit_codes import DONE, FAILED
from tuner.cli.printing import print_json, print_text, say
from tuner.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.integrity.finding import Finding
    from tuner.integrity.repair import Repaired
    from tuner.settings import Settings
    from tuner.storage import Storage


def check(
    study: Annotated[
        str | None,
        typer.Argument(metavar="[STUDY]", help="Check only this study.", show_default=False),
    ] = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired, and say what was done.")
    ] = False,
    as_json: Json = False,
) -> int:
    """List what is inconsistent in the database; a service may keep using it.

    Exit code 1 if anything is left to repair.
    """
    config = own_settings("check")
    copy, result = _look(config, study, mends=repair)
    if as_json:
        print_json(
            {
                "database": _name(config),
                "study": study,
                "copy": None if copy is None else str(copy),
                "repaired": [_document(finding) for finding in result.done],
                "left": [_document(finding) for finding in result.left],
            }
        )
        return FAILED if result.left else DONE
    if copy is not None:
        say(f"the database as it was is in {copy}")
    _print("repaired", result.done)
    _print("wrong", result.left)
    say(_summary(study, result))
    return FAILED if result.left else DONE


def _look(config: Settings, study: str | None, *, mends: bool) -> tuple[Path | None, Repaired]:
    """Return where the database was copied to before a repair, and what was found and done."""
    from tuner.integrity import repair as integrity
    from tuner.storage import open_storage
    from tuner.storage.engines.outage import is_damage
    from tuner.storage.opening import sqlite_path
    from tuner.trials.store.studies import find_study_row

    path = sqlite_path(config.database_url)
    unusable = _unusable(path)
    if unusable is not None:
        return None, integrity.Repaired(left=[unusable])
    copy: Path | None = None
    try:
        with contextlib.closing(open_storage(config.database_url, create=False)) as storage:
            if study is not None:
                with storage.read() as connection:
                    find_study_row(connection, study)
            found = integrity.check(storage, study)
            if not mends or not any(finding.mend for finding in found):
                return None, integrity.Repaired(left=found)
            copy = _copy(storage, path)
            return copy, integrity.repair(storage, study)
    except UnavailableError as exc:
        if not is_damage(exc.__cause__):
            raise
        return copy, integrity.Repaired(left=[_damage("is damaged")])


def _unusable(path: Path | None) -> Finding | None:
    from tuner.storage.opening import damage_of

    problem = "" if path is None else damage_of(path)
    return _damage(f"{path} {problem}") if problem else None


def _damage(what: str) -> Finding:
    from tuner.integrity.finding import Finding
    from tuner.storage.engines.file_check import WAY_BACK

    return Finding(kind="file", text=f"the database file {what}", does=WAY_BACK)


def _copy(storage: Storage, path: Path | None) -> Path | None:
    """Copy an SQLite database before it is mended; of a PostgreSQL its owner has a dump."""
    import datetime

    if path is None:
        return None
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = path.with_name(f"{path.name}.before-repair-{stamp}")
    storage.copy_file(copy)
    return copy


def _print(what: str, found: Sequence[Finding]) -> None:

    for finding in found:
        whose = f"{finding.study}: " if finding.study else ""
        print_text(f"{what}  {whose}{finding.text}")
        way = "done" if what == "repaired" else "repair" if finding.mend else "do"
        print_text(f"          {way}: {finding.does}")


def _summary(study: str | None, result: Repaired) -> str:
    mendable = sum(finding.mend is not None for finding in result.left)
    of = f" {study}" if study else ""
    if not result.left:
        return (
            f"{len(result.done)} repaired; nothing is wrong any more"
            if result.done
            else (f"nothing is wrong with {study or 'the database'}")
        )
    count = f"{len(result.left)} wrong"
    if result.done:
        return f"{len(result.done)} repaired; {count}: only you can repair that"
    if mendable == 0:
        return f"{count}; only you can repair that"
    return f"{count}, {mendable} can be repaired: tuner db check --repair{of}"


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "study": finding.study,
        "text": finding.text,
        "repairable": finding.mend is not None,
        "does": finding.does,
    }


def _name(config: Settings) -> str:
    import sqlalchemy as sa

    return sa.make_url(config.database_url).render_as_string(hide_password=True)
