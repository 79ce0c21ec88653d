"""What TensorBoard is shown of a study, or of a folder: links to vetted event files.

TensorBoard opens anything that is named like an event file. Its slow reader hangs forever at a
named pipe, which affects all runs, and both readers follow links that a trial has left. So it never
sees the log root itself, but a folder with the same names and with links to regular files only,
made by this process through `tuner.roots` and updated while trials run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from tuner.board.records import Lengths
from tuner.roots import Folder, Place, UnfitError

#: Maximum number of event files in a folder, of folders in a run, of nesting levels, and of names
#: read in one folder: what exceeds them is left out. Also the number of a run's records checked in
#: one round, which takes about 0.3 s; a file is shown once all of it has been checked.
MOST_FILES = 1_000
MOST_RECORDS = 1_000_000
MOST_FOLDERS = 1_000
MOST_DEPTH = 16
MOST_NAMES = 200_000
#: Maximum number of folders, and of event files, in a tree of several studies: TensorBoard keeps
#: every file open.
MOST_OF_A_TREE = 200_000
MOST_SHOWN_OF_A_TREE = 20_000
#: A folder that changed this recently may change again within the same tick of its clock.
_SETTLED_NS = 2 * 10**9
_MARK = "tfevents"


@dataclass
class _Seen:
    """What was last found in a folder. Mutable."""

    #: When the folder had changed before it was read; None: read it again.
    changed_ns: int | None = None
    folders: list[str] = field(default_factory=list)
    #: Every event file, with its records as far as they are known.
    files: dict[str, Lengths | None] = field(default_factory=dict)
    #: Files that are shown.
    shown: set[str] = field(default_factory=set)
    #: Reasons for leaving a name out.
    left_out: dict[str, str] = field(default_factory=dict)
    #: Whether its counterpart in the view exists.
    is_made: bool = False


class View:
    """A folder of links. Mutable: `refresh` updates it.

    Args:
        source: the folder to show, a study's below the log root; it need not exist yet.
        folder: where to make the links; it is created, and belongs to this process alone.
        runs_at: number of levels down to a run: 1 in a study's folder, 2 in a project's, 3 in the
            log root; 0 if unknown, so that only the limits for the whole tree apply.
    """

    def __init__(self, source: Place, folder: Path, *, runs_at: int = 1) -> None:
        self.folder = folder
        self._source = source
        self._runs_at = runs_at
        #: Number of links in the view.
        self._links = 0
        self._seen: dict[str, _Seen] = {}
        #: Folders found in this round.
        self._met: set[str] = set()
        #: Number of folders and records of the current run in this round.
        self._folders = self._records = 0
        #: Why the study's folder itself cannot be read.
        self._problem = ""
        folder.mkdir(parents=True)

    @property
    def left_out(self) -> dict[str, str]:
        """Why something is not shown, by its path below the source."""
        found = {"": self._problem} if self._problem else {}
        for path, seen in self._seen.items():
            for name, reason in seen.left_out.items():
                found[f"{path}/{name}".strip("/")] = reason
        return found

    def refresh(self) -> None:
        """Show what is new, and remove what has disappeared or has become something else."""
        self._met = set()
        self._problem = ""
        self._folders = self._records = 0
        try:
            self._visit(self._source.open(), "")
        except FileNotFoundError:
            pass  # it comes with the first trial
        except OSError as exc:
            self._problem = _reason(exc)
        for path in [path for path in self._seen if path not in self._met]:
            gone = self._seen.pop(path)
            self._links -= len(gone.shown)
            if gone.is_made:
                shutil.rmtree(self.folder / path, ignore_errors=True)
                self.folder.mkdir(exist_ok=True)

    def _visit(self, opened: Folder, path: str) -> None:
        """Check a folder and everything below it; at most `MOST_DEPTH` are open at a time."""
        with opened as folder:
            self._met.add(path)
            seen = self._look(folder, path)
            depth = path.count("/") + 2 if path else 1
            for name in seen.folders:
                reason = self._enter(depth)
                if reason:
                    seen.left_out[""] = reason
                    return
                try:
                    inner = folder.folder(name)
                except OSError as exc:
                    seen.left_out[name] = _reason(exc)
                else:
                    seen.left_out.pop(name, None)
                    self._visit(inner, f"{path}/{name}" if path else name)

    def _enter(self, depth: int) -> str:
        """Count a folder; return why it is skipped, empty if it is not.

        Args:
            depth: number of levels below the source.
        """
        if depth == self._runs_at:
            self._folders = self._records = 0
        elif depth < self._runs_at:
            return ""
        self._folders += 1
        most = MOST_FOLDERS if self._runs_at else MOST_OF_A_TREE
        if self._folders > most or depth > MOST_DEPTH + max(0, self._runs_at - 1):
            of = "a run" if self._runs_at else "a tree"
            return f"holds more than {most} folders in {of}, {MOST_DEPTH} in one another"
        return ""

    def _look(self, folder: Folder, path: str) -> _Seen:
        seen = self._seen.setdefault(path, _Seen())
        changed_ns = os.fstat(folder.fileno()).st_mtime_ns
        if changed_ns != seen.changed_ns:
            self._list(folder, path, seen)
            is_settled = time.time_ns() - changed_ns > _SETTLED_NS
            seen.changed_ns = changed_ns if is_settled else None
        for name in seen.files:
            try:
                self._vet(folder, path, seen, name)
            except OSError as exc:
                seen.left_out[name] = _reason(exc)
                self._hide(path, seen, name)
        return seen

    def _list(self, folder: Folder, path: str, seen: _Seen) -> None:
        """Read the names in a folder."""
        before, seen.files = seen.files, {}
        seen.folders, seen.left_out = [], {}
        for number, entry in enumerate(folder.entries()):
            if number >= MOST_NAMES:
                seen.left_out[""] = f"holds more than {MOST_NAMES} names"
                break
            if entry.kind == "folder":
                seen.folders.append(entry.name)
            elif _MARK not in entry.name:
                continue
            elif len(seen.files) >= MOST_FILES:
                seen.left_out[""] = f"holds more than {MOST_FILES} event files"
            else:
                seen.files[entry.name] = before.pop(entry.name, None)
        if self._runs_at != 1:
            # Of many studies, the newest first, since not all of them may fit.
            seen.folders.sort(key=lambda name: _changed(folder, name), reverse=True)
        for name in seen.shown.difference(seen.files):
            self._hide(path, seen, name)

    def _vet(self, folder: Folder, path: str, seen: _Seen, name: str) -> None:
        """Show an event file if possible.

        Raises:
            OSError: it cannot be shown, and why.
        """
        if self._runs_at != 1 and name not in seen.shown and self._links >= MOST_SHOWN_OF_A_TREE:
            raise UnfitError(name, f"is one of more than {MOST_SHOWN_OF_A_TREE} event files")
        found = folder.stat(name)
        known = seen.files[name]
        if name in seen.shown and found is not None and known is not None and known.fits(found):
            return
        with folder.open_file(name) as file:
            now = os.fstat(file.fileno())
            lengths = known if known is not None and known.grows_to(now) else Lengths(now)
            seen.files[name] = lengths
            most = max(0, MOST_RECORDS - self._records)
            looked = lengths.look(file, name, most)
        self._records += looked
        if looked < most:
            seen.left_out.pop(name, None)
            self._show(path, seen, name)

    def _show(self, path: str, seen: _Seen, name: str) -> None:
        shown = self.folder / path
        if not seen.is_made:
            shown.mkdir(parents=True, exist_ok=True)
            seen.is_made = True
        with contextlib.suppress(FileExistsError):
            (shown / name).symlink_to(self._source.path / path / name)
        self._links += name not in seen.shown
        seen.shown.add(name)

    def _hide(self, path: str, seen: _Seen, name: str) -> None:
        if name in seen.shown:
            (self.folder / path / name).unlink(missing_ok=True)
            seen.shown.discard(name)
            self._links -= 1


def _changed(folder: Folder, name: str) -> int:
    found = folder.stat(name)
    return 0 if found is None else found.st_mtime_ns


def _reason(exc: OSError) -> str:
    return exc.strerror or str(exc)
