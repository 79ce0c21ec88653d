"""What `tuner board` should show: a study, a project, all studies, or a folder of logs.

A name and a path may look the same. Whatever exists is used; if both do, the name is used and a
note says so. A leading `./` or `/` makes it a path.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.board.running import FOLDER, LOG_ROOT, PROJECT, STUDY
from tuner.cli.arguments import check_study
from tuner.cli.calling import command
from tuner.errors import NotFoundError, SetupError, TunerError
from tuner.local import open_reader
from tuner.protocol import NAME_PATTERN
from tuner.roots import Place
from tuner.settings import Settings

_NAMES = re.compile(f"{NAME_PATTERN}(/{NAME_PATTERN})?")
_PATH_MARKS = (".", "~", os.sep)


@dataclass(frozen=True, kw_only=True)
class BoardTarget:
    """What to show.

    Args:
        runs_at: number of levels down to the runs, see `Site`.
        title: its description in words.
        study: the study to open the tab with; None: the list of all.
        note: a note on the choice, empty if it was obvious.
    """

    source: Place
    runs_at: int
    title: str
    study: str | None = None
    note: str = ""


def find_target(settings: Settings, word: str | None) -> BoardTarget:
    """Return what a word refers to.

    Args:
        settings: determine whose studies.
        word: project/study, project or a path; None: all studies, or the only one.

    Raises:
        NotFoundError: there are no studies, or none with this name.
        typer.BadParameter: it is not a valid name, and no such folder exists.
        SetupError: it is a path, and no such folder exists.
    """
    if word is None:
        return _all(settings)
    path = Path(word).expanduser()
    if word.startswith(_PATH_MARKS):
        return _folder(path)
    has_folder = path.is_dir()
    if _NAMES.fullmatch(word):
        named = _named(settings, word, is_required=not has_folder)
        if named is not None:
            return _with_note(named, word) if has_folder else named
    if has_folder:
        return _folder(path, note=f"{word}: no study and no project has this name; the folder")
    if path.exists():
        return _folder(path)
    check_study(word)
    raise SetupError(f"{word}: there is no such folder")


def _all(settings: Settings) -> BoardTarget:
    with open_reader(settings) as api:
        names = [str(row["study"]) for row in api.list()]
    if not names:
        raise NotFoundError("no studies yet; start one with: tuner run SPEC")
    if len(names) == 1:
        return _study(settings, names[0])
    return BoardTarget(
        source=Place(settings.log_root), runs_at=LOG_ROOT, title=f"all {len(names)} studies"
    )


def _named(settings: Settings, name: str, *, is_required: bool) -> BoardTarget | None:
    """Return the study or project with a name; None if there is none and none is required.

    Raises:
        NotFoundError: it is required, and there is none.
    """
    is_study = "/" in name
    found = _study(settings, name) if is_study else _project(settings, name)
    if found.source.exists():
        return found
    try:
        with open_reader(settings) as api:
            if is_study:
                api.status(name)
            else:
                _require_project(name, [str(row["study"]) for row in api.list()])
    except TunerError:
        if is_required:
            raise
        return None
    return found


def _require_project(name: str, studies: list[str]) -> None:
    """Refuse the name of a project without a study.

    Raises:
        NotFoundError: there is none; the text suggests one with a similar name.
    """
    projects = list(dict.fromkeys(study.partition("/")[0] for study in studies))
    by_name = {study.partition("/")[2]: study for study in reversed(studies)}
    if name in projects:
        return
    near = difflib.get_close_matches(name, [*by_name, *projects], n=1)
    meant = f'; did you mean "{by_name.get(near[0], near[0])}"?' if near else ""
    raise NotFoundError(
        f"{name}: there is no project and no folder of this name{meant} "
        f"(`{command('list')}` shows your studies)"
    )


def _study(settings: Settings, name: str) -> BoardTarget:
    return BoardTarget(source=Place(settings.log_root, name), runs_at=STUDY, title=name, study=name)


def _project(settings: Settings, name: str) -> BoardTarget:
    place = Place(settings.log_root, name)
    return BoardTarget(source=place, runs_at=PROJECT, title=f"project {name}")


def _folder(path: Path, note: str = "") -> BoardTarget:
    """Return any folder of logs.

    Raises:
        SetupError: it does not exist, or this process may not read it.
    """
    whole = path.expanduser().absolute()
    try:
        Place(whole).open().close()
    except NotADirectoryError:
        raise SetupError(f"{path}: is not a folder; give the one that holds it") from None
    except FileNotFoundError:
        raise SetupError(f"{path}: there is no such folder") from None
    except OSError as exc:
        raise SetupError(f"{path}: cannot be read: {exc.strerror}") from exc
    return BoardTarget(
        source=Place(whole.resolve()),
        runs_at=FOLDER,
        title=str(path),
        note=note and f"{note} is shown",
    )


def _with_note(found: BoardTarget, word: str) -> BoardTarget:
    what = "study" if found.runs_at == STUDY else "project"
    note = (
        f"{word} is a {what} and a folder here; the {what} is shown, "
        f"the folder by: {command('board', f'./{word}')}"
    )
    return replace(found, note=note)
