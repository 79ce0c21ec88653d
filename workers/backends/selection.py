"""The backends of one worker: the one that it has imported, and those that trials need."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from tuner.protocol import BACKEND_VARIABLE, BACKENDS, Asked, Assignment, backend_asked
from tuner.runtime.system import is_installed
from workers.backends.choice import BackendChoice, choose, choose_default, problem

logger = logging.getLogger(__name__)

#: Maximum number of bytes of code to look at; a module is far smaller.
_MOST_BYTES = 1 << 20
#: Maximum number of studies whose code is remembered.
_MOST_KNOWN = 256


class BackendSelection:
    """Which backend a worker's Keras has, and which one a trial needs.

    Mutable: it imports one, and remembers what the code of each snapshot asks for.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.default = choose_default(environ)
        #: The backend that Keras was imported with in this process; None: it was not imported.
        self.loaded: str | None = None
        self._asked: dict[tuple[str, str], Asked] = {}

    @property
    def default_name(self) -> str | None:
        """The backend of Keras if neither spec nor code names one."""
        return None if self.default is None else self.default.name

    def preimport(self, wanted: str, environ: MutableMapping[str, str]) -> None:
        """Import Keras and its backend, without running anything.

        Not even devices are listed: on a GPU that would initialize CUDA, which no forked process
        can use. If something is not installed, or fails while it is imported, the trials will find
        out: those of a study without Keras never do.

        Args:
            wanted: a backend; "keras" for that of the environment; "none".
        """
        if wanted == "none" or not is_installed("keras"):
            return
        choice = self.default if wanted == "keras" else BackendChoice(name=wanted, source="spec")
        if choice is None:
            logger.warning("keras has no backend here", extra={"install": "one of " + _names()})
            return
        if said := problem(choice):
            logger.warning("keras is not imported ahead of the trials", extra={"reason": said})
            return
        # Otherwise the import prints a dozen lines about the CPU; warnings and errors stay.
        environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        before = environ.get(BACKEND_VARIABLE)
        environ[BACKEND_VARIABLE] = choice.name or ""
        try:
            importlib.import_module("keras")
            # Keras requests it with every backend, for seeding and to distinguish its tensors from
            # others.
            if is_installed("tensorflow"):
                importlib.import_module("tensorflow")
        # A library that fails while it is imported may raise anything.
        except Exception as exc:  # noqa: BLE001
            logger.warning("keras cannot be imported", extra={"reason": repr(exc)[:500]})
        else:
            self.loaded = choice.name
        finally:
            # The code of a study may set its own if the environment does not.
            del environ[BACKEND_VARIABLE]
            if before is not None:
                environ[BACKEND_VARIABLE] = before

    def choose(self, assignment: Assignment, code_root: Path | None) -> BackendChoice | None:
        """Return the backend of a trial; None if nothing names one."""
        return choose(assignment.backend, self._code_asks(assignment, code_root), self.default)

    def suits(self, choice: BackendChoice | None) -> bool:
        """Return whether a fork of this process has the right backend, or none yet."""
        return self.loaded is None or choice is None or self.loaded == choice.name

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


def _names() -> str:
    return ", ".join(BACKENDS)
