"""Virtual environments that hold what one lock or one command of docs/install.md installs.

They are kept in a cache, by the hash of what they were made from: `TUNER_TEST_CACHE`, else .cache
in the clone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("TUNER_TEST_CACHE") or ROOT / ".cache")


class Environment:
    """A virtual environment made from one lock, with the wheel of this clone beside it."""

    def __init__(self, lock: str, site: Path) -> None:
        text = (ROOT / lock).read_bytes()
        version = f"py{sys.version_info.major}{sys.version_info.minor}"
        self.folder = CACHE / f"{lock}-{version}-{hashlib.sha256(text).hexdigest()[:16]}"
        self.python = self.folder / "bin" / "python"
        self._site = site
        with made(self.folder) as is_new:
            if is_new:
                install_lock(self.python, ROOT / lock)

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that sees the wheel but not the clone."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return {**kept, "PYTHONPATH": str(self._site), "CUDA_VISIBLE_DEVICES": "-1", **more}

    def run(self, *arguments: str | Path, cwd: Path, **environ: str) -> str:
        """Run this environment's Python to its end and return its output."""
        return run([self.python, *arguments], cwd=cwd, env=self.environ(**environ))

    def lacks(self, module: str, cwd: Path) -> bool:
        """Whether `module` cannot be imported here."""
        code = f"import importlib.util as u; print(u.find_spec({module!r}) is None)"
        return self.run("-c", code, cwd=cwd).strip() == "True"

    @contextmanager
    def process(self, *arguments: str | Path, cwd: Path, **environ: str) -> Iterator[Path]:
        """Run this environment's Python beside the test and yield the file of its output."""
        log = cwd / f"{arguments[1]}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [self.python, *arguments],
                cwd=cwd,
                env=self.environ(**environ),
                stdout=output,
                stderr=output,
            )
            try:
                yield log
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def made(folder: Path) -> Iterator[bool]:
    """Hold a virtual environment of the cache alone; yield whether it is still empty.

    Several processes of one test run may want it at the same moment. It is kept once the block has
    ended without an error.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_new = not complete.exists()
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
            run([sys.executable, "-m", "venv", folder])
        yield is_new
        complete.touch()


def install_lock(python: Path, lock: Path) -> None:
    """Install a lock into an environment.

    By uv, which takes a seventh of pip's processor time and keeps what several locks share. It does
    not read pip's settings: where it cannot reach an index, pip has the last word.
    """
    arguments: list[str | Path] = ["-q", "--require-hashes", "-r", lock]
    uv = subprocess.run(
        [_uv(), "pip", "install", "--python", python, *arguments], capture_output=True, check=False
    )
    if uv.returncode != 0:
        run([python, "-m", "pip", "install", *arguments])


def _uv() -> Path:
    lock = ROOT / "requirements-uv.lock"
    folder = CACHE / f"uv-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    with made(folder) as is_new:
        if is_new:
            run([folder / "bin" / "pip", "install", "-q", "--require-hashes", "-r", lock])
    return folder / "bin" / "uv"


def run(command: list[str | Path], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
