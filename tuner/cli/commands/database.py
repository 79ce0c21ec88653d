"""The database: `db upgrade`, `db backup`, `db restore`; `db check` has its own module."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from tuner.cli.arguments import Json, settings
from tuner.cli.printing import print_json, say
from tuner.cli.signals import interruptible
from tuner.errors import SetupError, SpecError, UnavailableError
from tuner.local.home import home_lock, make_home
from tuner.release import release

if TYPE_CHECKING:
    from tuner.service.studies.restoring import Restored
    from tuner.settings import Settings
    from tuner.storage import Storage
    from tuner.storage.backups.format import Header, Trailer
    from tuner.storage.backups.reading import BackupFile
    from tuner.storage.revisions import Schema

#: Stands for standard output or standard input.
STANDARD = "-"

Force = Annotated[bool, typer.Option("--force", help="Replace the existing contents.")]


def upgrade(*, as_json: Json = False) -> None:
    """Upgrade the database to this release; create it if there is none."""
    from tuner.storage.opening import open_unchecked, upgrade

    config = own_settings("upgrade")
    make_home(config.home)
    with home_lock(config), contextlib.closing(open_unchecked(config.database_url)) as storage:
        before, after = upgrade(storage)
    if as_json:
        print_json({"before": _revisions(before), "after": _revisions(after)})
    elif before.tuner is not None and before != after:
        say(f"upgraded from revision {before.tuner} to {after.tuner}")
    if not as_json:
        say("the database is up to date")


def _revisions(schema: Schema) -> dict[str, str | None]:
    return {"tuner": schema.tuner, "optuna": schema.optuna}


def backup(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File to write; - is standard output.")
    ],
    *,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the whole database to a file while studies run, and verify the file."""
    from tuner.storage import open_storage
    from tuner.storage.backups.writing import write_backup, write_new

    if as_json and file == STANDARD:
        raise SpecError("--json: standard output is the backup's; name a file")
    config = own_settings(f"backup {file}")
    opened = open_storage(config.database_url, create=False, current=False)
    with contextlib.closing(opened) as storage, _progress("backing up") as bar, interruptible():

        def write(target: BinaryIO) -> tuple[Header, Trailer]:
            # Read twice: to write them, and to check that they could be restored.
            return write_backup(
                storage,
                target,
                release=release(),
                begin=lambda h: bar.total(2 * h.rows),
                advance=bar,
            )

        def verify(written: Path) -> None:
            _verify(config, written, _name(file, "standard output"), bar)

        if file == STANDARD:
            header, trailer = _to_standard_output(config, write, verify)
        else:
            header, trailer = write_new(Path(file), write, force=force, verify=verify)
    if as_json:
        print_json({"file": file, "sha256": trailer.sha256, **_describe(config, header)})
    else:
        say(f"backed up {_counts(header)} to {_name(file, 'standard output')}")


