"""The same command, typed again, after the folder has changed as folders do."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.home import CLIMB, TUNER, Done, Home, open_home
from tests.support.databases.lab import copy_as

STUDY = "walk/climb"
OBJECTIVE = '''
    """A hill."""
    import importlib

    import hills


    def climb(run):
        """Climb it."""
        importlib.import_module("plug" + "in")
        for step in range(1, int(run.params["steps"]) + 1):
            run.report(step, hills.height(run.params["x"]))
        return hills.height(run.params["x"])
'''
HILLS = "def height(x):\n    return 1 - (x - 0.5) ** 2\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        home.write("objectives.py", OBJECTIVE)
        home.write("hills.py", HILLS)
        home.write("plugin.py", "x = 1\n")
        write_spec(home, trials=1)
        yield home


def write_spec(home: Home, *, trials: int) -> None:
    home.write("climb.yaml", CLIMB.format(project="walk", study="climb", trials=trials, steps=2))


def run_into_log(home: Home) -> Done:
    """Run as many do: with everything that is said in a log beside the spec."""
    command = f"{shlex.join([*TUNER, 'run', 'climb.yaml', '--workers', '1'])} 2>&1 | tee -a run.log"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=home.work,
        env=home.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done}\n{home.explain()}"
    return Done(code=0, out=done.stdout, err=done.stderr)


def change_what_is_no_code(home: Home) -> None:
    """Do to the folder what a day of work does, but for the code itself."""
    home.write("NOTES.md", "It works.\n")
    home.write("plots/curve.png", "not a picture\n")
    home.write("other.yaml", CLIMB.format(project="walk", study="other", trials=1, steps=1))
    home.write("other.py", "def climb(run):\n    return 0.0\n")
    home.write("objectives.py", OBJECTIVE.replace("import hills", "import hills  # ours"))
    home.write("hills.py", HILLS.replace("1 - (x - 0.5) ** 2", "(\n        1 - (x-0.5)**2\n    )"))


@pytest.mark.slow
def test_a_study_goes_on_when_only_its_surroundings_change(home: Home) -> None:
    first = run_into_log(home)
    change_what_is_no_code(home)
    write_spec(home, trials=2)
    second = run_into_log(home)

    assert "left out     run.log (1 kB): " in first.out
    assert "other files  NOTES.md, other.py differ from what the study began with" in second.out
    assert "left out" not in second.out, "that is said once"
    assert "resumes      walk/climb where it stopped" in second.out
    assert home.json("status", STUDY)["counts"]["complete"] == 2
    codes = {home.json("show", STUDY, number)["code"] for number in (0, 1)}
    assert len(codes) == 1, "trials continue with the files that the study began with"


@pytest.mark.slow
def test_a_change_of_code_is_named_and_three_ways_lead_on(home: Home) -> None:
    home.ok("run", "climb.yaml", "--workers", 1, timeout_s=120)
    home.write("hills.py", HILLS.replace("0.5", "0.25"))
    home.write("plugin.py", "x = 2\n")
    write_spec(home, trials=2)
    refused = home.run("run", "climb.yaml", "--workers", 1)
    old = home.ok("run", "climb.yaml", "--workers", 1, "--code", "old", timeout_s=120)
    sibling = home.ok("run", "climb.yaml", "--workers", 1, "--as", "climb-2", timeout_s=120)
    write_spec(home, trials=3)
    new = home.ok("run", "climb.yaml", "--workers", 1, "--code", "new", timeout_s=120)

    assert refused.code == 2
    *said, to_old, to_new, to_sibling = refused.err.splitlines()
    assert said == [
        "tuner: study walk/climb exists and its code differs:",
        "  hills.py: line 2 changed (1 line)",
        "  plugin.py: line 1 changed (1 line)",
        "take these changes back, or continue in one of these ways:",
    ]
    # Before it stands how this program is typed here.
    typed = "run climb.yaml --workers 1"
    assert f"{typed} --code old    with the code that the study has" in to_old
    assert f"{typed} --code new    with the new code, for trials from now on" in to_new
    assert f"{typed} --as climb-2  as a study of its own, which learns from" in to_sibling
    assert "old code     trials continue with the study's code" in old.out
    assert "changed      code: hills.py: line 2 changed (1 line); plugin.py" in new.out
    assert "for trials from now on" in new.out
    assert "walk/climb-2: finished" in sibling.out
    codes = [home.json("show", STUDY, number)["code"] for number in range(3)]
    assert codes[0] == codes[1] != codes[2]
    assert home.json("show", "walk/climb-2", 0)["code"] == codes[2]
    assert home.json("status", "walk/climb-2")["counts"]["complete"] == 2


def test_check_says_what_counts_as_code_and_what_does_not(home: Home) -> None:
    change_what_is_no_code(home)
    home.write("statistics.py", "x = 1\n")
    said = home.ok("check", "climb.yaml").out
    document = home.json("check", "climb.yaml")

    assert "the objective needs hills.py, objectives.py, plugin.py; a change there" in said
    assert "3 other files travel along" in said
    assert "left out: plots/ (1 kB)" in said
    assert "statistics.py has the name of Python's own module 'statistics'" in said
    code = document["code"]
    assert (code["needed"], code["loaded"]) == (["hills.py", "objectives.py"], ["plugin.py"])


@pytest.mark.slow
def test_a_home_of_the_first_release_goes_on(home: Home) -> None:
    # That release took everything along, and knew no column for what trials have imported.
    home.write(".tunerignore", "!run.log\n")
    home.write("run.log", "0\n")
    home.ok("run", "climb.yaml", "--workers", 1, timeout_s=120)
    database = home.path / "tuner.db"
    newer = database.rename(home.path / "newer.db")
    copy_as(f"sqlite:///{newer}", f"sqlite:///{database}", "0005")
    (home.work / ".tunerignore").unlink()
    change_what_is_no_code(home)
    write_spec(home, trials=2)
    second = run_into_log(home)
    home.write("hills.py", HILLS.replace("0.5", "0.25"))
    refused = home.run("submit", "climb.yaml")

    assert "other files  NOTES.md, other.py differ" in second.out
    assert home.json("status", STUDY)["counts"]["complete"] == 2
    assert (refused.code, "hills.py: line 2 changed" in refused.err) == (2, True)
    events = json.loads(home.ok("events", STUDY, "--json").out)
    assert [event["kind"] for event in events].count("study-edited") == 1, "of the budget"
