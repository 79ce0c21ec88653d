"""Which files of a spec's folder a snapshot includes, and which it leaves out with a notice."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SpecError
from tuner.snapshot.ignore import IGNORE_FILE, IgnoreRules, load_rules
from tuner.snapshot.mentions import Mentions
from tuner.snapshot.outputs import FoundOutputs, choose_outputs, is_by_name_output

#: Code is small; what is larger is data, which belongs outside the code (`data.paths` in the spec).
MAX_BYTES = 16 * 1024 * 1024
MAX_FILES = 5000

#: A trial imports these from the installation; a user's module would hide them.
RESERVED = ("tuner", "workers")

_MODULE_SUFFIXES = (".py", ".pyc", ".so")
_SPEC_SUFFIXES = (".yaml", ".yml", ".json")
_SPEC_KEYS = tuple(
    re.compile(rf"""^[\s{{]*["']?{key}["']?\s*:""", re.M)
    for key in ("project", "study", "search_space")
)
#: Kinds of files besides modules that may name the files that code reads.
_TEXTS = (".cfg", ".ini", ".json", ".toml", ".yaml", ".yml")
_MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The files of a folder: absolute `paths` that are included, sorted, and what was left out."""

    paths: list[Path]
    left_out: list[FoundOutputs]


def take_files(root: Path, leave_out: Iterable[Path], max_bytes: int) -> Taken:
    """Choose the files of the snapshot of `root`, which is an absolute path without links.

    Raises:
        SpecError: see `make_snapshot`.
    """
    walk = _Walk(root, {path.resolve() for path in leave_out} - {root}, load_rules(root))
    paths = sorted(walk.run(root), key=lambda path: path.relative_to(root).parts)
    _refuse_reserved(root, paths)
    left_out = _outputs(root, [path for path in paths if path not in walk.asked_for], walk.specs)
    gone = {root / file.path for file in left_out}
    kept = [path for path in paths if path not in gone]
    _refuse_size(root, kept, max_bytes)
    return Taken(paths=kept, left_out=left_out)


class _Walk:
    """One walk through a folder. Mutable: it collects other findings besides the files.

    Attributes:
        specs: files that are specs, which no snapshot includes.
        asked_for: files that the user's ignore file includes again, by their name or their
            folder's.
    """

    def __init__(self, root: Path, hidden: set[Path], rules: IgnoreRules) -> None:
        self.specs: list[Path] = []
        self.asked_for: set[Path] = set()
        self._root = root
        self._hidden = hidden
        self._rules = rules

    def run(self, folder: Path, *, asked_for: bool = False) -> Iterator[Path]:
        try:
            entries = list(folder.iterdir())
        except OSError as exc:
            reason = exc.strerror
            raise SpecError(f"{folder}: cannot be read for the code snapshot: {reason}") from exc
        for path in entries:
            is_folder = path.is_dir() and not path.is_symlink()
            name = path.relative_to(self._root).as_posix()
            if path in self._hidden or self._rules.is_ignored(name, folder=is_folder):
                continue
            wanted = asked_for or self._rules.takes_back(name, folder=is_folder)
            if is_folder:
                yield from self.run(path, asked_for=wanted)
            elif self._is_taken(path):
                if wanted:
                    self.asked_for.add(path)
                yield path

    def _is_taken(self, path: Path) -> bool:
        if path.is_symlink():
            return _is_inside(self._root, path)
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        if _is_spec(path):
            self.specs.append(path)
            return False
        return True


def _outputs(root: Path, paths: list[Path], specs: list[Path]) -> list[FoundOutputs]:
    """Return the files that are left out because they look like outputs or data."""
    found = {
        path: FoundOutputs(path=path.relative_to(root).as_posix(), size=path.lstat().st_size)
        for path in paths
        if not path.is_symlink()
    }
    texts = [path for path, file in found.items() if path.suffix == ".py" or _is_text(file)]
    mentions = Mentions(
        {path.relative_to(root).as_posix(): read_file(path) for path in [*texts, *specs]}
    )
    return choose_outputs(found.values(), mentions.names_file, mentions.names_kind)


def _is_text(file: FoundOutputs) -> bool:
    # What a run has written names other outputs, not what code reads.
    is_code = not is_by_name_output(file.path)
    return is_code and file.path.endswith(_TEXTS) and file.size <= _MAX_TEXT_BYTES


def read_file(path: Path) -> bytes:
    """Return the content of a file of the folder.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SpecError(f"{path}: cannot be read for the code snapshot: {exc.strerror}") from exc


def _is_inside(root: Path, link: Path) -> bool:
    """Return whether a link has a target; raises if it leads out of the folder."""
    target = link.resolve()
    if not target.is_relative_to(root):
        raise SpecError(
            f"{link}: leads out of the spec's folder, to {target}; code is taken from {root} only. "
            f"Copy the file there, or name the link in {IGNORE_FILE}"
        )
    return target.exists()


def _is_spec(path: Path) -> bool:
    if path.suffix not in _SPEC_SUFFIXES:
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(pattern.search(text) for pattern in _SPEC_KEYS)


def _refuse_reserved(root: Path, paths: Iterable[Path]) -> None:
    for path in paths:
        first, *rest = path.relative_to(root).parts
        if first.split(".")[0] in RESERVED and path.name.endswith(_MODULE_SUFFIXES):
            module = first.split(".")[0]
            raise SpecError(
                f"{root / first if rest else path}: a module called {module!r} would hide the "
                f"installed package of that name in every trial; rename it, move the spec into a "
                f"folder of its own, or name it in {IGNORE_FILE}"
            )


def _refuse_size(root: Path, paths: list[Path], max_bytes: int) -> None:
    sizes = sorted(((path.lstat().st_size, path) for path in paths), reverse=True)
    total = sum(size for size, _ in sizes)
    if total <= max_bytes and len(paths) <= MAX_FILES:
        return
    largest = "\n".join(
        f"  {_megabytes(size):>9}  {path.relative_to(root).as_posix()}" for size, path in sizes[:8]
    )
    raise SpecError(
        f"{root}: {len(paths)} files of {_megabytes(total)} are too much for a code snapshot "
        f"(at most {MAX_FILES} files, {_megabytes(max_bytes)}). The largest:\n{largest}\n"
        f"Name what is not code in {root / IGNORE_FILE} (written like a .gitignore), "
        f"or keep the spec and its code in a folder of their own"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
