"""Where specs come from: a user's file, or the body of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import SpecError
from tuner.space import Problem, Problems
from tuner.spec.advice import advise
from tuner.spec.history import resolve_paths
from tuner.spec.model import StudySpec
from tuner.spec.reading.document import Mark, YamlDocument
from tuner.spec.reading.history import check_resolved
from tuner.spec.reading.space_files import inline_space
from tuner.spec.reading.study import read_spec
from tuner.spec.reading.yaml_file import read_document


@dataclass(frozen=True, kw_only=True)
class LoadedSpec:
    """A spec from a file, with the folder that its paths and its code are relative to."""

    spec: StudySpec
    folder: Path
    #: `file:line:column: field: value: advice`, in the order of the file.
    warnings: list[str] = field(default_factory=list)


def load_spec(path: Path) -> LoadedSpec:
    """Read, inline and check a spec file.

    Raises:
        SpecError: every problem, one per line: `file:line:column: field: value: what is allowed`.
    """
    document = read_document(path, str(path))
    problems = Problems()
    unreadable: list[str] = []
    if isinstance(document.data, Mapping):
        unreadable = inline_space(document, path.parent, problems)
    with_space = not unreadable and not len(problems)
    spec = read_spec(document.data, problems, with_space=with_space)
    if spec is not None:
        _check_data(spec, path.parent, problems)
    if spec is None or len(problems) or unreadable:
        lines = [*unreadable, *_located(document, problems)]
        raise SpecError(problem_lines(lines, problems.untold))
    folder = path.parent.absolute()
    spec = spec.model_copy(update={"history": resolve_paths(spec.history, folder)})
    return LoadedSpec(spec=spec, folder=folder, warnings=_located(document, advise(spec)))


def parse_spec(data: Any) -> StudySpec:
    """Check a spec that came as JSON; its search space is inlined.

    Raises:
        SpecError: every problem, one per line: `request: field: value: what is allowed`.
    """
    return _parse(data, "request", is_stored=False)


def _parse(data: Any, source: str, *, is_stored: bool) -> StudySpec:
    problems = Problems()
    with_space = not isinstance(data, Mapping) or _is_inlined(data.get("search_space"), problems)
    spec = read_spec(data, problems, with_space=with_space, is_stored=is_stored, is_kept=is_stored)
    if spec is not None:
        check_resolved(spec.history, problems)
    if spec is None or len(problems):
        lines = [f"{source}: {problem.text}" for problem in problems]
        raise SpecError(problem_lines(lines, problems.untold))
    return spec


def parse_stored(data: Any) -> StudySpec:
    """Check a spec that Tuner has stored: like `parse_spec`, but it may hold found parameters.

    Raises:
        SpecError: every problem, one per line.
    """
    return _parse(data, "stored spec", is_stored=True)


def problem_lines(lines: list[str], untold: int) -> str:
    """Return problems as the text of an error, one per line; `untold` more are only counted."""
    return "\n".join([*lines, f"… and {untold} more problems"] if untold else lines)


def _is_inlined(space: Any, problems: Problems) -> bool:
    if isinstance(space, str) or (isinstance(space, Mapping) and "include" in space):
        allowed = "the definitions themselves: files are read where the spec is submitted"
        problems.wrong(("search_space",), space, allowed)
        return False
    return True


def _check_data(spec: StudySpec, folder: Path, problems: Problems) -> None:
    """Report missing data. Paths stay as written, so that they have the same meaning elsewhere."""
    for index, name in enumerate(spec.data.paths):
        if "\0" in name or not (folder / Path(name).expanduser()).exists():
            problems.wrong(("data", "paths", index), name, "a file or folder that exists")


def _located(document: YamlDocument, problems: Problems) -> list[str]:
    order = {document.source: 0}

    def place(item: tuple[Mark, Problem]) -> tuple[int, int, int]:
        mark = item[0]
        return order.setdefault(mark.source, len(order)), mark.line, mark.column

    marked = [(document.mark(item.path, at_key=item.at_key), item) for item in problems]
    return [f"{mark}: {problem.text}" for mark, problem in sorted(marked, key=place)]
