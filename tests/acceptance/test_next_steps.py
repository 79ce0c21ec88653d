"""What a command prints as the next step works when it is typed, in a shell that knows nothing.

The program lies in `.venv/bin` of the folder, nothing is activated, and the PATH is the system's.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.home import CLIMB, ROOT, end_processes
from tuner.cli.calling import WORDS

TUNER = ".venv/bin/tuner"
#: A command of ours in a text, up to what ends it there.
PRINTED = re.compile(rf"(?<![\w/]){re.escape(TUNER)} (?:{'|'.join(WORDS)})\b[^`;|\n'()]*")
#: The same, as it would work only where the environment is activated.
BARE = re.compile(rf"(?<![\w./-])tuner (?:{'|'.join(WORDS)})\b")
LIMIT_S = 90.0


def _hear_interrupts() -> None:
    """Undo what a shell does to what it starts with `&`, and what that hands down: no Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Person:
    """Someone with a fresh account, in the folder of a clone, in one new shell a command."""

    def __init__(self, folder: Path) -> None:
        self.account = folder / "ada"
        self.folder = folder / "clone"
        script = self.folder / TUNER
        script.parent.mkdir(parents=True)
        script.write_text(f"#!{sys.executable} -P\nfrom tuner.cli import main\n\nmain()\n")
        script.chmod(0o755)
        # It is there, so that a home in the tree that the tests run from plays no part.
        self.home = self.account / ".local" / "share" / "tuner"
        self.home.mkdir(parents=True)
        self.environ = {
            "HOME": str(self.account),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            # No Redis is on that PATH but the package's.
            "TUNER_REDIS_URL": os.environ.get("TUNER_REDIS_URL", ""),
        }

    def write(self, name: str, text: str) -> None:
        """Write a file of the user's; its common indentation is removed."""
        (self.folder / name).write_text(textwrap.dedent(text).lstrip("\n"))

    def start(self, text: str) -> subprocess.Popen[str]:
        """Start a command line in a new shell."""
        return subprocess.Popen(
            ["sh", "-c", text],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )

    def type(self, text: str, code: int = 0) -> str:
        """Run a command line in a new shell; return what it said."""
        process = self.start(text)
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == code, f"{text}: {process.returncode}\n{said}"
        assert not BARE.search(said), f"{text}: works in an activated environment only:\n{said}"
        return said

    def next_steps(self, said: str) -> list[str]:
        """Return the commands in a text, with what stands for the user's own put in."""
        # A synopsis is no command; `Try '…'` is typed by who asks for it.
        said = re.sub("^(Usage: |Try ).*$", "", said, flags=re.M)
        # Two blanks begin what the command is for.
        steps = [step.group().split("  ")[0].rstrip(" .,") for step in PRINTED.finditer(said)]
        return [step.replace("SPEC", "hill.yaml").replace("=N", "=9") for step in steps]


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    person = Person(tmp_path)
    person.write("hill.yaml", CLIMB.format(project="demo", study="hill", steps=2, trials=2))
    person.write("long.yaml", CLIMB.format(project="demo", study="long", steps=40, trials=500))
    person.write(
        "objectives.py",
        """
        import time

        from workers import Run


        def climb(run: Run) -> float:
            if run.params["steps"] == 13:
                raise ValueError("there is no data")
            for step in range(1, run.params["steps"] + 1):
                time.sleep(0.1)
                run.report(step, run.params["x"])
            return run.params["x"]
        """,
    )
    yield person
    end_processes(tmp_path)


@pytest.mark.slow
def test_from_nothing_to_tensorboard_by_what_is_printed(person: Person) -> None:
    said = person.type(f"{TUNER} list")
    assert person.next_steps(said) == [f"{TUNER} run hill.yaml"]
    said = person.type(f"{person.next_steps(said)[0]} --workers 1")
    (board,) = person.next_steps(said)

    assert board == f"{TUNER} board demo/hill"
    pytest.importorskip("tensorboard", reason="needs TensorBoard")
    process = person.start(f"exec {board}")
    assert process.stdout is not None
    lines = []
    try:
        while "TensorBoard on demo/hill" not in "".join(lines):
            line = process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130


