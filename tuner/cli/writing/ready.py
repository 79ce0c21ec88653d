"""The ready search spaces that come with Tuner: their purposes, and the reasons for their ranges.

Both are in the comments of a file in `search_spaces/`. The comments at the top are paragraphs: the
first is the purpose of the space in one line; the one under `Sources:` has a source in each line.
The comment directly above a parameter is the reason for its range.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tuner.cli.calling import command
from tuner.documents.document import JsonObject
from tuner.errors import SpecError, TunerError
from tuner.spec import LoadedSpec, load_spec
from tuner.spec.reading.yaml_file import read_document

#: Next to the packages, both in a clone and in an installed wheel.
FOLDER = Path(__file__).resolve().parents[3] / "search_spaces"
EXAMPLES = FOLDER / "examples"

_KEY = re.compile(r"([\w.-]+):")
_SOURCES = "Sources:"


@dataclass(frozen=True, kw_only=True)
class ReadyParameter:
    """A parameter of a ready space: its definition as in a spec, and the reason."""

    name: str
    definition: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A study on a ready space that runs as it is."""

    spec: Path
    #: The objective's module.
    objective: Path

    @property
    def data(self) -> str:
        """What it trains on, as its spec calls it."""
        return self.load().spec.data.name or ""

    def load(self) -> LoadedSpec:
        """Return the spec with its space inlined."""
        return load_spec(self.spec)


@dataclass(frozen=True, kw_only=True)
class ReadySpace:
    """A ready space, as its file describes it."""

    name: str
    path: Path
    purpose: str
    #: Paragraphs.
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    parameters: tuple[ReadyParameter, ...]
    example: Example | None

    def to_json(self) -> JsonObject:
        """Return what `tuner spaces NAME --json` prints."""
        return {
            "name": self.name,
            "for": self.purpose,
            "parameters": [
                {"name": p.name, "definition": dict(p.definition), "reason": p.reason}
                for p in self.parameters
            ],
            "notes": list(self.notes),
            "sources": list(self.sources),
            "example": None if self.example is None else self.example.data,
            "file": str(self.path),
        }


@cache
def ready_spaces() -> dict[str, ReadySpace]:
    """Return every ready space by name, sorted.

    Raises:
        TunerError: the installation has none.
    """
    paths = sorted(FOLDER.glob("*.yaml"))
    if not paths:
        raise TunerError(f"{FOLDER}: no search spaces there; install Tuner again")
    return {path.stem: _read(path) for path in paths}


def find_space(name: str) -> ReadySpace:
    """Return the ready space with this name.

    Raises:
        SpecError: there is none.
    """
    spaces = ready_spaces()
    if name in spaces:
        return spaces[name]
    wanted = name.lower().removesuffix(".yaml")
    near = difflib.get_close_matches(wanted, spaces, n=1, cutoff=0.5) or [
        other
        for other, space in spaces.items()
        if wanted in re.findall(r"\w+", space.purpose.lower())
    ]
    meant = f'did you mean "{near[0]}"? ' if near else ""
    raise SpecError(
        f"{name[:80]!r} is not a ready search space: {meant}there are {', '.join(spaces)} "
        f"(`{command('spaces')}` says what for)"
    )


def example_reasons(example: Example) -> dict[str, str]:
    """Return the reason for each parameter of an example, by name.

    These come from the included ready spaces, and from the example's own spec for what it changes.
    """
    reasons: dict[str, str] = {}
    document = read_document(example.spec, example.spec.name).data
    for included in document["search_space"]["include"]:
        space = find_space(Path(included).stem)
        reasons |= {p.name: p.reason for p in space.parameters}
    for name, own in _reasons(example.spec.read_text("utf-8").splitlines()).items():
        reasons[name] = " ".join(filter(None, (reasons.get(name), f"In this example: {own}")))
    return reasons


def _read(path: Path) -> ReadySpace:
    lines = path.read_text("utf-8").splitlines()
    purpose, *paragraphs = _paragraphs(lines)
    sources = next((p for p in paragraphs if p[0] == _SOURCES), [_SOURCES])
    reasons = _reasons(lines)
    return ReadySpace(
        name=path.stem,
        path=path,
        purpose=" ".join(purpose),
        notes=tuple(" ".join(p) for p in paragraphs if p is not sources),
        sources=tuple(sources[1:]),
        parameters=tuple(
            ReadyParameter(name=name, definition=definition, reason=reasons.get(name, ""))
            for name, definition in read_document(path, path.name).data.items()
        ),
        example=_example(path.stem),
    )


def _example(name: str) -> Example | None:
    spec = EXAMPLES / f"{name}.yaml"
    if not spec.is_file():
        return None
    module = str(read_document(spec, spec.name).data["objective"]).partition(":")[0]
    return Example(spec=spec, objective=EXAMPLES.joinpath(*module.split(".")).with_suffix(".py"))


def _paragraphs(lines: list[str]) -> list[list[str]]:
    """Return the paragraphs of the comment at the top of a file, each as its lines."""
    found: list[list[str]] = [[]]
    for line in lines:
        if not line.startswith("#"):
            break
        if text := line[1:].strip():
            found[-1].append(text)
        else:
            found.append([])
    return [paragraph for paragraph in found if paragraph]


def _reasons(lines: list[str]) -> dict[str, str]:
    """Return the comment directly above each key, by key."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in map(str.strip, lines):
        if line.startswith("#"):
            above.append(line[1:].strip())
            continue
        key = _KEY.match(line)
        if key and above:
            found[key[1]] = " ".join(above)
        above = []
    return found
