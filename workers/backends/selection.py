"""Which backend of Keras each trial of a worker needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.protocol import Asked, Assignment, backend_asked
from workers.backends.choice import BackendChoice, choose, choose_default

#: Maximum number of bytes of code to look at; a module is far smaller.
_MOST_BYTES = 1 << 20
#: Maximum number of studies whose code is remembered.
_MOST_KNOWN = 256


class BackendSelection:
    """Chooses the backends of trials. Mutable: it remembers what each snapshot's code asks for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.default = choose_default(environ)
        self._asked: dict[tuple[str, str], Asked] = {}

    @property
    def default_name(self) -> str | None:
        """The backend of Keras if neither spec nor code names one."""
        return None if self.default is None else self.default.name

    def choose(self, assignment: Assignment, code_root: Path | None) -> BackendChoice | None:
        """Return the backend of a trial; None if nothing names one."""
        return choose(assignment.backend, self._code_asks(assignment, code_root), self.default)

    def _code_asks(self, assignment: Assignment, code_root: Path | None) -> Asked:
        if code_root is None:
            return Asked()
        key = str(code_root), assignment.objective
        if key not in self._asked:
            if len(self._asked) >= _MOST_KNOWN:
                self._asked.clear()
            self._asked[key] = code_asks(code_root, assignment.objective)
        return self._asked[key]


def code_asks(root: Path, objective: str) -> Asked:
    """Return which backend the code of a study asks for.

    If the objective's module names one, only that counts, because a folder may hold objectives for
    several backends.

    Args:
        root: folder of the code.
        objective: `module:function`, with a kind before it or not.
    """
    module = objective.split(":")[-2] if ":" in objective else ""
    own = root.joinpath(*module.split("."))
    paths = [own.with_suffix(".py"), own / "__init__.py"] if module else []
    return backend_asked(_texts(iter(paths))) or backend_asked(_texts(root.rglob("*.py")))


def _texts(paths: Iterator[Path]) -> Iterator[bytes]:
    for path in paths:
        try:
            with path.open("rb") as file:
                yield file.read(_MOST_BYTES)
        except OSError:
            continue
