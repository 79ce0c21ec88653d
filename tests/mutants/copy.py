"""Copies of the working tree, in which mutants live: the tree itself is never edited."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.mutant import ROOT, Mutant

#: A mutant may wait for ever: for a lease, a process, a lock.
TEST_TIMEOUT_S = 240
#: pytest says so of tests that failed, and of ids that match none.
PASSED, FAILED, NOTHING = 0, 1, 5


class Copy:
    """One copy of the working tree, with room for what its tests write. Mutable: it is edited.

    Args:
        folder: where; made, and to be removed by whoever has made it.
    """

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self._scratch = folder / "scratch"
        self._python = _make_python(folder / "venv", self.tree)
        for name in _names():
            target = self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Have the copy be the mutant inside the block.

        Raises:
            ValueError: its edit does not apply.
        """
        path = self.tree / mutant.file
        text = path.read_text(encoding="utf-8")
        path.write_text(mutant.applied(text), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    def test(self, tests: tuple[str, ...], *, all_of_them: bool = False) -> tuple[int, str]:
        """Run those that the default run has of some tests; return pytest's status and its output.

        Args:
            tests: files, or `file::test`.
            all_of_them: else the first that fails is the last.
        """
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment = {**os.environ, **threads, "PYTHONDONTWRITEBYTECODE": "1"}
        words = [str(self._python), "-m", "pytest", "-q", "--no-header", "--tb=no"]
        words += [] if all_of_them else ["-x"]
        # Of these plug-ins no test needs anything, and to load them takes longer than most tests.
        words += ["-p", "no:schemathesis", "-p", "no:xdist"]
        words += ["-m", "not slow and not docker", f"--timeout={TEST_TIMEOUT_S}"]
        words += ["-p", "no:cacheprovider", f"--basetemp={self._scratch}", *tests]
        done = subprocess.run(
            words, cwd=self.tree, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


def _make_python(folder: Path, tree: Path) -> Path:
    """Make an environment that sees a tree, and after it what this one has; return its Python.

    Tests start processes with other variables, so it has to be the interpreter that knows the tree.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    own = sysconfig.get_path("purelib")
    (packages / "mutants.pth").write_text(f"{tree}\nimport site; site.addsitedir({own!r})\n")
    return folder / "bin" / "python"


def _names() -> list[str]:
    """Return the files of the working tree: what git tracks, and what it would."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