@pytest.mark.slow
def test_a_service_and_its_workers_by_what_is_printed(person: Person) -> None:
    (watch,) = person.next_steps(person.type(f"{TUNER} submit long.yaml"))
    assert watch == f"{TUNER} watch demo/long"
    waits = person.type(f"{TUNER} workers list")
    assert person.next_steps(waits) == [f"{TUNER} workers up"]
    person.type(f"{person.next_steps(waits)[0]} -n 1")
    (see,) = person.next_steps(person.type(f"{TUNER} workers scale 2"))
    person.type(see)
    (resume,) = person.next_steps(person.type(f"{TUNER} pause demo/long"))
    person.type(resume)
    process = person.start(f"exec {watch}")
    assert process.stdout is not None
    assert "trial" in process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=LIMIT_S)
    (up,) = person.next_steps(person.type(f"{TUNER} workers up -n 1", 2))
    assert up.startswith(f"{TUNER} workers scale")
    person.type(up)
    person.type(f"{TUNER} down")


@pytest.mark.slow
def test_an_interrupted_run_says_the_command_that_goes_on(person: Person) -> None:
    process = person.start(f"exec {TUNER} run long.yaml --workers 1 --isolation spawn")
    assert process.stdout is not None
    said = ""
    while "trial" not in said.rpartition("\n")[0]:
        line = process.stdout.readline()
        assert line, said
        said += line
        said = said if "trial " in line else said.replace("trial", "")
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=LIMIT_S)
    (again,) = person.next_steps(said)

    assert again == f"{TUNER} run long.yaml --workers 1 --isolation spawn"
    status = person.type(f"{TUNER} status")
    assert person.next_steps(status) == [again]
    process = person.start(f"exec {again}")
    assert process.stdout is not None
    while "resumes" not in (line := process.stdout.readline()):
        assert line
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=LIMIT_S)


@pytest.mark.slow
def test_a_run_whose_terminal_was_killed_is_gone_on_with_as_status_says(person: Person) -> None:
    process = person.start(f"exec {TUNER} run long.yaml --workers 1")
    assert process.stdout is not None
    while "trial" not in (line := process.stdout.readline()):
        assert line
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)
    deadline = time.monotonic() + LIMIT_S
    while True:
        said = person.type(f"{TUNER} status demo/long")
        steps = person.next_steps(said)
        if steps or time.monotonic() > deadline:
            break
    assert steps == [f"{TUNER} run long.yaml --workers 1"], said
    above = person.type(f"cd .. && clone/{TUNER} status")
    assert f"continue with: clone/{TUNER} run clone/long.yaml --workers 1" in above
    person.type(f"{TUNER} delete demo/long --yes")


@pytest.mark.slow
def test_a_paused_study_names_commands_that_work(person: Person) -> None:
    person.write("bad.yaml", CLIMB.format(project="demo", study="bad", steps=13, trials=40))
    said = person.type(f"{TUNER} run bad.yaml --workers 1", 1)
    steps = person.next_steps(said)

    assert f"{TUNER} resume demo/bad" in steps
    assert f"{TUNER} retry demo/bad --spec bad.yaml" in steps
    for step in dict.fromkeys(steps):
        if " run " not in step:
            person.type(step)
    person.type(f"{TUNER} events demo/bad")


@pytest.mark.slow
def test_what_a_finished_study_and_a_changed_one_offer_can_be_typed(person: Person) -> None:
    person.type(f"{TUNER} run hill.yaml --workers 1")
    steps = person.next_steps(person.type(f"{TUNER} status"))
    assert f"{TUNER} explain demo/hill" in steps
    for step in steps:
        if " board " not in step:
            person.type(step)
    code = (person.folder / "objectives.py").read_text()
    person.write("objectives.py", code.replace("0.1", "0.2"))

    ways = person.next_steps(person.type(f"{TUNER} run hill.yaml --workers 1", 2))

    assert [way.rpartition(" --")[2] for way in ways] == ["code old", "code new", "as hill-2"]
    for way in ways:
        person.type(way)
    assert "demo/hill-2" in person.type(f"{TUNER} list")


@pytest.mark.parametrize("wrong", ["lst", "best -n x", "best hill", "workers", "status demo/none"])
def test_what_a_mistake_points_to_can_be_typed(person: Person, wrong: str) -> None:
    said = person.type(f"{TUNER} {wrong}", 2)
    ways = [*person.next_steps(said), *re.findall(r"Try '(.*)' for help", said)]

    assert ways, said
    for way in ways:
        person.type(way)
