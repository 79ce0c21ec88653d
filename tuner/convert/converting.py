"""Converts another tool's file to a spec, recognizing its kind by its content."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tuner.convert.draft import Note, SpecDraft
from tuner.convert.readers import optuna
from tuner.convert.search_file import SearchFile
from tuner.convert.writing import write
from tuner.errors import SpecError
from tuner.registry import READERS
from tuner.roots import open_named
from tuner.space import Problems
from tuner.spec.reading.document import YamlDocument
from tuner.spec.reading.loading import problem_lines
from tuner.spec.reading.study import read_spec
from tuner.spec.reading.yaml12 import parse_document

#: Maximum size of a search written by hand; and of an oracle's state, or a space written by a
#: program.
MAX_YAML_BYTES = 256 * 1024
MAX_JSON_BYTES = 64 << 20

#: Recognized before the readers are asked.
_OPTUNA = "an Optuna study (a database or a journal)"


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A spec converted from another tool's file.

    Attributes:
        text: YAML.
        tool: the tool and kind of file in words.
        notes: the comments on its values.
    """

    text: str
    tool: str
    notes: tuple[Note, ...]


def convert(given: str) -> Converted:
    """Return the spec for a file, or for an Optuna study in a database.

    Args:
        given: a path, or the URL of a database; `#NAME` selects one of its studies.

    Raises:
        SpecError: it cannot be read, is of no known kind, or is invalid.
        NotFoundError: the database has no study of that name.
        UnavailableError: the database cannot be reached.
    """
    draft, source = _read(given)
    if not draft.space:
        raise SpecError(f"{given}: has no parameter that a spec can have")
    text = write(draft, source)
    _check(text, source)
    return Converted(text=text, tool=draft.tool, notes=tuple(draft.notes))


def _read(given: str) -> tuple[SpecDraft, str]:
    if "://" in given:
        return optuna.read_database(given), optuna.shown(given)
    path = Path(given)
    if path.is_dir() and (path / "oracle.json").exists():
        path /= "oracle.json"
    if path.is_dir():
        raise SpecError(f"{given}: a folder without oracle.json; name a file")
    source = "".join(c if c.isprintable() else "?" for c in path.name)
    try:
        with open_named(path) as file:
            return _read_file(file, path, given), source
    except OSError as exc:
        raise SpecError(f"{given}: cannot be read: {exc.strerror or exc}") from None


def _read_file(file: io.BufferedReader, path: Path, given: str) -> SpecDraft:
    start = file.read(4096)
    if start.startswith(b"SQLite format 3\0"):
        return optuna.read_database(f"sqlite:///{path.absolute()}")
    if start.startswith(b"{") and b'"op_code"' in start:
        return optuna.read_journal(path.absolute())
    content = start + file.read(MAX_JSON_BYTES)
    if len(content) > MAX_JSON_BYTES:
        raise SpecError(f"{given}: larger than {MAX_JSON_BYTES >> 20} MiB")
    damage: SpecError | None = None
    document: YamlDocument | None = None
    try:
        document = _parse(content, given)
    except SpecError as exc:
        damage = exc  # unless a package knows a file that is neither JSON nor YAML
    found = SearchFile(path=path.absolute(), content=content, document=document)
    own = list(READERS.built_in)
    draft = _ask(own, found)
    if draft is None and {"search_space", "budget"} <= found.data.keys():
        raise SpecError(f"{given}: is a spec of Tuner's already")
    if draft is None:
        draft = _ask([name for name in READERS.names if name not in own], found)
    if draft is None:
        raise damage or _unknown_kind(given)
    return draft


def _parse(content: bytes, source: str) -> YamlDocument:
    """Return the values in JSON or YAML."""
    if not content.strip():
        raise SpecError(f"{source}: is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unknown_kind(source) from None
    if text.lstrip().startswith("{"):
        try:
            return YamlDocument(source=source, data=json.loads(text))
        except RecursionError:
            raise SpecError(f"{source}: is nested too deep") from None
        except ValueError:
            pass  # a flow mapping of YAML begins so as well
    if len(content) > MAX_YAML_BYTES:
        raise SpecError(f"{source}: larger than {MAX_YAML_BYTES // 1024} KiB of YAML")
    return parse_document(text, source)


def _ask(names: Iterable[str], file: SearchFile) -> SpecDraft | None:
    """Return the draft of the first reader that recognizes the file; None if none does."""
    for name in names:
        package = READERS.package_of(name)
        try:
            make: Callable[[SearchFile], SpecDraft | None] = READERS.make(name)
            draft = make(file)
            if draft is not None and not isinstance(draft, SpecDraft):
                raise TypeError(f"it gives a {type(draft).__name__}, not a Draft")
        except SpecError:
            raise
        # A fault of a package is reported as such.
        except Exception as exc:
            if package is None:
                raise
            said = " ".join(f"{type(exc).__name__}: {exc}".split())[:300]
            reader = f"the reader {name!r} of {package}"
            raise SpecError(f"{file.path}: {reader} failed: {said}") from exc
        if draft is not None:
            return draft
    return None


def _unknown_kind(source: str) -> SpecError:
    says = [extension.says or name for name, extension in READERS.usable().items()]
    problems = "".join(f"; {problem}" for problem in READERS.problems())
    known = ", ".join([*says, _OPTUNA])
    return SpecError(f"{source}: is of no known kind; known: {known}{problems}")


def _check(text: str, source: str) -> None:
    """Refuse what no spec can hold, e.g. a range without an end."""
    problems = Problems()
    document = parse_document(text, source)
    if read_spec(document.data, problems) is None:
        lines = [f"{source}: {problem.text}" for problem in problems]
        raise SpecError(problem_lines(lines, problems.untold))
