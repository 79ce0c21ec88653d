"""Recognizes a path or URL from the command line, and finds the studies in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tuner.errors import NotFoundError, SpecError
from tuner.history.importers.files import FoundFile, recognise
from tuner.history.importers.folders import ScannedFolder, files_stamp, parent_of, stamp_of
from tuner.history.importers.kerastuner.projects import KerasTunerStudy
from tuner.history.importers.listing import Refuse
from tuner.history.importers.log_root import LogRootStudy, is_run
from tuner.history.importers.plugins.claims import Claims
from tuner.history.importers.scan import is_own, scan
from tuner.history.importers.source import FoundStudy
from tuner.history.importers.tensorboard.folders import find_studies
from tuner.history.importers.trackers.finding import Trackers, inner_stamps
from tuner.history.importers.trackers.mlflow_server import (
    MlflowServer,
    find_experiments,
    is_server,
    parse_server,
)
from tuner.history.store.records import Rejection
from tuner.roots import open_named

if TYPE_CHECKING:
    from tuner.history.importers.optuna.database import OptunaStudy
    from tuner.history.importers.sql_database import SqlDatabase
    from tuner.history.importers.trackers.mlflow_database import MlflowExperiment

#: The folder `_study`, which holds what TensorBoard shows about a study of ours.
_OWN_STUDY = "_study"


@dataclass(frozen=True, kw_only=True)
class ImportTarget:
    """A path or URL given by the user.

    `stamp` covers everything that was found there, so that nothing needs to be opened if it has not
    changed; `studies` opens what is needed to find out what belongs together, and reports what
    belongs to nothing.
    """

    locator: str
    stamp: str
    studies: Callable[[Refuse], list[FoundStudy]]


def locate(given: str) -> str:
    """Return the form that is shown and stored: an absolute path, or a URL without secrets.

    Raises:
        SpecError: there is no such path, or it is not the URL of a database.
    """
    if not given.strip():
        # From an unset shell variable, for example; it would stand for the current folder.
        raise SpecError("a PATH is empty; name a file, a folder or the URL of a database")
    if is_server(given):
        address, wanted = parse_server(given)
        return f"{address}#{wanted}" if wanted else address
    if "://" in given:
        url, wanted = parse_url(given)
        if _is_file(url) and not os.path.lexists(str(url.database)):
            raise SpecError(f"{hide_secrets(url)}: No such file or directory")
        return f"{hide_secrets(url)}#{wanted}" if wanted else hide_secrets(url)
    path = Path(given).expanduser().absolute()
    try:
        path.lstat()
    except OSError as exc:
        raise SpecError(f"{given}: {exc.strerror or exc}") from None
    # Each place has one name, whatever link refers to it, as in specs. A broken or cyclic link is
    # shown as it was given.
    return os.path.realpath(path) if path.exists() else str(path)


def hide_secrets(url: sa.URL) -> str:
    """Return a URL without password and query."""
    shown = sa.URL.create(url.drivername, url.username, None, url.host, url.port, url.database)
    return shown.render_as_string(hide_password=True)


def parse_url(given: str) -> tuple[sa.URL, str]:
    """Return a database's URL and the name after `#`, if any.

    Raises:
        SpecError: it is not a URL.
    """
    text, _, wanted = given.partition("#")
    try:
        return _with_real_path(sa.make_url(text)), wanted
    except (sa.exc.ArgumentError, ValueError):
        # Not quoted: it may contain a password.
        raise SpecError(
            "a PATH with :// must be a database URL, as sqlite:///study.db, or the address of an "
            "MLflow server; in a password, write "
            "# as %23, @ as %40, : as %3A"
        ) from None


def _with_real_path(url: sa.URL) -> sa.URL:
    """Return the URL of a file by its canonical path, which is the same from everywhere."""
    return url.set(database=os.path.realpath(str(url.database))) if _is_file(url) else url


def _is_file(url: sa.URL) -> bool:
    name = url.database or ""
    is_special = not name or name.startswith(("file:", ":memory:"))
    return url.get_backend_name() == "sqlite" and not is_special


@contextmanager
def open_target(
    given: str, refuse: Refuse, *, log_root: Path | None = None
) -> Iterator[ImportTarget]:
    """Open a path or URL.

    Args:
        given: from the command line.
        refuse: called for folders that cannot be read.
        log_root: that of the service, if known.

    Raises:
        SpecError: it does not exist, cannot be read, or is not of a known kind.
        NotFoundError: the database has no study of that name.
        UnavailableError: a database cannot be reached.
    """
    if is_server(given):
        with _open_server(given) as target:
            yield target
        return
    if "://" in given:
        with _open_database(given) as target:
            yield target
        return
    path = Path(locate(given))
    try:
        if path.is_dir():
            yield _open_folder(str(path), refuse, log_root)
        else:
            with _open_file(path, refuse) as target:
                yield target
    except OSError as exc:
        raise SpecError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


@contextmanager
def _open_file(path: Path, refuse: Refuse) -> Iterator[ImportTarget]:
    """Open a single file given by the user."""
    if not path.is_file():
        raise SpecError(f"{path}: is neither a file nor a folder")
    with open_named(path) as file:
        start = file.read(4096)
        found = os.fstat(file.fileno())
    if start.startswith(b"SQLite format 3\0"):
        with _open_database(f"sqlite:///{path}") as target:
            yield target
        return
    stamp = stamp_of((found.st_size, found.st_mtime_ns))
    is_part = path.name in ("trial.json", "oracle.json", "meta.yaml")
    is_part = is_part or path.suffix in (".wandb", ".parquet")
    if "tfevents" in path.name or is_part:
        raise SpecError(f"{path}: is part of a run; name a folder that it lies in")
    if not start:
        raise SpecError(f"{path}: is empty")
    reading = recognise(FoundFile(path=path, start=start, stamp=stamp), refuse)
    if reading.package is not None:
        stamp = stamp_of((stamp, reading.package))
    yield ImportTarget(locator=str(path), stamp=stamp, studies=lambda _refuse: reading.studies())


@contextmanager
def _open_database(given: str) -> Iterator[ImportTarget]:
    """Open the database of a URL, in which `#name` selects one study."""
    from tuner.history.importers.sql_database import SqlDatabase

    url, wanted = parse_url(given)
    with closing(SqlDatabase(url, hide_secrets(url))) as database:
        studies = _stored(database)
        if wanted:
            named = [study for study in studies if study.name == wanted]
            if not named:
                known = ", ".join(study.name for study in studies[:20]) or "none"
                raise NotFoundError(f"{database.locator}: has no study {wanted!r}; known: {known}")
            studies = named
        stamp = stamp_of(
            (study.name, stamp_of(sorted(study.stamps().items()))) for study in studies
        )
        locator = f"{database.locator}#{wanted}" if wanted else database.locator
        yield ImportTarget(locator=locator, stamp=stamp, studies=lambda _refuse: [*studies])


@contextmanager
def _open_server(given: str) -> Iterator[ImportTarget]:
    """Open the experiments of an MLflow server, of which `#name` selects one."""
    with closing(MlflowServer(parse_server(given)[0])) as server:
        studies = find_experiments(given, server)
        stamp = stamp_of((one.name, stamp_of(sorted(one.stamps().items()))) for one in studies)
        yield ImportTarget(locator=locate(given), stamp=stamp, studies=lambda _refuse: [*studies])


def _stored(database: SqlDatabase) -> Sequence[OptunaStudy | MlflowExperiment]:
    """Return the studies of a database, whichever tool stores them there."""
    from tuner.history.importers.optuna.database import OptunaDatabase
    from tuner.history.importers.trackers.mlflow_database import MlflowDatabase, is_mlflow

    if is_mlflow(database.names):
        return MlflowDatabase(database).experiments()
    return OptunaDatabase(database).studies()


def _open_folder(path: str, refuse: Refuse, log_root: Path | None) -> ImportTarget:
    claims = Claims(path, refuse)
    folders = [
        folder
        for folder in scan(path, refuse, own=is_own(path, log_root))
        if not claims.take(folder) and (folder.json_files or folder.event_files)
    ]
    stamp = stamp_of(
        [
            *((files_stamp([folder]), folder.path) for folder in folders),
            *inner_stamps(folders),
            *claims.stamps,
        ]
    )

    return ImportTarget(
        locator=path, stamp=stamp, studies=lambda told: [*claims.studies, *_sort(folders, told)]
    )


def _sort(folders: list[ScannedFolder], refuse: Refuse) -> list[FoundStudy]:
    """Return the studies of all kinds in the folders."""
    own: dict[str, list[ScannedFolder]] = {}
    projects: dict[str, KerasTunerStudy] = {}
    events: list[ScannedFolder] = []
    trackers = Trackers()
    inside = "\0"
    for folder in folders:
        if folder.path.startswith(inside):
            continue  # what a trial's own code has left in its folder
        if is_run(folder):
            own.setdefault(folder.parent, []).append(folder)
            inside = folder.path + "/"
            continue
        if trackers.take(folder):
            inside = folder.path + "/"
            continue
        if folder.has("oracle.json"):
            projects[folder.path] = KerasTunerStudy(folder)
        if folder.has("trial.json"):
            _add_trial(folder, projects, refuse)
        if folder.event_files and folder.name != _OWN_STUDY:
            events.append(folder)
    logs = [LogRootStudy(study, runs) for study, runs in own.items()]
    found = find_studies(events, refuse)
    return [*logs, *projects.values(), *trackers.studies(), *found]


def _add_trial(folder: ScannedFolder, projects: dict[str, KerasTunerStudy], refuse: Refuse) -> None:
    project = projects.get(parent_of(folder.path))
    if project is not None:
        project.add(folder)
    else:
        reason = "trial.json of neither Tuner nor KerasTuner (a project has oracle.json above it)"
        refuse(Rejection(path=folder.path, reason=reason))
