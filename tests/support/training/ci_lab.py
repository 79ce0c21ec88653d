"""The steps of docker/ci as a pipeline runs them: a process each, in a clone of a team's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.environments import ROOT

STEPS = ROOT / "docker" / "ci" / "steps"
#: A pipeline has installed Tuner by then: its program is found.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@dataclass
class Team:
    """A bare repository, a clone of it, and what the steps are told.

    Attributes:
        folder: of everything.
        environ: variables of every step.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.remote = self.folder / "remote.git"
        self.clone = self.folder / "clone"
        self.out = self.clone / ".pipeline"
        self.key = self.folder / "signer"
        self.run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        self.run("git", "clone", "--quiet", str(self.remote), str(self.clone))
        self.run("git", "-C", str(self.clone), "switch", "--quiet", "--orphan", "main")

    def make_key(self, name: str = "signer") -> Path:
        """Make a key pair; return the private one."""
        key = self.folder / name
        said = ("-C", f"{name}@example.org", "-f", str(key))
        self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", *said)
        return key

    def signers(self, *keys: Path) -> str:
        """Return a file of allowed signers."""
        public = (key.with_suffix(".pub").read_text().split() for key in keys)
        return "".join(f"{name} {kind} {text}\n" for kind, text, name in public)

    def write(self, **files: str) -> None:
        """Write files of the clone; `__` in a name is a slash, `_` before its end a dot."""
        for name, text in files.items():
            path = self.clone / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str = "work", *, is_pushed: bool = True) -> str:
        """Commit everything on the branch that is there; return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        if is_pushed:
            self.git("push", "--quiet", "origin", "HEAD")
            self.git("fetch", "--quiet", "origin")
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        return self.run("git", "-C", str(self.clone), *arguments).stdout

    def step(
        self, name: str, *arguments: str, code: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a step, see that it ends with `code`, and return what it said."""
        done = subprocess.run(
            ["sh", str(STEPS / f"{name}.sh"), *arguments],
            cwd=self.clone,
            env={**os.environ, "PATH": PATH, **IDENTITY, **self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{name}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def leave(self, **files: str) -> None:
        """Leave what an earlier step would have left; `_` before the end of a name is a dot."""
        self.out.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.out / name.replace("_", ".")).write_text(text)

    @staticmethod
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **IDENTITY}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done