def restore(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A backup file; - is standard input.")
    ],
    *,
    force: Force = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only verify the backup; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup into an empty database; with --force, in place of everything."""
    from tuner.service.studies.restoring import Restored
    from tuner.storage.backups.reading import BackupFile

    config = settings() if check else own_settings(f"restore {file}")
    with _progress("restoring") as bar, interruptible(), _source(file) as source:
        content = BackupFile(source, _name(file, "standard input"))
        header = content.header
        bar.total(header.rows * (1 if check else 2))
        if check:
            _check(config, content, bar)
        done = None if check else _restore(config, content, bar, force=force)
    if as_json:
        facts = {"file": file, "checked_only": check, **_describe(config, header)}
        print_json({**facts, **vars(done or Restored())})
        return
    if done is None:
        say(f"{file} is whole: {_counts(header)}, made {header.made}")
        return
    say(f"restored {_counts(header)} as of {header.made}")
    if done.restarted_trials:
        say(f"{done.restarted_trials} trials were running then; they run again")
    if done.renamed_checkpoints:
        say(f"checkpoints of {done.renamed_checkpoints} later trials were renamed")


def own_settings(words: str) -> Settings:
    """Return the settings of a command that works on a database itself: no server lends one.

    Raises:
        SetupError: they name a server, and no database.
    """
    config = settings()
    if config.api_url and not config.names_database:
        raise SetupError(
            f"TUNER_API_URL={config.api_url}: the database is the one of that server; type "
            f"`tuner db {words}` on its machine, or name the database with TUNER_DATABASE_URL "
            f"(TUNER_API_URL= tuner db {words} means the home of this machine)"
        )
    return config


def _check(config: Settings, content: BackupFile, bar: _Bar) -> None:
    from tuner.service.studies.restoring import check

    make_home(config.home)
    check(content, config.home, advance=bar)


def _restore(config: Settings, content: BackupFile, bar: _Bar, *, force: bool) -> Restored:
    from tuner.service.studies.restoring import restore

    with home_lock(config), _opened(config, force=force) as storage:
        return restore(
            storage, content, config.home, config.checkpoint_root, force=force, advance=bar
        )


@contextlib.contextmanager
def _opened(config: Settings, *, force: bool) -> Iterator[Storage]:
    """Open a database of any revision, or an empty one, and leave no file that was not there.

    With `force` a file that is no database (any more) is moved aside.
    """
    from tuner.storage.engines.file_check import damaged, set_aside
    from tuner.storage.opening import damage_of, open_unchecked, sqlite_path

    path = sqlite_path(config.database_url)
    damage = "" if path is None else damage_of(path)
    moved: dict[Path, Path] = {}
    if path is not None and damage:
        if not force:
            raise damaged(path, damage)
        moved = set_aside(path)
    is_new = path is not None and not path.exists()
    try:
        with contextlib.closing(open_unchecked(config.database_url)) as storage:
            yield storage
        for kept in moved:
            say(f"the damaged database is in {kept}")
    except BaseException:
        if path is not None and is_new:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        for kept, old in moved.items():
            kept.rename(old)
        raise


def _to_standard_output(
    config: Settings,
    write: Callable[[BinaryIO], tuple[Header, Trailer]],
    verify: Callable[[Path], None],
) -> tuple[Header, Trailer]:
    """Write a backup to standard output, once it is seen that it could be restored."""
    from tuner.storage.backups.writing import write_new

    if sys.stdout.isatty():
        raise SpecError("FILE: -: a backup is not text for a terminal; redirect standard output")
    make_home(config.home)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=config.home) as folder:
        spool = Path(folder) / "backup"
        written = write_new(spool, write, force=False, verify=verify)
        try:
            with spool.open("rb") as source:
                shutil.copyfileobj(source, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except OSError as exc:
            raise UnavailableError(f"standard output cannot be written: {exc.strerror}") from exc
    return written


def _verify(config: Settings, written: Path, name: str, bar: _Bar) -> None:
    """See that a backup which was just written could be restored.

    Raises:
        SpecError: it could not; the text says why, and what finds the fault.
    """
    from tuner.storage.backups.reading import BackupFile

    try:
        with written.open("rb") as source:
            _check(config, BackupFile(source, name), bar)
    except SpecError as exc:
        reason = str(exc).removeprefix(f"{name}: ").removesuffix("; the database was not changed")
        raise SpecError(
            f"{name}: not written: what the database holds could not be restored: it {reason}; "
            "what is wrong, and what can be repaired: tuner db check"
        ) from exc


@contextlib.contextmanager
def _source(file: str) -> Iterator[BinaryIO]:
    if file != STANDARD:
        with contextlib.ExitStack() as stack:
            try:
                opened = stack.enter_context(Path(file).open("rb"))
            except OSError as exc:
                raise SpecError(f"{file}: cannot be read: {exc.strerror}") from exc
            yield opened
        return
    if sys.stdin.isatty():
        raise SpecError("FILE: -: standard input is a terminal; redirect a backup into it")
    yield sys.stdin.buffer


class _Bar:
    """A progress bar of rows. Mutable: its total is known late."""

    def __init__(self, update: Callable[..., None]) -> None:
        self._update = update

    def total(self, rows: int) -> None:
        """Say how many rows there are."""
        self._update(total=rows)

    def __call__(self, rows: int) -> None:
        """Advance by so many rows."""
        self._update(advance=rows)


@contextlib.contextmanager
def _progress(what: str) -> Iterator[_Bar]:
    from rich.progress import Progress

    from tuner.cli.render.output import err

    console = err()
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        task = progress.add_task(what, total=None)
        yield _Bar(lambda **change: progress.update(task, **change))


def _describe(config: Settings, header: Header) -> dict[str, Any]:
    import sqlalchemy as sa

    database = sa.make_url(config.database_url).render_as_string(hide_password=True)
    facts = header.model_dump(include={"release", "revision", "optuna_revision", "made", "rows"})
    return {
        "database": database,
        **facts,
        "rows": header.rows,
        "tables": {table.name: table.rows for table in header.tables},
    }


def _counts(header: Header) -> str:
    studies, trials = header.rows_of("tuner_studies"), header.rows_of("tuner_trials")
    return f"{studies} studies with {trials} trials ({header.rows} rows)"


def _name(file: str, standard: str) -> str:
    return standard if file == STANDARD else file
