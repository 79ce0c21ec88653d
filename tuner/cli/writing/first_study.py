"""The files of a first study: a spec that explains its ranges, and an objective to start from."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.cli.writing.flow import flow
from tuner.cli.writing.objective_stub import objective_stub
from tuner.cli.writing.ready import ReadySpace, example_reasons
from tuner.documents.document import JsonObject
from tuner.errors import SetupError, SpecError
from tuner.protocol import BACKENDS
from tuner.runtime.system import is_installed, pip_install
from tuner.spec.reading.yaml_file import read_document

SPEC = "study.yaml"
OBJECTIVE = "objectives.py"
_WIDTH = 100
#: The package that provides a module, if the names differ.
_PACKAGES = {"sklearn": "scikit-learn"}
#: For a space without an example: to be changed together with the objective.
_OWN: JsonObject = {
    "metric": {"name": "score", "goal": "maximize"},
    "pruner": {"name": "asha"},
    "budget": {"trials": 30},
    "parallel": 2,
}


@dataclass(frozen=True, kw_only=True)
class FirstStudy:
    """What was written."""

    space: str
    folder: Path
    spec: Path
    objective: Path
    #: Whether the objective trains as it is; otherwise it is to be filled in.
    is_runnable: bool
    #: Packages that the objective imports and this environment lacks.
    missing: tuple[str, ...]

    def to_json(self) -> JsonObject:
        """Return what `tuner init --json` prints."""
        return {
            "space": self.space,
            "folder": str(self.folder),
            "spec": str(self.spec),
            "objective": str(self.objective),
            "runnable": self.is_runnable,
            "missing": list(self.missing),
        }

    @property
    def files(self) -> tuple[Path, Path]:
        """Spec and objective."""
        return self.spec, self.objective

    @property
    def quoted_folder(self) -> str:
        """The folder, quoted for a shell."""
        return shlex.quote(str(self.folder))

    def missing_text(self) -> str:
        """Return how to install what is missing."""
        return f"missing  {', '.join(self.missing)}; first: {pip_install(*self.missing)}"


def write_study(space: ReadySpace, folder: Path) -> FirstStudy:
    """Write spec and objective of a first study; nothing is overwritten.

    Args:
        space: the search space of the study.
        folder: created if missing; its name becomes the project's.

    Raises:
        SpecError: a file of either name exists, or the folder is not a folder.
        SetupError: a file cannot be written.
    """
    example = space.example
    code = objective_stub(space) if example is None else example.objective.read_text("utf-8")
    written = {
        folder / OBJECTIVE: code,
        folder / SPEC: _spec_text(space, _project(folder)),
    }
    try:
        _write_new(folder, written)
    except FileExistsError as exc:
        raise SpecError(
            f"{exc.filename} already exists, and nothing is overwritten; "
            f"name another folder: tuner init {space.name} DIR"
        ) from exc
    except OSError as exc:
        raise SetupError(f"{exc.filename or folder}: cannot be written: {exc.strerror}") from exc
    return FirstStudy(
        space=space.name,
        folder=folder,
        spec=folder / SPEC,
        objective=folder / OBJECTIVE,
        is_runnable=example is not None,
        missing=_missing(code),
    )


def _write_new(folder: Path, texts: Mapping[Path, str]) -> None:
    """Write every file or none."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as undo:
        if is_new:
            undo.callback(folder.rmdir)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as stream:
                undo.callback(path.unlink)
                stream.write(text)
        undo.pop_all()


def _project(folder: Path) -> str:
    """Return the name of a folder as a valid project name."""
    word = re.sub(r"[^a-z0-9]+", "-", folder.absolute().resolve().name.lower())
    return word[:63].strip("-") or "first"


def _missing(code: str) -> tuple[str, ...]:
    """Return the packages that a module imports at its top and this environment lacks."""
    modules: list[str] = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
    needed = dict.fromkeys(module.partition(".")[0] for module in modules)
    missing = [name for name in needed if not is_installed(name)]
    if "keras" in needed and not any(map(is_installed, BACKENDS)):
        missing.append(BACKENDS[0])
    return tuple(_PACKAGES.get(name, name) for name in missing)


def _spec_text(space: ReadySpace, project: str) -> str:
    if space.example is None:
        definitions = {p.name: p.definition for p in space.parameters}
        reasons = {p.name: p.reason for p in space.parameters}
        keys = _OWN
    else:
        definitions = space.example.load().spec.to_json()["search_space"]
        reasons = example_reasons(space.example)
        keys = read_document(space.example.spec, space.example.spec.name).data
    lines = [
        *_comment(f"{space.purpose}. The ranges are those of the ready space {space.name}.", ""),
        "#",
        f"#   tuner check {SPEC}    what can be wrong with spec and code, and one short trial",
        f"#   tuner run {SPEC}      tunes it here; after Ctrl-C the same command resumes",
        "",
        f"project: {project}",
        f"study: {space.name}",
        f"objective: {Path(OBJECTIVE).stem}:train              # {OBJECTIVE}, beside this file",
        *_setting("metric", keys["metric"]),
        "",
        "search_space:",
    ]
    for name, definition in definitions.items():
        lines += [*_comment(reasons.get(name, ""), "  "), *_definition(name, definition), ""]
    for key in ("forbid", "start_with", "sampler", "pruner", "budget", "parallel", "trial", "data"):
        if key in keys:
            lines += _setting(key, keys[key])
    return "\n".join(lines) + "\n"


def _setting(key: str, value: Any) -> list[str]:
    """Return a key with its value; a list of mappings has a line for each."""
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [f"{key}:", *(f"  - {flow(item)}" for item in value)]
    return [f"{key}: {flow(value)}"]


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
    )


def _definition(name: str, definition: Mapping[str, Any]) -> list[str]:
    line = f"  {name}: {flow(definition)}"
    return [line] if len(line) <= _WIDTH else [f"  {name}:", f"    {flow(definition)}"]
