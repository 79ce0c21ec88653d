"""What a user may get wrong, through the real command line: said clearly, nothing created."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.home import Home, open_home

pytestmark = pytest.mark.slow

BROKEN = Path(__file__).parents[1] / "unit" / "broken_specs"
SPEC = """
    project: bad
    study: input
    objective: {objective}
    metric: {{name: score, goal: maximize}}
    search_space:
      kind: {{type: categorical, values: [{kinds}]}}
    start_with: [{{kind: {first}}}]
    sampler: {{name: grid}}
    budget: {{trials: 20}}
"""
OBJECTIVES = """
    import numpy
    from workers import Run


    class History:
        epoch = [0, 1]
        history = {"loss": [0.5, 0.4], "accuracy": [0.1, 0.2]}


    RETURNED = {
        "none": None,
        "nan": float("nan"),
        "string": "0.9",
        "numpy": numpy.float32(0.25),
        "other": {"loss": 0.5},
        "history": History(),
    }


    def returns(run: Run):
        kind = run.params["kind"]
        if kind == "raises":
            raise ValueError("there is no data set digitz")
        return RETURNED[kind]
"""
#: By what the objective does: the trial's cause, and what is said of it. None: that is fine.
RESULTS: dict[str, tuple[str, str] | None] = {
    "raises": ("error", "ValueError: there is no data set digitz"),
    "none": ("error", "the objective returned None; expected a number"),
    "nan": ("diverged", "score is nan"),
    "string": ("error", "the objective returned '0.9' (str); expected a number"),
    "other": ("error", "without the metric 'score'; its keys: loss"),
    "history": ("error", "no metric 'score'; it has: accuracy, loss"),
    "numpy": None,
}
SLOW = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        home.write("objectives.py", OBJECTIVES)
        yield home


def write_spec(home: Home, *, objective: str = "objectives:returns", first: str = "numpy") -> None:
    kinds = ", ".join(RESULTS)
    home.write("spec.yaml", SPEC.format(objective=objective, kinds=kinds, first=first))


@pytest.mark.parametrize("command", ["check", "run", "submit"])
def test_every_problem_of_a_spec_is_said_with_its_place_and_nothing_is_created(
    home: Home, command: str
) -> None:
    spec = BROKEN / "several_at_once.yaml"
    expected = [line.removeprefix("# ") for line in spec.read_text().splitlines() if "#" in line]

    done = home.run(command, spec)

    assert done.code == 2
    assert done.text.count("several_at_once.yaml:") >= 3, (done, expected)
    assert not home.path.exists()


def test_what_is_no_spec_at_all_is_refused(home: Home) -> None:
    (home.work / "folder").mkdir()
    home.write("empty.yaml", "")
    (home.work / "binary.yaml").write_bytes(bytes(range(256)))

    for name in ("missing.yaml", "folder", "empty.yaml", "binary.yaml"):
        done = home.run("run", name)
        assert done.code == 2, done
        assert name in done.err
        assert "Traceback" not in done.err

    assert not home.path.exists()


@pytest.mark.parametrize("kind", RESULTS)
def test_check_says_what_the_objective_did(home: Home, kind: str) -> None:
    write_spec(home, first=kind)

    done = home.run("check", "spec.yaml")

    expected = RESULTS[kind]
    assert done.code == (0 if expected is None else 2), done
    assert (expected[1] if expected else "value 0.25") in done.out
    assert not home.path.exists()


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("objectives:train", "objectives has no 'train'; functions there: History, Run, returns"),
        ("objectivez:train", "no objectivez.py and no folder objectivez/"),
        ("broken:train", "No module named 'nosuchpackage'"),
    ],
)
def test_check_says_why_the_objective_cannot_be_imported(
    home: Home, objective: str, said: str
) -> None:
    home.write("broken.py", "import nosuchpackage")
    write_spec(home, objective=objective)

    done = home.run("check", "spec.yaml")

    assert done.code == 2
    assert said in done.text
    assert not home.path.exists()


def test_each_trial_says_what_its_objective_did(home: Home) -> None:
    write_spec(home)

    done = home.ok("run", "spec.yaml", timeout_s=120)

    assert "search space exhausted" in done.out
    rows = {row["params"]["kind"]: row for row in home.json("best", "bad/input", "--all")}
    assert rows.keys() == RESULTS.keys()
    for kind, expected in RESULTS.items():
        row = rows[kind]
        record = json.loads((home.logs / row["run_dir"] / "trial.json").read_text())
        assert (record["cause"], record["objective"]) == (row["cause"], row["objective"])
        if expected is None:
            assert (row["state"], row["objective"]) == ("COMPLETE", 0.25)
        else:
            assert (row["state"], row["cause"], row["objective"]) == ("FAIL", expected[0], None)
            assert expected[1] in record["error"]
    shown = home.ok("show", "bad/input", rows["raises"]["trial"])
    assert "ValueError: there is no data set digitz" in shown.out


def test_an_objective_that_cannot_be_imported_pauses_its_study_and_says_so(home: Home) -> None:
    home.write("broken.py", "import nosuchpackage")
    write_spec(home, objective="broken:train")

    done = home.run("run", "spec.yaml", timeout_s=120)

    assert done.code == 1
    assert "No module named 'nosuchpackage'" in done.err
    status = home.json("status", "bad/input")
    assert status["state"] == "paused"
    assert "the first 3 trials failed alike" in status["reason"]


@pytest.mark.parametrize(
    "name", ["..", "a/b", *(pytest.param(n, marks=SLOW) for n in ("a b", "A", "x" * 300, "-x"))]
)
def test_names_that_are_no_names_are_refused_everywhere(home: Home, name: str) -> None:
    write_spec(home)
    text = (home.work / "spec.yaml").read_text()
    home.write("spec.yaml", text.replace("study: input", f"study: {name!r}"))

    submitted = home.run("submit", "spec.yaml")
    asked = home.run("status", f"bad/{name}")

    assert (submitted.code, asked.code) == (2, 2)
    assert "spec.yaml:2:8: study: " in submitted.err
    assert "1 to 63 characters a-z, 0-9 and -" in submitted.err
    assert "is not project/study" in asked.err
    assert not home.path.exists()


def test_what_does_not_exist_is_said(home: Home) -> None:
    home.ok("db", "upgrade")

    for args in (("status", "bad/input"), ("show", "bad/input", 0), ("delete", "bad/input", "-y")):
        done = home.run(*args)
        assert done.code == 2
        assert "bad/input" in done.err
        assert "Traceback" not in done.err


def test_a_redis_url_without_a_redis_is_said_before_anything_runs(home: Home) -> None:
    write_spec(home)
    with taken_port() as port:
        pass

    url = f"redis://me:hush@127.0.0.1:{port}/0"
    done = home.run("run", "spec.yaml", TUNER_REDIS_URL=url)

    assert done.code == 2
    assert f"127.0.0.1:{port}" in done.err
    assert "TUNER_REDIS_URL" in done.err
    assert "hush" not in done.text
    assert home.json("list") == []
    assert home.processes() == {}


def test_a_home_of_a_newer_version_is_left_alone(home: Home) -> None:
    write_spec(home)
    home.ok("db", "upgrade")
    database = home.path / "tuner.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE tuner_alembic_version SET version_num = '9999'")
    before = dump(database)

    for args in (("run", "spec.yaml"), ("submit", "spec.yaml"), ("list",), ("db", "upgrade")):
        done = home.run(*args)
        assert done.code == 2, done
        assert "newer release" in done.err
        assert "9999" in done.err

    assert dump(database) == before
    assert home.processes() == {}


def test_a_port_that_is_taken_is_said(home: Home) -> None:
    with taken_port() as port:
        for command in (("serve", "--port", port), ("board", "bad/input", "--port", port)):
            (home.logs / "bad" / "input").mkdir(parents=True, exist_ok=True)
            done = home.run(*command)
            assert done.code == 2, done
            assert f"--port {port}" in done.err

    assert home.processes() == {}


def test_board_takes_the_next_port_when_6006_is_taken(home: Home) -> None:
    (home.logs / "bad" / "input").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        # Where somebody else has it already, that will do.
        with contextlib.suppress(OSError):
            stack.enter_context(taken_port(6006))
        board = stack.enter_context(home.process("board", "bad/input"))
        said = board.wait_for("Ctrl-C ends it")
        board.interrupt()
        code = board.wait()

    assert "port 6006 is taken; using 60" in said
    assert code == 130


def test_a_server_elsewhere_that_is_none_or_refuses_us_is_said(home: Home) -> None:
    write_spec(home)
    with taken_port() as port:
        pass
    nobody = home.run("list", TUNER_API_URL=f"http://127.0.0.1:{port}")
    no_url = home.run("list", TUNER_API_URL=f"localhost:{port}")
    home.ok("submit", "spec.yaml")
    url = read_url(home)
    stranger = home.run("list", TUNER_API_URL=url, TUNER_TOKEN="guessed")
    no_file = home.run("list", TUNER_TOKEN_FILE=str(home.work / "none"))

    assert (nobody.code, no_url.code, no_file.code) == (1, 2, 2)
    assert f"127.0.0.1:{port}" in nobody.err
    assert "TUNER_API_URL" in no_url.err
    assert stranger.code in (1, 2)
    assert "token" in stranger.err
    assert "TUNER_TOKEN_FILE" in no_file.err
    for done in (nobody, no_url, stranger, no_file):
        assert "Traceback" not in done.err


def test_a_study_that_differs_is_refused_and_shown(home: Home) -> None:
    write_spec(home)
    home.ok("submit", "spec.yaml")
    text = (home.work / "spec.yaml").read_text()
    home.write("spec.yaml", text.replace("goal: maximize", "goal: minimize"))
    goal = home.run("submit", "spec.yaml")
    home.write("spec.yaml", text)
    home.write("objectives.py", OBJECTIVES + "\nCHANGED = True\n")
    code = home.run("submit", "spec.yaml")

    assert (goal.code, code.code) == (2, 2)
    assert "differs in what may not change" in goal.err
    assert '"minimize"' in goal.err
    assert "study bad/input exists and its code differs" in code.err
    assert home.json("status", "bad/input")["metrics"] == [{"name": "score", "goal": "maximize"}]


def read_url(home: Home) -> str:
    url: str = json.loads((home.path / "service.json").read_text())["url"]
    return url


def dump(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@contextlib.contextmanager
def taken_port(port: int = 0) -> Iterator[int]:
    """Listen on a port of this host; afterwards it is free again."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield listener.getsockname()[1]
