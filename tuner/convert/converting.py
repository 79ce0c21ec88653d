"""From a file of another tool to a spec: its kind is recognised by what is in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.convert import katib, kerastuner, optuna, raytune, wandb
from tuner.convert.draft import Draft, Note
from tuner.convert.fields import Fields
from tuner.convert.writing import write
from tuner.errors import SpecError
from tuner.roots import open_named
from tuner.space import Problems
from tuner.spec.reading.document import Document
from tuner.spec.reading.loading import problem_lines
from tuner.spec.reading.study import read_spec
from tuner.spec.reading.yaml12 import parse_document

#: A search that a person wrote; an oracle's state, or a space that was written by a program.
MAX_YAML_BYTES = 256 * 1024
MAX_JSON_BYTES = 64 << 20

_KNOWN = (
    "a W&B sweep (YAML with method and parameters), a Katib Experiment (YAML), the JSON of a Ray "
    "Tune space, an Optuna database or journal, an oracle.json of KerasTuner"
)
_Reader = Callable[[Fields, Draft], None]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A spec that was made of another tool's file.

    Attributes:
        text: YAML.
        tool: whose file it was, as people say it.
        notes: what was said beside its values.
    """

    text: str
    tool: str
    notes: tuple[Note, ...]


def convert(given: str) -> Converted:
    """Return the spec of a file, or of an Optuna study in a database.

    Args:
        given: a path, or the URL of a database; `#NAME` chooses one study of it.

    Raises:
        SpecError: it cannot be read, is of no known kind, or makes no sense.
        NotFoundError: the database has no study of that name.
        UnavailableError: the database cannot be reached.
    """
    draft, source = _read(given)
    if not draft.space:
        raise SpecError(f"{given}: has no parameter that a spec can have")
    text = write(draft, source)
    _check(text, source)
    return Converted(text=text, tool=draft.tool, notes=tuple(draft.notes))


def _read(given: str) -> tuple[Draft, str]:
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


def _read_file(file: io.BufferedReader, path: Path, given: str) -> Draft:
    start = file.read(4096)
    if start.startswith(b"SQLite format 3\0"):
        return optuna.read_database(f"sqlite:///{path.absolute()}")
    if start.startswith(b"{") and b'"op_code"' in start:
        return optuna.read_journal(path.absolute())
    content = start + file.read(MAX_JSON_BYTES)
    if len(content) > MAX_JSON_BYTES:
        raise SpecError(f"{given}: larger than {MAX_JSON_BYTES >> 20} MiB")
    document = _parse(content, given)
    tool, reader = _recognise(document)
    is_project = path.name == "oracle.json"
    draft = Draft(tool, path.absolute().parent.name if is_project else path.stem)
    if reader is kerastuner.read_oracle:
        kerastuner.read_metric(path.parent, draft)
    reader(Fields(document, (), document.data), draft)
    return draft


def _parse(content: bytes, source: str) -> Document:
    """Return the values of JSON or YAML."""
    if not content.strip():
        raise SpecError(f"{source}: is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"{source}: is of no known kind; known: {_KNOWN}") from None
    if text.lstrip().startswith("{"):
        try:
            return Document(source=source, data=json.loads(text))
        except RecursionError:
            raise SpecError(f"{source}: is nested too deep") from None
        except ValueError:
            pass  # a flow mapping of YAML begins so as well
    if len(content) > MAX_YAML_BYTES:
        raise SpecError(f"{source}: larger than {MAX_YAML_BYTES // 1024} KiB of YAML")
    return parse_document(text, source)


def _recognise(document: Document) -> tuple[str, _Reader]:
    data = document.data
    if not isinstance(data, dict):
        raise SpecError(f"{document.source}: is of no known kind; known: {_KNOWN}")
    for is_kind, tool, reader in _KINDS:
        if is_kind(data):
            return tool, reader
    if "search_space" in data and "budget" in data:
        raise SpecError(f"{document.source}: is a spec of Tuner's already")
    raise SpecError(f"{document.source}: is of no known kind; known: {_KNOWN}")


_KINDS: tuple[tuple[Callable[[dict[str, Any]], bool], str, _Reader], ...] = (
    (katib.is_experiment, katib.TOOL, katib.read_experiment),
    (kerastuner.is_oracle, kerastuner.TOOL, kerastuner.read_oracle),
    (wandb.is_sweep, wandb.TOOL, wandb.read_sweep),
    (raytune.is_space, raytune.TOOL, raytune.read_space),
)


def _check(text: str, source: str) -> None:
    """Refuse what no spec can hold, as a range that has no end."""
    problems = Problems()
    document = parse_document(text, source)
    if read_spec(document.data, problems) is None:
        lines = [f"{source}: {problem.text}" for problem in problems]
        raise SpecError(problem_lines(lines, problems.untold))
